package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/repopublish/signer"
)

func signerCommands() []command {
	return []command{
		{
			name: "signer", args: "[--config FILE]", help: "hold the private keys and sign what is recorded, until a signal comes", run: runSigner,
			flags: func(flags *flag.FlagSet) {
				configFlag(flags)
				flags.Bool("child", false, "end when standard input ends: distbot serve started this one")
			},
		},
		{
			name: "signer audit", args: "[--log] [--receipts] [--json]", help: "verify the signer's audit log", run: signerAudit,
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.Bool("log", false, "print every line, too")
				flags.Bool("receipts", false, "compare with what the hub's database has, too; for an account that may read both")
			},
		},
		{
			name: "signer role", args: "[--out FILE]", help: "make the signer's database role, on the hub, and write its URL to a file", run: withHub(readRole, signerRole),
			flags: func(flags *flag.FlagSet) {
				configFlag(flags)
				flags.String("out", "", "the `file` for the URL, which is secret (default: signing.database_url_file)")
			},
		},
	}
}

// guardMemory keeps other processes of our account from reading our memory, and
// our memory out of core dumps.
func guardMemory() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("guard memory: %w", err)
	}
	return nil
}

// runSigner is the signer until ctx ends.
func runSigner(ctx context.Context, t terminal, flags *flag.FlagSet) (err error) {
	config, err := readConfig(flags)
	if err != nil {
		return err
	}
	if err := guardMemory(); err != nil {
		return err
	}
	if isSet(flags, "child") {
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(ctx)
		defer stop()
		go func() {
			// Nothing is ever written to it: its end is the parent's.
			_, _ = io.Copy(io.Discard, t.stdin)
			stop()
		}()
	}
	s := &signer.Server{Logger: newLogger(t.stderr, flags)}
	c := config.Signing
	if s.Allow, err = c.allowed(); err != nil {
		return err
	}
	mode, group, err := c.socketAccess()
	if err != nil {
		return err
	}
	if s.Keys, err = signer.OpenKeys(c.keyDir(), c.PassphraseFile); err != nil {
		return err
	}
	url, err := signer.ReadDatabaseURL(c.DatabaseURLFile)
	if err != nil {
		return err
	}
	record, err := signer.OpenDatabase(ctx, url)
	if err != nil {
		return err
	}
	defer record.Close()
	s.Record = record
	if s.Audit, err = signer.OpenAudit(c.Dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Audit.Close()) }()
	listener, err := signer.Listen(c.Socket, mode, group)
	if err != nil {
		return err
	}
	s.Logger.Info("signer is ready", "socket", c.Socket, "keys", len(s.Keys.List()))
	return s.Serve(ctx, listener)
}

// signerAudit verifies the log.
func signerAudit(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	config, err := readConfig(flags)
	if err != nil {
		return err
	}
	var receipts []signer.Receipt
	if isSet(flags, "receipts") {
		if receipts, err = readReceipts(ctx, flags); err != nil {
			return err
		}
	}
	var lines []signer.Line
	var visit func(signer.Line)
	if isSet(flags, "log") {
		visit = func(line signer.Line) { lines = append(lines, line) }
	}
	report, err := signer.VerifyAudit(config.Signing.Dir, receipts, visit)
	if err != nil {
		return err
	}
	if err := printAudit(t, wantsJSON(flags), report, lines); err != nil {
		return err
	}
	if len(report.Problems) > 0 {
		return errFailed
	}
	return nil
}

func printAudit(t terminal, asJSON bool, report *signer.AuditReport, lines []signer.Line) error {
	if asJSON {
		return writeJSON(t.stdout, struct {
			*signer.AuditReport
			Log []signer.Line `json:"log,omitempty"`
		}{report, lines})
	}
	if lines != nil {
		rows := make([][]string, len(lines))
		for i, line := range lines {
			uid := ""
			if line.UID != nil {
				uid = fmt.Sprint(*line.UID)
			}
			what := strings.TrimSpace(line.NEVRA + " " + string(line.Code) + " " + line.Detail)
			rows[i] = []string{fmt.Sprint(line.Seq), when(line.At), line.Event, dash(uid), dash(line.Key), dash(cut(line.SHA256, 17)), dash(what)}
		}
		if err := writeTable(t.stdout, []string{"LINE", "AT", "EVENT", "UID", "KEY", "SHA256", "WHAT"}, rows); err != nil {
			return err
		}
	}
	fmt.Fprintf(t.stdout, "lines: %d, signatures: %d, refusals: %d\n", report.Lines, report.Signatures, report.Refusals)
	if report.From != nil {
		fmt.Fprintf(t.stdout, "from %s until %s\n", when(*report.From), when(*report.Until))
	}
	fmt.Fprintf(t.stdout, "newest line: %d %s\n", report.Head.Seq, report.Head.Hash)
	for _, problem := range report.Problems {
		fmt.Fprintln(t.stderr, "CHANGED:", problem)
	}
	if report.Unfinished > 0 {
		fmt.Fprintf(t.stderr, "%d bytes after it are no whole line: one that is being written now, or else what a signer that was killed, or somebody else, has begun; the signer cuts them off when it starts, and notes it\n", report.Unfinished)
	}
	if len(report.Problems) == 0 {
		fmt.Fprintf(t.stdout, "the log is as it was written, up to line %d\n", report.Head.Seq)
	}
	return nil
}

// readReceipts reads the hub's.
func readReceipts(ctx context.Context, flags *flag.FlagSet) ([]signer.Receipt, error) {
	h, err := openHub(ctx, flags)
	if err != nil {
		return nil, err
	}
	defer h.close()
	rows, err := db.New(h.pool).SigningReceipts(ctx)
	if err != nil {
		return nil, err
	}
	receipts := make([]signer.Receipt, len(rows))
	for i, row := range rows {
		receipts[i] = signer.Receipt{Seq: row.AuditSeq, Hash: row.AuditHash}
	}
	return receipts, nil
}

func readRole(flags *flag.FlagSet) (string, error) { return value(flags, "out"), nil }

// signerRole makes the signer's role.
func signerRole(ctx context.Context, h *hub, out string) error {
	if out == "" {
		out = h.config.Signing.DatabaseURLFile
	}
	url, err := signer.SetRole(ctx, h.pool)
	if err != nil {
		return err
	}
	if err := signer.WriteDatabaseURL(out, url); err != nil {
		return err
	}
	_, err = fmt.Fprintf(h.stdout, "wrote %s: bring it to the signer, as signing.database_url_file, over a connection you trust; any earlier one counts no more\n", out)
	return err
}
