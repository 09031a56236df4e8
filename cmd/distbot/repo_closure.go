package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/repopublish/closure"
	"github.com/distbot/distbot/repopublish/snapshot"
)

func repoClosureCommand() command {
	return command{
		name: "repo closure", args: "--repo REPO... [--check REPO]... [--arch ARCH]...", run: repoClosure,
		help: "find requirements that nothing meets, for each combination of module streams",
		flags: func(flags *flag.FlagSet) {
			flags.Var(&list{}, "repo", "`repository`: a directory, a URL, or NAME,URL; may be repeated")
			flags.Var(&list{}, "check", "check only packages of this `repository`, a name or as --repo; may be repeated")
			flags.Var(&list{}, "arch", "check only packages of this `architecture`; may be repeated")
			flags.Var(&list{}, "pkg", "check only this `package`, by name, name.arch or NEVRA; may be repeated")
			flags.Bool("newest", false, "leave out older versions within each repository")
			flags.Bool("best", false, "let only the newest versions of all repositories provide")
			flags.String("forcearch", "", "`architecture` of the client (default: each that packages are made for)")
			flags.String("platform", "", "the client's `stream` of the module platform, such as el8 (default: any)")
			flags.Var(&list{}, "module-hotfixes", "no module hides packages of this `repository`; may be repeated")
			sourceFlags(flags)
		},
	}
}

func repoClosure(ctx context.Context, t terminal, flags *flag.FlagSet) (err error) {
	asked := newRepoSources(t, flags, "primary", "filelists", "modules")
	if flags.NArg() > 0 {
		return usage("unexpected %q; repositories are given with --repo", flags.Arg(0))
	}
	for _, name := range listFlag(flags, "arch") {
		if !closure.IsArch(name) {
			return usage("--arch %q is no architecture of packages; such are x86_64, noarch and src", name)
		}
	}
	if machine := value(flags, "forcearch"); machine != "" && !closure.IsMachine(machine) {
		return usage("--forcearch %q is no architecture of machines; such are x86_64 and aarch64", machine)
	}
	if _, err := asked.addAll(flags, "repo"); err != nil {
		return err
	}
	check, err := asked.addAll(flags, "check")
	if err != nil {
		return err
	}
	hotfixes, err := asked.addAll(flags, "module-hotfixes")
	if err != nil {
		return err
	}
	if len(asked.all) == 0 {
		return usage("expected --repo")
	}
	opened, err := asked.open(ctx)
	defer func() { err = errors.Join(err, closeAll(opened)) }()
	if err != nil {
		return err
	}
	repos, err := closureRepos(opened, func(i int) bool { return len(check) == 0 || slices.Contains(check, i) })
	if err != nil {
		return err
	}
	for _, i := range hotfixes {
		repos[i].Hotfixes = true
	}
	report, err := closure.Check(ctx, repos, closure.Options{
		Arches: listFlag(flags, "arch"), Packages: listFlag(flags, "pkg"), Machine: value(flags, "forcearch"), Platform: value(flags, "platform"),
		Newest: isSet(flags, "newest"), Best: isSet(flags, "best"),
	})
	if err != nil {
		return err
	}
	if wantsJSON(flags) {
		err = writeJSON(t.stdout, report)
	} else {
		err = writeClosure(t, report)
	}
	if err == nil && !report.OK() {
		return errFailed
	}
	return err
}

// closureRepos are opened repositories as the check takes them.
func closureRepos(opened []*snapshot.Snapshot, check func(i int) bool) ([]closure.Repo, error) {
	var repos []closure.Repo
	for i, s := range opened {
		modules, err := s.Modules()
		if err != nil {
			return nil, err
		}
		repos = append(repos, closure.Repo{Name: s.Name, Files: s, Modules: modules, Check: check(i)})
	}
	return repos, nil
}

// writeClosure prints a report; what repositories say is made safe for a
// terminal.
func writeClosure(t terminal, report closure.Report) error {
	if err := report.WriteText(printable{t.stdout}); err != nil {
		return err
	}
	text := "checked " + counted(int64(report.Packages), "package")
	if len(report.Machines) > 0 {
		text += " for " + strings.Join(report.Machines, ", ")
	}
	if report.Combinations > len(report.Machines) {
		text += " with " + counted(int64(report.Combinations), "combination") + " of module streams"
	}
	if len(report.Problems) == 0 {
		text += ": all that they require is there"
	}
	_, err := fmt.Fprintln(t.stderr, text)
	return err
}

// printable writes text that came from outside to a terminal.
type printable struct{ io.Writer }

// Write implements io.Writer; it is given whole texts.
func (p printable) Write(b []byte) (int, error) {
	_, err := io.WriteString(p.Writer, tasklog.Printable(string(b)))
	return len(b), err
}
