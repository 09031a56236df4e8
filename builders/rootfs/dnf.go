package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/sandbox"
)

// Places inside the sandbox in which the host's dnf runs.
const (
	installRoot = "/buildroot"
	repoRoot    = "/repos"
	dnfHome     = "/dnf"
	// dnfCache is inside the root that is installed: an overlay finds the
	// metadata its base root was installed from, and shares nothing.
	dnfCache = installRoot + "/var/cache/distbot-dnf"
)

// dnf runs the host's dnf on a root, in the sandbox: scriptlets of packages
// run as root of the namespace, and packages are pushed by users.
type dnf struct {
	driver *Driver
	repos  []mountedRepo
	// root is mounted at installRoot.
	root sandbox.Mount
	// extra are further mounts.
	extra []sandbox.Mount
	log   io.Writer
}

// run runs one command. With repositories on the network it runs twice: once
// with the network, to download, when nothing of the packages runs, and once
// without, to install.
func (c dnf) run(ctx context.Context, args ...string) error {
	if slices.ContainsFunc(c.repos, func(r mountedRepo) bool { return r.dir == "" }) {
		if err := c.once(ctx, true, append([]string{"--downloadonly"}, args...)); err != nil {
			return err
		}
		args = append([]string{"--cacheonly"}, args...)
	}
	return c.once(ctx, false, args)
}

// rpmMacros are those of the rpm that installs: the database is the root's own,
// and what is mounted there already is left alone, as the owners of mounts
// can't be set.
const rpmMacros = "%_dbpath /var/lib/rpm\n%_netsharedpath /proc:/sys:/dev\n"

// once runs dnf in a view of the host.
func (c dnf) once(ctx context.Context, network bool, args []string) error {
	root, mounts := sandbox.HostView()
	mounts = append(mounts, c.root,
		sandbox.Mount{Type: sandbox.TypeProc, Target: installRoot + "/proc"},
		sandbox.Mount{Type: sandbox.TypeDev, Target: installRoot + "/dev"},
		sandbox.Mount{Type: sandbox.TypeDir, Target: installRoot + "/sys", Mode: 0o555},
		// rpm reads its macros from HOME; Debian's default keeps the
		// database in HOME too, which would leave the root's empty.
		sandbox.Mount{Type: sandbox.TypeFile, Target: dnfHome + "/.rpmmacros", Data: []byte(rpmMacros)},
		sandbox.Mount{Type: sandbox.TypeFile, Target: dnfHome + "/dnf.conf", Data: []byte(c.config())},
		// dnf wants to open its log before it makes the directory.
		sandbox.Mount{Type: sandbox.TypeDir, Target: dnfHome + "/log"},
		sandbox.Mount{Type: sandbox.TypeDir, Target: dnfHome + "/persist"},
		sandbox.Mount{Type: sandbox.TypeDir, Target: dnfCache},
	)
	for i, repo := range c.repos {
		if repo.dir != "" {
			mounts = append(mounts, sandbox.Mount{Source: repo.dir, Target: fmt.Sprintf("%s/%d", repoRoot, i), ReadOnly: true})
		}
	}
	if network {
		mounts = append(mounts, sandbox.Mount{Source: "/etc/resolv.conf", Target: "/etc/resolv.conf", ReadOnly: true, Optional: true})
	}
	mounts = append(mounts, c.extra...)
	command := append([]string{
		"/usr/bin/dnf", "-y", "--config=" + dnfHome + "/dnf.conf", "--installroot=" + installRoot, "--releasever=1",
		"--setopt=reposdir=/dev/null", "--setopt=varsdir=/dev/null", "--setopt=cachedir=" + dnfCache,
		"--setopt=logdir=" + dnfHome + "/log", "--setopt=persistdir=" + dnfHome + "/persist",
		"--disableplugin=*", "--enableplugin=builddep",
	}, args...)
	var output bytes.Buffer
	limits := c.driver.config.Limits
	result, err := c.driver.config.Runner.Run(ctx, sandbox.Spec{
		Root: root, Mounts: mounts, Network: network, Limits: limits,
		Env:    []string{"HOME=" + dnfHome, "PATH=/usr/bin:/usr/sbin", "LANG=C.UTF-8"},
		Args:   command,
		Stdout: io.MultiWriter(c.log, &tail{buffer: &output}), Stderr: io.MultiWriter(c.log, &tail{buffer: &output}),
	})
	if err != nil {
		return runFailure(builders.PhaseBuildroot, "dnf", limits, result, err)
	}
	if result.ExitCode != 0 {
		return dnfFailure(output.String(), result)
	}
	return nil
}

// config is dnf's configuration: nothing of the host's is read.
func (c dnf) config() string {
	var text strings.Builder
	text.WriteString("[main]\ngpgcheck=0\ninstall_weak_deps=0\nkeepcache=1\nmetadata_expire=never\nbest=1\ntsflags=nodocs\n" +
		"module_platform_id=platform:distbot\nprotected_packages=\nfastestmirror=0\nretries=3\n")
	for _, repo := range c.repos {
		// Names and URLs are checked when the distribution file is read; a
		// line break in one would begin another setting.
		name := oneWord(repo.name)
		fmt.Fprintf(&text, "\n[%s]\nname=%s\nbaseurl=%s\nenabled=1\ncost=%d\nmodule_hotfixes=1\nskip_if_unavailable=0\n",
			name, name, strings.ReplaceAll(oneWord(repo.url), "%", "%%"), repo.cost)
	}
	return text.String()
}

// oneWord keeps text that goes into a line of configuration to that line.
func oneWord(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '[' || r == ']' {
			return '_'
		}
		return r
	}, text)
}

// dnfFailure reads why dnf failed from what it printed: its exit code is 1 for
// everything.
func dnfFailure(output string, result sandbox.Result) *builders.Failure {
	failure := &builders.Failure{Phase: builders.PhaseBuildroot}
	lines := strings.Split(output, "\n")
	missing := missingRequirements(lines)
	switch {
	case len(missing) > 0:
		failure.Reason = "nothing provides " + strings.Join(missing, ", ")
	case result.OOMKilled:
		failure.Infrastructure, failure.Reason = true, "the buildroot's installation ran out of memory"
	case strings.Contains(output, "No space left on device") || strings.Contains(output, "needs") && strings.Contains(output, "more space needed"):
		failure.Infrastructure, failure.Reason = true, "no space left on the builder's disk while the buildroot was installed"
	case slices.ContainsFunc(lines, isNetworkTrouble):
		failure.Infrastructure = true
		failure.Reason = "a repository could not be read: " + strings.TrimSpace(lines[slices.IndexFunc(lines, isNetworkTrouble)])
	default:
		failure.Reason = "the buildroot could not be installed: " + firstError(lines)
	}
	failure.Err = errors.New(failure.Reason)
	return failure
}

// missingRequirements finds what no repository provides, in dnf's words of
// installing and of builddep.
func missingRequirements(lines []string) []string {
	var missing []string
	add := func(what string) {
		what = strings.Trim(strings.TrimSpace(what), "'\"")
		if what != "" && !slices.Contains(missing, what) {
			missing = append(missing, what)
		}
	}
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if _, what, ok := strings.Cut(line, "No matching package to install: "); ok {
			add(what)
		} else if what, ok := strings.CutPrefix(line, "No match for argument: "); ok {
			add(what)
		} else if _, what, ok := strings.Cut(line, "nothing provides "); ok {
			what, by, needed := strings.Cut(what, " needed by ")
			if needed {
				by, _, _ = strings.Cut(by, " from ")
				add(what + " (needed by " + by + ")")
			} else {
				add(what)
			}
		}
	}
	return missing
}

func isNetworkTrouble(line string) bool {
	for _, sign := range []string{
		"Failed to download metadata for repo", "Curl error", "Cannot download", "All mirrors were tried",
		"checksum doesn't match", "Checksum error", "Librepo error", "Cannot prepare internal mirrorlist",
	} {
		if strings.Contains(line, sign) {
			return true
		}
	}
	return false
}

// firstError is the line a person would look at first.
func firstError(lines []string) string {
	for _, sign := range []string{"Error:", "error:", "Problem:", "Traceback"} {
		for i, line := range lines {
			if !strings.Contains(line, sign) {
				continue
			}
			text := strings.TrimSpace(line)
			// dnf puts the sentence on the line after "Error:".
			if (text == "Error:" || text == "Error: ") && i+1 < len(lines) {
				text += " " + strings.TrimSpace(lines[i+1])
			}
			return text
		}
	}
	return "see root.log"
}

// tail keeps the last part of what is written.
type tail struct{ buffer *bytes.Buffer }

// maxTail bounds what is kept of a command's output.
const maxTail = 256 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.buffer.Write(p)
	if over := t.buffer.Len() - maxTail; over > 0 {
		t.buffer.Next(over)
	}
	return len(p), nil
}

// runFailure explains why a run in the sandbox did not end by itself.
func runFailure(phase builders.Phase, what string, limits sandbox.Limits, result sandbox.Result, err error) error {
	if errors.Is(err, sandbox.ErrTimeout) || result.TimedOut {
		return &builders.Failure{Phase: phase, Reason: fmt.Sprintf("%s ran longer than %s and was ended", what, limits.Wall), Err: err}
	}
	return fmt.Errorf("rootfs: run %s: %w", what, err)
}
