package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// env is all that a build sees of its surroundings.
func (b *build) env() []string {
	return []string{
		"HOME=" + buildDir, "PATH=/usr/bin:/usr/sbin:/bin:/sbin", "LANG=C.UTF-8", "TERM=dumb", "SHELL=/bin/bash", "USER=mockbuild", "LOGNAME=mockbuild",
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(b.order.Epoch.Unix(), 10),
	}
}

// run runs a command in the build's root as the builder, without a network.
// Its exit code is returned.
func (b *build) run(ctx context.Context, stdout, stderr io.Writer, extra []sandbox.Mount, args ...string) (sandbox.Result, error) {
	mounts := []sandbox.Mount{
		{Source: b.path("builddir"), Target: buildDir},
		// Command line definitions are lost when a target is named, this file
		// is not. Being a mount, it can't be changed or moved away from inside.
		{Source: b.path(macrosFile), Target: buildDir + "/.rpmmacros", ReadOnly: true},
	}
	result, err := b.budget.run(ctx, sandbox.Spec{
		Root: b.overlay(), Mounts: append(mounts, extra...), UID: builder, GID: builder, Env: b.env(), Dir: buildDir,
		Args: args, Stdout: stdout, Stderr: stderr,
	})
	if result.ExitCode == notFound || errors.Is(err, fs.ErrNotExist) && strings.Contains(err.Error(), "start "+args[0]) {
		return result, &builders.Failure{
			Phase: builders.PhaseBuildroot, Err: err,
			Reason: "the buildroot lacks what every build needs (bash, coreutils, findutils, rpm, rpm-build): add it to the groups of tag " + b.order.Root.Tag,
		}
	}
	return result, err
}

// notFound is a shell's exit code for a program that is not there; rpm and
// rpmbuild have none so high.
const notFound = 127

// prepare makes rpmbuild's directories.
const prepare = `set -e
umask 022
rm -rf /builddir/build
mkdir -p /builddir/build/BUILD /builddir/build/BUILDROOT /builddir/build/RPMS /builddir/build/SOURCES /builddir/build/SPECS /builddir/build/SRPMS
`

// makeSRPM runs rpmbuild -bs on the sources.
func (b *build) makeSRPM(ctx context.Context, order builders.SRPMOrder) error {
	// Owners, modes and times of the checkout are this host's matter.
	script := prepare + `cp -r --no-preserve=mode,ownership,timestamps /distbot-in/sources/. /builddir/build/SOURCES/
find /builddir/build/SOURCES -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
exec /usr/bin/rpmbuild -bs --nodeps "/builddir/build/SOURCES/$1"
`
	watch := newWatcher(b.buildLog, nil)
	sources := sandbox.Mount{Source: order.SourceDir, Target: sourcesIn, ReadOnly: true}
	result, err := b.run(ctx, watch, watch, []sandbox.Mount{sources}, "/bin/bash", "-c", script, "srpm", order.Spec)
	if err != nil {
		return inPhase(builders.PhaseSRPM, err)
	}
	if result.ExitCode != 0 {
		return watch.failure(builders.PhaseSRPM, result)
	}
	return nil
}

// unpack installs the source package's content under /builddir/build. Nothing
// of it runs.
func (b *build) unpack(ctx context.Context, srpm string) error {
	script := prepare + `/usr/bin/rpm -i --nodeps /distbot-in/in.src.rpm
cd /builddir/build/SPECS && printf '%s\0' *
`
	var names, notes bytes.Buffer
	result, err := b.run(ctx, &tail{buffer: &names}, &tail{buffer: &notes}, []sandbox.Mount{{Source: srpm, Target: srpmIn, ReadOnly: true}},
		"/bin/bash", "-c", script)
	if err != nil {
		return inPhase(builders.PhasePrep, err)
	}
	if result.ExitCode != 0 {
		fmt.Fprint(b.buildLog, notes.String())
		return &builders.Failure{Phase: builders.PhasePrep, Reason: "the source package can't be unpacked: " + firstError(notes.String())}
	}
	specs := strings.Split(strings.TrimSuffix(names.String(), "\x00"), "\x00")
	if len(specs) != 1 || !strings.HasSuffix(specs[0], ".spec") {
		return &builders.Failure{Phase: builders.PhasePrep, Reason: fmt.Sprintf("the source package holds the specs %.100q, expected one", specs)}
	}
	b.spec = topDir + "/SPECS/" + specs[0]
	return nil
}

// rpmbuildMissing is rpmbuild's exit code when build requirements are not
// installed (RPMRC_MISSINGBUILDREQUIRES).
const rpmbuildMissing = 11

// withoutSRPMs runs rpmbuild where no source package of an earlier run lies.
const withoutSRPMs = `rm -rf /builddir/build/SRPMS && mkdir /builddir/build/SRPMS && exec /usr/bin/rpmbuild "$@"`

// maxRounds bounds how often a spec may ask for more requirements.
const maxRounds = 10

// buildPackages runs rpmbuild until everything that it asks for, in
// %generate_buildrequires or by macros that only exist in this root, is
// installed.
func (b *build) buildPackages(ctx context.Context, arch string) error {
	unmet := ""
	for round := 1; ; round++ {
		if err := b.recordInstalled(ctx); err != nil {
			return err
		}
		watch := newWatcher(b.buildLog, b.order.Phase)
		result, err := b.run(ctx, watch, watch, nil, "/bin/bash", "-c", withoutSRPMs, "rpmbuild", "-bb", "--target", arch, b.spec)
		if err != nil {
			return inPhase(watch.phaseOr(builders.PhasePrep), err)
		}
		failure := watch.failure(builders.PhasePrep, result)
		switch {
		case result.ExitCode == 0:
			return nil
		case result.ExitCode != rpmbuildMissing:
			return failure
		case failure.Reason == unmet:
			return &builders.Failure{Phase: builders.PhaseBuildroot, Reason: "the build requirements can't be met: " + unmet}
		case round == maxRounds:
			return &builders.Failure{
				Phase:  builders.PhaseBuildroot,
				Reason: fmt.Sprintf("the spec asked for more build requirements %d times, at last: %s", maxRounds, failure.Reason),
			}
		}
		unmet = failure.Reason
		b.order.Phase(builders.PhaseBuildroot)
		if err := b.installMore(ctx, arch); err != nil {
			return err
		}
	}
}

// recordInstalled lists what the buildroot holds.
func (b *build) recordInstalled(ctx context.Context) error {
	var list, notes bytes.Buffer
	result, err := b.run(ctx, &bounded{buffer: &list, left: 16 << 20}, &tail{buffer: &notes}, nil,
		"/usr/bin/rpm", "-qa", "--qf", `%{NEVRA} %{SHA256HEADER} %{SIGMD5}\n`)
	if err != nil {
		return inPhase(builders.PhaseBuildroot, err)
	}
	if result.ExitCode != 0 {
		return fmt.Errorf("rootfs: list the buildroot's packages: %s", firstError(notes.String()))
	}
	b.installed = readInstalled(list.String())
	if len(b.installed) == 0 {
		return errors.New("rootfs: the buildroot's rpm finds no packages in the database that the host's rpm wrote: their formats differ")
	}
	fmt.Fprintf(b.rootLog, "\n# the buildroot holds %d packages\n", len(b.installed))
	for _, installed := range b.installed {
		fmt.Fprintln(b.rootLog, installed.NEVRA)
	}
	return nil
}

// readInstalled reads the answer of rpm -qa.
func readInstalled(list string) []builders.Installed {
	var all []builders.Installed
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) != 3 || strings.HasPrefix(fields[0], "gpg-pubkey-") {
			continue
		}
		digest := fields[1]
		if digest == "(none)" { // packages of rpm before 4.14
			digest = fields[2]
		}
		all = append(all, builders.Installed{NEVRA: fields[0], Digest: digest})
	}
	slices.SortFunc(all, func(x, y builders.Installed) int { return strings.Compare(x.NEVRA, y.NEVRA) })
	return all
}
