package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/repopublish/verify"
)

func repoVerifyCommand() command {
	return command{
		name: "repo verify", args: "REPO...", run: repoVerify,
		help: "find what is wrong with repositories, and with having them all at once",
		flags: func(flags *flag.FlagSet) {
			flags.Bool("rpms", false, "read every RPM: its checksum, its name, and whether its module documents are there")
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
	report, err := verify.Verify(ctx, asked.all, verify.Options{RPMs: flags.Lookup("rpms").Value.String() == "true", Snapshot: asked.opts})
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
		read := ""
		if r.Read > 0 {
			read = fmt.Sprintf(", %d RPMs read", r.Read)
		}
		if _, err := fmt.Fprintf(t.stderr, "%s: %d packages, %d documents, %d module streams%s\n", tasklog.Printable(r.Name), r.Packages, r.Documents, r.Streams, read); err != nil {
			return err
		}
	}
	return nil
}
