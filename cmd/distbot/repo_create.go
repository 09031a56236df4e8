package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/repopublish/directory"
	"github.com/distbot/distbot/repopublish/identity"
)

// maxDocument bounds a document that is given to repo create, in bytes.
const maxDocument = 256 << 20

func repoCreateCommand() command {
	return command{
		name: "repo create", args: "DIR [--update] [--groups FILE] [--modules FILE]... [--zstd]", run: repoCreate,
		help: "make or renew the repodata of a directory of RPMs",
		flags: func(flags *flag.FlagSet) {
			flags.Bool("update", false, "read only RPMs that are new or have changed since the last run")
			flags.String("groups", "", "comps.xml `file`; without it the repository keeps the groups it has")
			flags.Var(&list{}, "modules", "modules.yaml `file`, may be repeated; without it the repository keeps the modules it has")
			flags.String("updateinfo", "", "updateinfo.xml `file`; without it the repository keeps the one it has")
			flags.Var(&list{}, "drop", "`type` of document that is not kept: group, modules, updateinfo or any other; may be repeated")
			flags.Bool("zstd", false, "compress with zstd instead of gzip; createrepo_c before 1.0 can't read it")
			flags.Var(&list{}, "exclude", "`pattern` of file names or paths that are left out, may be repeated")
			flags.Bool("allow-unlisted-modular", false, "make the repository also if modular RPMs are in no stream document, which clients don't install then: for module documents that are added afterwards, and repositories that clients have with module_hotfixes=1")
			flags.Bool("skip-broken", false, "leave out files that are no RPMs or can't be read, instead of failing")
			flags.String("revision", "", "`text` of <revision> (default: when the newest package was built, or one more than before)")
			flags.Var(new(named), "cachedir", "`directory` that keeps metadata between runs (default: in the user's cache, one for each DIR)")
			flags.Int("workers", 0, "how many RPMs are read at once (default: the number of processors)")
			flags.Bool("json", false, "print JSON")
		},
	}
}

// list is a flag that may be given several times.
type list []string

// String implements flag.Value.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

func listFlag(flags *flag.FlagSet, name string) []string {
	l, ok := flags.Lookup(name).Value.(*list)
	if !ok {
		return nil
	}
	return *l
}

func repoCreate(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	opts, err := repoCreateOptions(t, flags)
	if err != nil {
		return err
	}
	collectLess(t)
	result, err := directory.Create(ctx, opts)
	var broken *directory.BrokenError
	if errors.As(err, &broken) {
		return fmt.Errorf("%w\nnothing was changed; remove the files, or leave them out with --skip-broken", err)
	}
	if errors.Is(err, repomd.ErrNoCache) {
		return fmt.Errorf("%w\nnothing was changed; give a --cachedir that is empty, or not there yet: what is in it is taken for ours", err)
	}
	if errors.Is(err, identity.ErrRefused) {
		return fmt.Errorf("%w\nnothing was changed; give their documents with --modules, or make it without them with --allow-unlisted-modular", err)
	}
	if err != nil {
		return err
	}
	for _, w := range result.Warnings {
		fmt.Fprintf(t.stderr, "warning: %s\n", tasklog.Printable(w))
	}
	for _, s := range result.Skipped {
		fmt.Fprintf(t.stderr, "left out: %s\n", tasklog.Printable(s))
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, struct {
			directory.Result
			Seconds float64 `json:"seconds"`
		}{result, result.Elapsed.Seconds()})
	}
	what := fmt.Sprintf("%s, %d read", counted(int64(result.Packages), "package"), result.Read)
	if !result.Changed {
		what += ", nothing changed"
	}
	if len(result.Kept) > 0 {
		what += ", kept " + strings.Join(result.Kept, " ")
	}
	fmt.Fprintf(t.stdout, "%s: %s, %.2f s\n", opts.Dir, what, result.Elapsed.Seconds())
	return nil
}

// collectLess has the collector begin later: with its usual heap of a few MiB
// it takes a fifth of the processor time of a short run. Above the limit it
// works as much as it takes, so that many packages don't need much memory.
func collectLess(t terminal) {
	if t.getenv("GOGC") == "" && t.getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(64 << 20)
	}
}

func repoCreateOptions(t terminal, flags *flag.FlagSet) (_ directory.Options, err error) {
	value := func(name string) string { return flags.Lookup(name).Value.String() }
	set := func(name string) bool { return value(name) == "true" }
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		return directory.Options{}, usage("expected one DIR")
	}
	if info, err := os.Stat(flags.Arg(0)); err == nil && !info.IsDir() {
		return directory.Options{}, fmt.Errorf("%s is no directory: give the one that the RPMs are in", flags.Arg(0))
	}
	for _, document := range [][2]string{{"groups", "group"}, {"modules", "modules"}, {"updateinfo", "updateinfo"}} {
		if name, kind := document[0], document[1]; given(flags, name) && slices.Contains(listFlag(flags, "drop"), kind) {
			return directory.Options{}, usage("--%s gives a document that --drop %s drops: take one of the two", name, kind)
		}
	}
	opts := directory.Options{
		Dir: flags.Arg(0), CacheDir: value("cachedir"), Update: set("update"), Drop: listFlag(flags, "drop"), Exclude: listFlag(flags, "exclude"),
		SkipBroken: set("skip-broken"), AllowUnlisted: set("allow-unlisted-modular"), Revision: value("revision"), Compression: repomd.Gzip, Progress: rpmProgress(t, "read"),
	}
	if _, err := fmt.Sscan(value("workers"), &opts.Workers); err != nil || opts.Workers < 0 {
		return opts, usage("--workers is a number from 0")
	}
	if set("zstd") {
		opts.Compression = repomd.Zstd
	}
	for _, p := range opts.Exclude {
		if _, err := path.Match(p, ""); err != nil {
			return opts, usage("--exclude %q: %v", p, err)
		}
	}
	for _, document := range []struct {
		flag  string
		into  *[]byte
		check func([]byte) error
	}{{"groups", &opts.Comps, checkComps}, {"updateinfo", &opts.Updateinfo, checkUpdateinfo}} {
		if value(document.flag) == "" {
			continue
		}
		text, err := readDocument(value(document.flag))
		if err == nil {
			err = document.check(text)
		}
		if err != nil {
			return opts, fmt.Errorf("--%s %s: %w", document.flag, value(document.flag), err)
		}
		*document.into = text
	}
	if opts.Modules, err = readModules(t, listFlag(flags, "modules")); err != nil {
		return opts, err
	}
	if opts.CacheDir == "" {
		opts.CacheOptional = true
		opts.CacheDir = defaultCacheDir(t, opts.Dir)
	}
	return opts, nil
}

// readModules makes one document of several files, and tells what is strange
// about them; nil for no files.
func readModules(t terminal, names []string) ([]byte, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var files []directory.ModulesFile
	for _, name := range names {
		text, err := readDocument(name)
		if err != nil {
			return nil, fmt.Errorf("--modules %s: %w", name, err)
		}
		files = append(files, directory.ModulesFile{Name: name, Text: text})
	}
	merged, findings, err := directory.MergeModules(files)
	if err != nil {
		return nil, fmt.Errorf("--modules: %w", err)
	}
	for _, f := range modulemd.AtLeast(findings, modulemd.Warning) {
		fmt.Fprintf(t.stderr, "%s\n", tasklog.Printable(f.String()))
	}
	return merged, nil
}

// defaultCacheDir is a directory of the user's cache for this repository; empty
// where the user has none.
func defaultCacheDir(t terminal, dir string) string {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	base := userCache(t)
	if base == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(absolute))
	return filepath.Join(base, "distbot", "repodata", hex.EncodeToString(sum[:16]))
}

// userCache is the directory of the user's cache; empty where there is none.
func userCache(t terminal) string {
	base := t.getenv("XDG_CACHE_HOME")
	if home := t.getenv("HOME"); base == "" && home != "" {
		base = filepath.Join(home, ".cache")
	}
	if !filepath.IsAbs(base) {
		return ""
	}
	return base
}

// readDocument reads a document that may be compressed.
func readDocument(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := repomd.Decompress(file, f)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxDocument+1))
	switch {
	case err != nil:
		return nil, errors.Join(err, plain.Close())
	case len(text) > maxDocument:
		return nil, errors.Join(fmt.Errorf("more than %d MiB", maxDocument>>20), plain.Close())
	}
	return text, plain.Close()
}

// checkUpdateinfo checks that a document is an updateinfo.xml.
func checkUpdateinfo(text []byte) error {
	_, _, err := repomd.SelectUpdateinfo([]repomd.Source{{Name: "updateinfo.xml", Reader: bytes.NewReader(text)}}, func(string, rpmfile.NEVRA) bool { return true })
	return err
}

// checkComps checks that a document is a comps.xml.
func checkComps(text []byte) error {
	_, err := repomd.ReadComps(bytes.NewReader(text))
	return err
}

// rpmProgress tells on standard error how many RPMs were read, or what else is done
// with them, once a second at most.
func rpmProgress(t terminal, verb string) func(done, total int) {
	var mu sync.Mutex
	last := time.Now()
	return func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(last) >= time.Second {
			last = now
			fmt.Fprintf(t.stderr, "%s %d of %d RPMs\n", verb, done, total)
		}
	}
}
