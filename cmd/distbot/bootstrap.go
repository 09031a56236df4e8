package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/distbot/distbot/internal/bootstrap"
)

func bootstrapCommands() []command {
	return []command{{
		name: "bootstrap debian", args: "--out DIR [--arch ARCH]", run: bootstrapDebian,
		help: "make a small base distribution of RPMs from a Debian host's packages",
		flags: func(flags *flag.FlagSet) {
			flags.String("arch", hostArch(), "`architecture`, by RPM's name")
			flags.String("out", "", "`directory` of the repository; one made here before is replaced")
			flags.String("cache", "", "`directory` of downloads and finished packages (default: the user's cache)")
			onlyJSONFlag(flags)
		},
	}}
}

func bootstrapDebian(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	value := func(name string) string { return flags.Lookup(name).Value.String() }
	if value("out") == "" || flags.NArg() > 0 {
		return usage("expected --out DIR")
	}
	result, err := bootstrap.Debian(ctx, bootstrap.Options{
		Arch: value("arch"), Out: value("out"), Cache: value("cache"), Log: newLogger(t.stderr, flags), Progress: progressLine(t),
	})
	if err != nil {
		return err
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, result)
	}
	state := fmt.Sprintf("made in %.1f s", result.Elapsed.Seconds())
	if result.UpToDate {
		state = "up to date"
	}
	fmt.Fprintf(t.stdout, "%s: %d packages for %s, %s\n", result.Path, len(result.Packages), value("arch"), state)
	return nil
}

// progressLine shows each tenth step of the long stages.
func progressLine(t terminal) func(bootstrap.Progress) {
	return func(p bootstrap.Progress) {
		if p.Total > 0 && (p.Done%20 == 0 || p.Done == p.Total) {
			fmt.Fprintf(t.stderr, "%s %d/%d %s\n", p.Stage, p.Done, p.Total, p.Package)
		}
	}
}
