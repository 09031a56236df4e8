package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/repopublish/verify"
)

func repoVerifyCommand() command {
	return command{
		name: "repo verify", args: "REPO...", run: repoVerify,
		help: "find what is wrong with repositories, and with having them all at once",
		flags: func(flags *flag.FlagSet) {
			flags.Bool("rpms", false, "read every RPM also of repositories on the web, as those of directories: its checksum and payload, all that the documents say of it, and whether its module documents are there")
			flags.Bool("metadata-only", false, "read no RPMs, also of directories: only whether they are there with their sizes")
			sourceFlags(flags)
		},
	}
}

func repoVerify(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	if flags.NArg() == 0 {
		return usage("expected REPO: a directory, a URL, or NAME,URL")
	}
	asked := newRepoSources(t, flags)
	for _, text := range flags.Args() {
		if _, err := asked.add(text); err != nil {
			return err
		}
	}
	opts := verify.Options{Snapshot: asked.opts, Progress: rpmProgress(t, "looked at")}
	switch all, none := value(flags, "rpms") == "true", value(flags, "metadata-only") == "true"; {
	case all && none:
		return usage("--rpms and --metadata-only exclude one another")
	case all:
		opts.RPMs = verify.ReadAll
	case none:
		opts.RPMs = verify.ReadNone
	}
	report, err := verify.Verify(ctx, asked.all, opts)
	if err != nil {
		return err
	}
	if wantsJSON(flags) {
		err = writeJSON(t.stdout, report)
	} else {
		err = writeVerify(t, report)
	}
	if err == nil && !report.OK() {
		return errFailed
	}
	return err
}

func writeVerify(t terminal, report verify.Report) error {
	for _, f := range report.Findings {
		if _, err := fmt.Fprintln(t.stdout, tasklog.Printable(f.String())); err != nil {
			return err
		}
	}
	for _, r := range report.Repos {
		what := []string{counted(int64(r.Packages), "package"), counted(int64(r.Documents), "document"), counted(int64(r.Streams), "module stream")}
		if r.Read > 0 {
			what = append(what, counted(int64(r.Read), "RPM")+" read")
		}
		errs := 0
		for _, f := range report.Findings {
			if f.Repo == r.Name && f.Severity >= modulemd.Error {
				errs++
			}
		}
		if what = append(what, counted(int64(errs), "error")); errs == 0 {
			what[len(what)-1] = "no errors"
		}
		if _, err := fmt.Fprintf(t.stderr, "%s: %s\n", tasklog.Printable(r.Name), strings.Join(what, ", ")); err != nil {
			return err
		}
	}
	return nil
}
