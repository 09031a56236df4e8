package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/sandbox"
)

// Places inside a buildroot. They are the same for every build: paths end up
// in packages.
const (
	buildDir  = "/builddir"
	topDir    = buildDir + "/build"
	sourcesIn = "/distbot-in/sources"
	srpmIn    = "/distbot-in/in.src.rpm"
)

// overlay is the build's root.
func (b *build) overlay() sandbox.Root {
	return sandbox.Root{Lower: []string{b.base.dir}, Upper: b.path("upper"), Work: b.path("work")}
}

// env is all that a build sees of its surroundings.
func (b *build) env() []string {
	return []string{
		"HOME=" + buildDir, "PATH=/usr/bin:/usr/sbin:/bin:/sbin", "LANG=C.UTF-8", "TERM=dumb", "SHELL=/bin/bash", "USER=mockbuild", "LOGNAME=mockbuild",
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(b.order.Epoch.Unix(), 10),
	}
}

// run runs a command in the build's root as the builder, without a network.
// Its exit code is returned; output goes to out.
func (b *build) run(ctx context.Context, phase builders.Phase, out io.Writer, extra []sandbox.Mount, args ...string) (sandbox.Result, error) {
	limits := b.driver.config.Limits
	mounts := append([]sandbox.Mount{{Source: b.path("builddir"), Target: buildDir}}, extra...)
	result, err := b.driver.config.Runner.Run(ctx, sandbox.Spec{
		Root: b.overlay(), Mounts: mounts, UID: builder, GID: builder, Env: b.env(), Dir: buildDir,
		Args: args, Limits: limits, Stdout: out, Stderr: out,
	})
	if err != nil {
		return result, runFailure(phase, args[0], limits, result, err)
	}
	if result.OOMKilled {
		return result, &builders.Failure{Phase: phase, Reason: fmt.Sprintf("out of memory: the build needs more than %d MiB", limits.Memory>>20)}
	}
	return result, nil
}

// macrosFile is the builder's ~/.rpmmacros outside of its reach.
const macrosFile = "rpmmacros"

// macros shows the builder's ~/.rpmmacros: command line definitions are lost
// when a target is named, this file is not.
func (b *build) macros() sandbox.Mount {
	return sandbox.Mount{Source: b.path(macrosFile), Target: buildDir + "/.rpmmacros", ReadOnly: true}
}

// macrosText is what the build's tag and this driver set.
func (b *build) macrosText() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%%_topdir %s\n%%_dbpath /var/lib/rpm\n%%_buildhost distbot.invalid\n", topDir)
	text.WriteString("%_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm\n")
	text.WriteString("%use_source_date_epoch_as_buildtime 1\n%clamp_mtime_to_source_date_epoch 1\n%source_date_epoch_from_changelog 0\n")
	text.WriteString("%_disable_source_fetch 1\n")
	for _, name := range slices.Sorted(maps.Keys(b.order.Root.Macros)) {
		fmt.Fprintf(&text, "%%%s %s\n", name, b.order.Root.Macros[name])
	}
	return text.String()
}

// prepare makes rpmbuild's directories.
const prepare = `set -e
umask 022
rm -rf /builddir/build
mkdir -p /builddir/build/BUILD /builddir/build/BUILDROOT /builddir/build/RPMS /builddir/build/SOURCES /builddir/build/SPECS /builddir/build/SRPMS
`

// makeSRPM runs rpmbuild -bs on the sources.
func (b *build) makeSRPM(ctx context.Context, order builders.SRPMOrder) error {
	if err := b.recordInstalled(ctx); err != nil {
		return err
	}
	script := prepare + `cp -r --no-preserve=mode,ownership,timestamps /distbot-in/sources/. /builddir/build/SOURCES/
find /builddir/build/SOURCES -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
exec /usr/bin/rpmbuild -bs --nodeps "/builddir/build/SOURCES/$1"
`
	mounts := []sandbox.Mount{b.macros(), {Source: order.SourceDir, Target: sourcesIn, ReadOnly: true}}
	watch := &watcher{out: b.buildLog}
	result, err := b.run(ctx, builders.PhaseSRPM, watch, mounts, "/bin/bash", "-c", script, "srpm", order.Spec)
	if err != nil {
		return err
	}
	if result.ExitCode != 0 {
		return watch.failure(builders.PhaseSRPM, "the source package could not be made")
	}
	return nil
}

// unpack installs the source package's content under /builddir/build and
// learns whether it generates build requirements.
func (b *build) unpack(ctx context.Context, order builders.BuildOrder) error {
	script := prepare + `/usr/bin/rpm -i --nodeps /distbot-in/in.src.rpm
ls /builddir/build/SPECS
grep -l generate_buildrequires /builddir/build/SPECS/* >/dev/null && echo dynamic >&2 || true
`
	var names, notes bytes.Buffer
	mounts := []sandbox.Mount{b.macros(), {Source: order.SRPM, Target: srpmIn, ReadOnly: true}}
	limits := b.driver.config.Limits
	result, err := b.driver.config.Runner.Run(ctx, sandbox.Spec{
		Root: b.overlay(), Mounts: append([]sandbox.Mount{{Source: b.path("builddir"), Target: buildDir}}, mounts...),
		UID: builder, GID: builder, Env: b.env(), Dir: buildDir, Args: []string{"/bin/bash", "-c", script}, Limits: limits,
		Stdout: &tail{buffer: &names}, Stderr: io.MultiWriter(b.buildLog, &tail{buffer: &notes}),
	})
	if err != nil {
		return runFailure(builders.PhaseBuildroot, "rpm -i", limits, result, err)
	}
	if result.ExitCode != 0 {
		return &builders.Failure{Phase: builders.PhasePrep, Reason: "the source package can't be unpacked: " + firstError(strings.Split(notes.String(), "\n"))}
	}
	specs := strings.Fields(names.String())
	if len(specs) != 1 || strings.ContainsAny(specs[0], "/\x00") {
		return &builders.Failure{Phase: builders.PhasePrep, Reason: fmt.Sprintf("the source package holds %d specs, expected one", len(specs))}
	}
	b.spec = topDir + "/SPECS/" + specs[0]
	b.dynamic = strings.Contains(notes.String(), "dynamic")
	return nil
}

// installRequirements installs the build requirements of a source package that
// lies on this host.
func (b *build) installRequirements(ctx context.Context, srpm string) error {
	install := dnf{
		driver: b.driver, repos: b.base.repos, log: b.rootLog,
		root:  sandbox.Mount{Type: sandbox.TypeOverlay, Layers: b.overlay(), Target: installRoot},
		extra: []sandbox.Mount{{Source: srpm, Target: srpmIn, ReadOnly: true}},
	}
	return install.run(ctx, "builddep", srpmIn)
}

// maxDynamicRounds bounds how often a spec may ask for more requirements.
const maxDynamicRounds = 10

// rpmbuildMissing is rpmbuild's exit code when generated build requirements
// are not installed; it leaves them in a .buildreqs.nosrc.rpm.
const rpmbuildMissing = 11

// dynamicRequirements runs %generate_buildrequires until what it asks for is
// installed.
func (b *build) dynamicRequirements(ctx context.Context, order builders.BuildOrder) error {
	if !b.dynamic {
		return nil
	}
	for range maxDynamicRounds {
		watch := &watcher{out: b.buildLog}
		result, err := b.run(ctx, builders.PhaseBuildroot, watch, []sandbox.Mount{b.macros()},
			"/usr/bin/rpmbuild", "-br", "--target", order.Arch, b.spec)
		if err != nil {
			return err
		}
		switch result.ExitCode {
		case 0:
			return nil
		case rpmbuildMissing:
		default:
			return watch.failure(builders.PhaseBuildroot, "%generate_buildrequires failed")
		}
		if err := b.installGenerated(ctx); err != nil {
			return err
		}
	}
	return &builders.Failure{Phase: builders.PhaseBuildroot,
		Reason: fmt.Sprintf("%%generate_buildrequires asked for more after %d rounds", maxDynamicRounds)}
}

// recordInstalled lists what the buildroot holds.
func (b *build) recordInstalled(ctx context.Context) error {
	var list, notes bytes.Buffer
	limits := b.driver.config.Limits
	result, err := b.driver.config.Runner.Run(ctx, sandbox.Spec{
		Root: b.overlay(), UID: builder, GID: builder, Dir: "/", Limits: limits,
		Env:    []string{"HOME=/tmp", "PATH=/usr/bin", "LANG=C.UTF-8"},
		Args:   []string{"/usr/bin/rpm", "--dbpath", "/var/lib/rpm", "-qa", "--qf", `%{NEVRA} %{SHA256HEADER} %{SIGMD5}\n`},
		Stdout: &bounded{buffer: &list, left: 16 << 20}, Stderr: &tail{buffer: &notes},
	})
	if err != nil {
		return runFailure(builders.PhaseBuildroot, "rpm -qa", limits, result, err)
	}
	if result.ExitCode != 0 {
		return fmt.Errorf("rootfs: list the buildroot's packages: %s", firstError(strings.Split(notes.String(), "\n")))
	}
	for line := range strings.Lines(list.String()) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "gpg-pubkey-") {
			continue
		}
		digest := fields[1]
		if digest == "(none)" {
			digest = fields[len(fields)-1]
		}
		b.installed = append(b.installed, builders.Installed{NEVRA: fields[0], Digest: digest})
	}
	slices.SortFunc(b.installed, func(x, y builders.Installed) int { return strings.Compare(x.NEVRA, y.NEVRA) })
	fmt.Fprintf(b.rootLog, "%d packages in the buildroot:\n%s", len(b.installed), list.String())
	return nil
}

// bounded refuses to take more than it has room for.
type bounded struct {
	buffer *bytes.Buffer
	left   int
}

var errTooMuch = errors.New("rootfs: a command printed more than it may")

// Write implements io.Writer.
func (w *bounded) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, errTooMuch
	}
	w.left -= len(p)
	return w.buffer.Write(p)
}

// rpmbuild builds the binary packages.
func (b *build) rpmbuild(ctx context.Context, order builders.BuildOrder) error {
	watch := &watcher{out: b.buildLog, phase: func(phase builders.Phase) { b.order.Phase(phase) }}
	b.order.Phase(builders.PhasePrep)
	result, err := b.run(ctx, builders.PhaseBuild, watch, []sandbox.Mount{b.macros()},
		"/usr/bin/rpmbuild", "-bb", "--target", order.Arch, b.spec)
	if err != nil {
		var failure *builders.Failure
		if errors.As(err, &failure) && watch.current != "" {
			failure.Phase = watch.current
		}
		return err
	}
	if result.ExitCode != 0 {
		return watch.failure(builders.PhaseBuild, fmt.Sprintf("rpmbuild ended with %d", result.ExitCode))
	}
	return nil
}
