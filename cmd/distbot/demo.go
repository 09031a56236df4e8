package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/bootstrap"
)

func demoCommands() []command {
	return []command{{
		name: "demo", args: "[--exit] [--json FILE] [--dir DIR]", run: demo,
		help: "build real packages from real pushes on this machine, and show it",
		flags: func(flags *flag.FlagSet) {
			flags.Bool("exit", false, "end when everything is built; the exit code says whether it came out as expected")
			flags.String("json", "", "write a summary to this `file`")
			flags.String("dir", "", "keep everything in this `directory` (default: a temporary one, removed at the end)")
			flags.String("base", "", "URL of a `repository` to make buildroots from (default: made from this Debian host's packages)")
			flags.Bool("debug", false, "show the server's log")
		},
	}}
}

// Demo is one run of the demo.
type Demo struct {
	out    io.Writer
	dir    string
	base   string
	server *Server
	acks   *ackTimes
	start  time.Time
}

// demo sets everything up, pushes, watches, and sums up.
func demo(ctx context.Context, t terminal, flags *flag.FlagSet) (err error) {
	if flags.NArg() > 0 {
		return usage("the demo takes no arguments")
	}
	value := func(name string) string { return flags.Lookup(name).Value.String() }
	d := &Demo{out: t.stdout, acks: &ackTimes{}, start: time.Now(), base: value("base")}
	cleanup, err := d.chooseDir(value("dir"))
	if err != nil {
		return err
	}
	defer cleanup()
	logger := slog.New(slog.DiscardHandler)
	if value("debug") == "true" {
		logger = newLogger(t.stderr, flags)
	}
	if err := d.prepare(ctx, logger); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.Close()) }()
	// Without its lease the server works no more, so nothing would follow.
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(d.server.lost, func() { cancel(errLost) })()
	summary, err := d.play(ctx)
	if err != nil {
		return err
	}
	d.printSummary(summary)
	if file := value("json"); file != "" {
		if err := writeSummary(file, summary); err != nil {
			return err
		}
	}
	if value("exit") != "true" {
		d.say("\nEverything stays up at %s until Ctrl-C.", d.server.Config.ExternalURL)
		<-ctx.Done()
		if errors.Is(context.Cause(ctx), errLost) {
			return errLost
		}
		return nil
	}
	if !summary.OK {
		return errFailed
	}
	return nil
}

func (d *Demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// step prints a line with the time since the start.
func (d *Demo) step(format string, args ...any) {
	d.say("%6.1fs  %s", time.Since(d.start).Seconds(), fmt.Sprintf(format, args...))
}

// chooseDir makes the demo's directory. PostgreSQL, which runs as an account
// of its own when this runs as root, must be able to pass it.
func (d *Demo) chooseDir(dir string) (cleanup func(), err error) {
	if dir != "" {
		if d.dir, err = filepath.Abs(dir); err != nil {
			return nil, err
		}
		return func() {}, os.MkdirAll(d.dir, 0o755)
	}
	if d.dir, err = os.MkdirTemp("", "distbot-demo-"); err != nil {
		return nil, err
	}
	// What builds wrote belongs to them and was removed by the driver; the rest
	// is ours.
	return func() { d.removeDir() }, os.Chmod(d.dir, 0o755)
}

func (d *Demo) removeDir() {
	if d.server != nil {
		if err := removeBuildroots(d.server.Config); err != nil {
			d.say("some buildroots are left in %s: %v", d.dir, err)
		}
	}
	if err := os.RemoveAll(d.dir); err != nil {
		d.say("%s could not be removed: %v", d.dir, err)
	}
}

// prepare makes the base distribution, the configuration, the repositories and
// the server.
func (d *Demo) prepare(ctx context.Context, logger *slog.Logger) error {
	d.say("distbot demo: git push → webhook → source package → isolated build → tag → repository\n")
	if d.base == "" {
		url, err := d.makeBase(ctx)
		if err != nil {
			return err
		}
		d.base = url
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	config, err := d.writeConfig(listener.Addr().String())
	if err != nil {
		return err
	}
	lookaside, err := d.serveLookaside()
	if err != nil {
		return err
	}
	d.server = &Server{Config: config, Logger: logger, Listener: listener, Middleware: d.acks.measure, Extra: lookaside}
	if err := d.server.Open(ctx); err != nil {
		return err
	}
	if err := d.server.applyDistro(ctx); err != nil {
		return errors.Join(err, d.server.Close())
	}
	if err := d.server.Start(ctx); err != nil {
		return errors.Join(err, d.server.Close())
	}
	d.step("hub, builder and pages are up at %s (private PostgreSQL in %s)", config.ExternalURL, d.dir)
	return nil
}

// makeBase repacks this host's packages, or finds them repacked.
func (d *Demo) makeBase(ctx context.Context) (url string, err error) {
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		return "", errors.New("this is no Debian host: name a Fedora or EL repository with --base URL")
	}
	d.step("making a base distribution of RPMs from Debian's packages (kept in the cache for the next time)")
	stage := bootstrap.Stage("")
	result, err := bootstrap.Debian(ctx, bootstrap.Options{
		Arch: hostArch(), Out: filepath.Join(d.dir, "base", hostArch()), Jobs: runtime.NumCPU(), Log: slog.New(slog.DiscardHandler),
		Progress: func(p bootstrap.Progress) {
			if p.Stage != stage || p.Done == p.Total || p.Done%50 == 0 && p.Done > 0 {
				stage = p.Stage
				d.step("  %s %d/%d", p.Stage, p.Done, p.Total)
			}
		},
	})
	if err != nil {
		return "", err
	}
	d.step("%d base packages in %.1f s", len(result.Packages), result.Elapsed.Seconds())
	return "file://" + result.Path, nil
}

// writeConfig writes what an administrator would write.
func (d *Demo) writeConfig(addr string) (Config, error) {
	if err := os.WriteFile(filepath.Join(d.dir, "webhook.secret"), []byte(newSecret()), 0o600); err != nil {
		return Config{}, err
	}
	distro := fmt.Sprintf("arches: [%s]\nexternal_repos:\n  base: {url: %q}\ntags:\n  f37: {}\n  f37-build:\n    inherit: [f37]\n    external_repos: [base]\n"+
		"    groups:\n      build: [%s]\n      srpm-build: [%s]\n    extra: {rpm.macro.dist: .fc37}\npackages:\n  f37: [%s]\n"+
		"targets:\n  f37: {build_tag: f37-build, dest_tag: f37, branches: [f37]}\n",
		hostArch(), d.base, strings.Join(buildGroup, ", "), strings.Join(srpmGroup, ", "), strings.Join(demoNames(), ", "))
	if err := os.WriteFile(filepath.Join(d.dir, "distro.yaml"), []byte(distro), 0o644); err != nil {
		return Config{}, err
	}
	text := fmt.Sprintf("listen: %s\nexternal_url: http://%s\nstate_dir: state\nlookaside: {url: \"http://%s/lookaside\"}\n"+
		"forges:\n  - {name: git, kind: git, url: git, webhook_secret_files: [webhook.secret]}\n", addr, addr, addr)
	if err := os.MkdirAll(filepath.Join(d.dir, "git"), 0o755); err != nil {
		return Config{}, err
	}
	path := filepath.Join(d.dir, "distbot.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return Config{}, err
	}
	return loadConfig(path)
}
