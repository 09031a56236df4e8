package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/repopublish/closure"
	"github.com/distbot/distbot/repopublish/slim"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// maxPackageList bounds a list of packages, in bytes.
const maxPackageList = 16 << 20

func repoSlimCommand() command {
	return command{
		name: "repo slim", args: "--from REPO... --packages LIST --out DIR", run: repoSlim,
		help: "make a small repository of packages out of large ones, with the module documents they need",
		flags: func(flags *flag.FlagSet) {
			flags.Var(&list{}, "from", "`repository` to take packages from: a directory, a URL, or NAME,URL; may be repeated")
			flags.Var(&list{}, "packages", "`packages` with commas between them, or @FILE with one in each line, or - for those on standard input; each as NAME, NAME.ARCH, NEVRA, @MODULE:STREAM or @MODULE:STREAM/PROFILE; may be repeated")
			flags.String("out", "", "`directory` to make the repository in; must not exist or be empty")
			flags.Bool("replace", false, "replace a repository that is in --out already, and nothing beside it")
			flags.Bool("link", false, "make RPMs hard links to those of directories: fast, but what changes one (rpmsign) changes the other")
			flags.Bool("complete-profiles", false, "also take what the profiles of the streams name")
			flags.Bool("trim-artifacts", false, "leave out of module documents what is not taken; packages that they hid become visible")
			flags.Bool("keep-empty-profiles", false, "keep profiles of which nothing is taken; they install nothing")
			flags.Var(&list{}, "external", "`repository` that clients have beside this one; may be repeated")
			flags.Var(&list{}, "drop", "`type` of document that is not taken: group or updateinfo; may be repeated")
			flags.String("platform", "", "the clients' `stream` of the module platform, such as el8, which the streams must be for")
			flags.Bool("closure", false, "refuse a repository that is not closed, together with --external")
			flags.Bool("zstd", false, "compress with zstd instead of gzip")
			sourceFlags(flags)
		},
	}
}

func repoSlim(ctx context.Context, t terminal, flags *flag.FlagSet) (err error) {
	ctx, stop := untilHangup(ctx)
	defer stop()
	value := func(name string) string { return flags.Lookup(name).Value.String() }
	set := func(name string) bool { return value(name) == "true" }
	if flags.NArg() > 0 {
		return usage("unexpected %q; packages are given with --packages", flags.Arg(0))
	}
	documents := append([]string{"primary", "modules", "updateinfo"}, slim.GroupTypes()...)
	if set("closure") {
		documents = append(documents, "filelists")
	}
	asked := newRepoSources(t, flags, documents...)
	from, err := asked.addAll(flags, "from")
	if err != nil {
		return err
	}
	external, err := asked.addAll(flags, "external")
	if err != nil {
		return err
	}
	opts := slim.Options{
		Out: value("out"), Replace: set("replace"), CompleteProfiles: set("complete-profiles"), TrimArtifacts: set("trim-artifacts"),
		KeepEmptyProfiles: set("keep-empty-profiles"), Drop: listFlag(flags, "drop"), Platform: value("platform"), Compression: repomd.Gzip, Progress: rpmProgress(t, "took"),
	}
	if set("zstd") {
		opts.Compression = repomd.Zstd
	}
	for _, kind := range opts.Drop {
		if kind != "group" && kind != "updateinfo" {
			return usage("--drop %s: expected group or updateinfo", kind)
		}
	}
	if opts.Packages, err = packageLists(t, listFlag(flags, "packages")); err != nil {
		return err
	}
	if len(from) == 0 || len(opts.Packages) == 0 || opts.Out == "" {
		return usage("expected --from, --packages and --out")
	}
	opts.Link = set("link")
	opened, err := asked.open(ctx)
	defer func() { err = errors.Join(err, closeAll(opened)) }()
	if err != nil {
		return err
	}
	opts.Externals = those(opened, external)
	if set("closure") {
		opts.Check = slimClosure(t, opts)
	}
	report, err := slim.Make(ctx, those(opened, from), opts)
	if err != nil {
		return err
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, report)
	}
	return writeSlim(t, opts.Out, report)
}

// untilHangup ends with the terminal, too, so that what was begun is removed; not
// where nohup has it go on.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(unix.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, unix.SIGHUP)
}

// those are the opened repositories of the given numbers, each once.
func those(opened []*snapshot.Snapshot, numbers []int) (some []*snapshot.Snapshot) {
	seen := map[int]bool{}
	for _, i := range numbers {
		if !seen[i] {
			some = append(some, opened[i])
		}
		seen[i] = true
	}
	return some
}

// packageLists reads what --packages says.
func packageLists(t terminal, values []string) (all []string, err error) {
	for _, v := range values {
		// @MODULE:STREAM is no file.
		file, isFile := strings.CutPrefix(v, "@")
		if v == "-" {
			file, isFile = v, true
		}
		if !isFile || strings.Contains(v, ":") && !exists(file) {
			for entry := range strings.SplitSeq(v, ",") {
				if entry = strings.TrimSpace(entry); entry != "" {
					all = append(all, entry)
				}
			}
			continue
		}
		lines, err := packageFile(t, file)
		if err != nil {
			return nil, fmt.Errorf("--packages %s: %w", v, err)
		}
		all = append(all, lines...)
	}
	return all, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// packageFile reads a list: one entry in each line; blank lines and what follows
// a # are left out.
func packageFile(t terminal, file string) (all []string, err error) {
	var in io.Reader = t.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxPackageList+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxPackageList:
		return nil, fmt.Errorf("more than %d MiB", maxPackageList>>20)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); ; {
		if !lines.Scan() {
			return all, lines.Err()
		}
		entry, _, _ := strings.Cut(lines.Text(), "#")
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, entry)
		}
	}
}

// slimClosure refuses a repository that is not closed.
func slimClosure(t terminal, opts slim.Options) func(ctx context.Context, dir string) error {
	return func(ctx context.Context, dir string) (err error) {
		made, err := snapshot.Open(ctx, snapshot.Source{Name: opts.Out, Location: dir}, snapshot.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, made.Close()) }()
		repos, err := closureRepos(append([]*snapshot.Snapshot{made}, opts.Externals...), func(i int) bool { return i == 0 })
		if err != nil {
			return err
		}
		report, err := closure.Check(ctx, repos, closure.Options{Platform: opts.Platform})
		if err != nil || report.OK() {
			return err
		}
		if err := report.WriteText(printable{t.stderr}); err != nil {
			return err
		}
		return errors.New("the repository is not closed; nothing was made")
	}
}

func writeSlim(t terminal, out string, report slim.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %.1f MB, %s\n", out, counted(int64(report.Packages), "package"), float64(report.Size)/1e6, counted(int64(len(report.Streams)), "stream document"))
	if len(report.Added) > 0 {
		fmt.Fprintf(&b, "taken for profiles: %s\n", strings.Join(report.Added, " "))
	}
	for _, s := range report.Streams {
		fmt.Fprintf(&b, "%s: %s, %s listed", s.Stream, counted(int64(s.Packages), "package"), counted(int64(s.Artifacts), "artifact"))
		if s.Trimmed > 0 {
			fmt.Fprintf(&b, ", %d trimmed", s.Trimmed)
		}
		b.WriteByte('\n')
		for _, name := range slices.Sorted(maps.Keys(s.Shortened)) {
			fmt.Fprintf(&b, "  profile %s without %s\n", name, strings.Join(s.Shortened[name], " "))
		}
		if len(s.Dropped) > 0 {
			fmt.Fprintf(&b, "  profiles dropped: %s\n", strings.Join(s.Dropped, " "))
		}
		if len(s.Empty) > 0 {
			fmt.Fprintf(&b, "  profiles that install nothing: %s\n", strings.Join(s.Empty, " "))
		}
	}
	if len(report.Groups) > 0 {
		fmt.Fprintf(&b, "groups: %s\n", strings.Join(report.Groups, " "))
	}
	if n := len(report.Advisories); n > 0 {
		fmt.Fprintf(&b, "advisories: %d\n", n)
	}
	for _, w := range report.Warnings {
		fmt.Fprintf(t.stderr, "warning: %s\n", tasklog.Printable(w))
	}
	_, err := io.WriteString(printable{t.stdout}, b.String())
	return err
}
