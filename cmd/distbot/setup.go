package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/internal/pglocal"
	"github.com/distbot/distbot/internal/sandbox"
	"github.com/distbot/distbot/migrations"
)

func setupCommands() []command {
	return []command{
		{name: "init", args: "[DIR]", help: "write a first distbot.yaml, distro.yaml and webhook secret", run: initialize, flags: onlyJSONFlag},
		{
			name: "doctor", help: "say what this host can do, and what to do about what is missing", run: doctor,
			flags: func(flags *flag.FlagSet) {
				onlyJSONFlag(flags)
				flags.String("dir", "", "the `directory` where buildroots will be (default: that for temporary files)")
			},
		},
		{name: "migrate", help: "bring the database to this version's schema, and make it where there is none", flags: jsonFlag, run: migrate},
	}
}

const firstConfig = `# The installation. docs/configuration.md describes every key.
listen: 127.0.0.1:8080
# How forges and people reach this server.
external_url: http://127.0.0.1:8080
state_dir: state
forges:
  - name: git
    kind: git
    # The directory of bare repositories: rpms/hello is below it as rpms/hello.git.
    url: git
    webhook_secret_files: [webhook.secret]
`

const firstDistro = `# The distribution. docs/configuration.md describes every key.
arches: [%s]
external_repos:
  # Made by: distbot bootstrap debian --arch %s --out base/%s
  # On Fedora or EL name the URL of a mirror instead; $arch stands for the architecture.
  base: {url: "file://%s/base/$arch"}
tags:
  f37: {}
  f37-build:
    inherit: [f37]
    external_repos: [base]
    groups:
      build: [%s]
      srpm-build: [%s]
    extra: {rpm.macro.dist: .fc37}
packages:
  # What may be built for a tag: pushes to repositories of other packages are refused.
  f37: [hello]
targets:
  f37: {build_tag: f37-build, dest_tag: f37, branches: [f37]}
`

// initialize writes the first files of an installation, and touches none that
// is there.
func initialize(_ context.Context, t terminal, flags *flag.FlagSet) error {
	dir := "."
	switch flags.NArg() {
	case 0:
	case 1:
		dir = flags.Arg(0)
	default:
		return usage("expected one directory at most")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "git"), 0o755); err != nil {
		return err
	}
	made := initView{Dir: dir, Written: []string{}, Kept: []string{}}
	arch := hostArch()
	groups := strings.Join(buildGroup, ", ")
	for _, file := range []struct {
		name, text string
		mode       os.FileMode
	}{
		{"distbot.yaml", firstConfig, 0o644},
		{"distro.yaml", fmt.Sprintf(firstDistro, arch, arch, arch, dir, groups, strings.Join(srpmGroup, ", ")), 0o644},
		{"webhook.secret", newSecret(), 0o600},
	} {
		if err := writeNew(filepath.Join(dir, file.name), file.text, file.mode); err != nil {
			if errors.Is(err, os.ErrExist) {
				made.Kept = append(made.Kept, file.name)
				continue
			}
			return err
		}
		made.Written = append(made.Written, file.name)
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, made)
	}
	return made.print(t.stdout)
}

// initView is what init made, for programs.
type initView struct {
	Dir     string   `json:"dir"`
	Written []string `json:"written"`
	// Kept were there.
	Kept []string `json:"kept"`
}

// print tells what was made, and how to go on.
func (v initView) print(w io.Writer) error {
	for _, name := range v.Written {
		fmt.Fprintf(w, "wrote %s\n", name)
	}
	for _, name := range v.Kept {
		fmt.Fprintf(w, "%s is there already and stays as it is\n", name)
	}
	config := filepath.Join(v.Dir, "distbot.yaml")
	_, err := fmt.Fprintf(w, "next: look at both files, then distbot serve --config %s\n", config)
	return err
}

// newSecret makes a webhook secret of 256 bits.
func newSecret() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:]) + "\n"
}

func writeNew(path, text string, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// tool is a program of the host that distbot runs.
type tool struct {
	name, why string
	args      []string
}

func doctor(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	dir := flags.Lookup("dir").Value.String()
	findings := sandbox.Probe(ctx, sandbox.Config{}, dir)
	for _, tool := range []tool{
		{"rpmbuild", "build packages", []string{"--version"}},
		{"dnf", "install buildroots", []string{"--version"}},
		{"git", "fetch from plain repositories", []string{"--version"}},
	} {
		findings = append(findings, probeTool(ctx, tool))
	}
	findings = append(findings, probeMock(ctx), probeEmulators(ctx), probeAuto(ctx, dir), probePostgres(ctx))
	if wantsJSON(flags) {
		if err := writeJSON(t.stdout, findings); err != nil {
			return err
		}
	} else {
		printFindings(t, findings)
	}
	for _, f := range findings {
		if f.Required && !f.OK {
			return errFailed
		}
	}
	return nil
}

func printFindings(t terminal, findings []sandbox.Finding) {
	for _, f := range findings {
		mark := "ok"
		switch {
		case !f.OK && f.Required:
			mark = "MISSING"
		case !f.OK:
			mark = "limited"
		}
		fmt.Fprintf(t.stdout, "%-8s %-24s %s\n", mark, f.Name, f.Detail)
		if f.Remedy != "" {
			fmt.Fprintf(t.stdout, "%-33s → %s\n", "", f.Remedy)
		}
	}
}

// probeTool looks for a program and its version.
func probeTool(ctx context.Context, tool tool) sandbox.Finding {
	f := sandbox.Finding{Name: tool.name, Required: true}
	path, err := exec.LookPath(tool.name)
	if err != nil {
		f.Detail, f.Remedy = "not found; it is needed to "+tool.why, "run scripts/setup, or install it with the system's package manager"
		return f
	}
	out, err := exec.CommandContext(ctx, path, tool.args...).Output()
	first, _, _ := bytes.Cut(out, []byte("\n"))
	f.OK, f.Detail = err == nil, path+" "+string(first)
	if err != nil {
		f.Detail, f.Remedy = path+" does not run: "+err.Error(), "install it again"
	}
	return f
}

// probePostgres looks for a server that a private database can be started with.
func probePostgres(ctx context.Context) sandbox.Finding {
	f := sandbox.Finding{Name: "PostgreSQL server"}
	version, err := pglocal.Version(ctx)
	if err != nil {
		f.Detail, f.Remedy = err.Error(), "run scripts/setup, or set database.url to a server elsewhere"
		return f
	}
	f.OK, f.Detail = true, fmt.Sprintf("version %d", version)
	return f
}

// migrate is the one command beside serve that makes the database of an
// installation.
func migrate(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	config, err := readConfig(flags)
	if err != nil {
		return err
	}
	h, err := connectHub(ctx, config, mayBeMade)
	if err != nil {
		return err
	}
	defer h.close()
	if wantsJSON(flags) {
		all, err := migrations.All()
		if err != nil {
			return err
		}
		return writeJSON(t.stdout, map[string]int{"version": len(all)})
	}
	_, err = fmt.Fprintln(t.stdout, "the database has this version's schema")
	return err
}
