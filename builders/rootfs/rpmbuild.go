package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/sandbox"
)

// macrosFile is the builder's ~/.rpmmacros outside of its reach.
const macrosFile = "rpmmacros"

// Places inside a buildroot. They are the same for every build: paths end up
// in packages.
const (
	buildDir  = "/builddir"
	topDir    = buildroot.TopDir
	sourcesIn = "/distbot-in/sources"
	srpmIn    = "/distbot-in/in.src.rpm"
	specIn    = "/distbot-in/processed.spec"
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
	spec := sandbox.Spec{
		Root: b.overlay(), Mounts: append(mounts, extra...), UID: builder, GID: builder, Env: b.env(), Dir: buildDir,
		Args: args, Stdout: stdout, Stderr: stderr,
	}
	b.machine.prepare(&spec)
	result, err := b.budget.run(ctx, spec)
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

// makeSRPM runs rpmbuild -bs on the sources, with the processed spec, if there
// is one, in the place of the order's.
func (b *build) makeSRPM(ctx context.Context, order builders.SRPMOrder, processed string) error {
	// Owners, modes and times of the checkout are this host's matter.
	script := prepare + `cp -r --no-preserve=mode,ownership,timestamps /distbot-in/sources/. /builddir/build/SOURCES/
[ ! -e /distbot-in/processed.spec ] || cat /distbot-in/processed.spec > "/builddir/build/SOURCES/$1"
find /builddir/build/SOURCES -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
exec /usr/bin/rpmbuild -bs --nodeps "/builddir/build/SOURCES/$1"
`
	b.buildLog.Begin(diagnosis.StepSRPM)
	mounts := []sandbox.Mount{{Source: order.SourceDir, Target: sourcesIn, ReadOnly: true}}
	if processed != "" {
		mounts = append(mounts, sandbox.Mount{Source: processed, Target: specIn, ReadOnly: true})
	}
	result, err := b.run(ctx, b.buildLog, b.buildLog, mounts, "/bin/bash", "-c", script, "srpm", order.Spec)
	return b.missingSource(ctx, order, b.annotate(judge(b.buildLog, result, err)))
}

// unpack installs the source package's content under /builddir/build. Nothing
// of it runs.
func (b *build) unpack(ctx context.Context, srpm string) error {
	script := prepare + `/usr/bin/rpm -i --nodeps /distbot-in/in.src.rpm
cd /builddir/build/SPECS && printf '%s\0' * && printf '\0' && head -q -c 1M -- *
`
	// What rpm says of a success belongs to no log: Debian's warns of itself.
	var answer, notes bytes.Buffer
	result, err := b.run(ctx, &buildlog.Bounded{Buffer: &answer, Left: 2 << 20}, &buildlog.Tail{Buffer: &notes}, []sandbox.Mount{{Source: srpm, Target: srpmIn, ReadOnly: true}},
		"/bin/bash", "-c", script)
	if err != nil || result.ExitCode != 0 {
		b.buildLog.Begin(diagnosis.StepUnpack)
		fmt.Fprint(b.buildLog, notes.String())
		return builders.NotUnpacked(judge(b.buildLog, result, err))
	}
	names, text, _ := strings.Cut(answer.String(), "\x00\x00")
	specs := strings.Split(names, "\x00")
	if len(specs) != 1 || !strings.HasSuffix(specs[0], ".spec") {
		return &builders.Failure{Phase: builders.PhasePrep, Reason: fmt.Sprintf("the source package holds the specs %.100q, expected one", specs)}
	}
	b.spec, b.specText = topDir+"/SPECS/"+specs[0], text
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
		b.buildLog.Begin(diagnosis.StepBuild)
		result, err := b.run(ctx, b.buildLog, b.buildLog, nil, "/bin/bash", "-c", withoutSRPMs, "rpmbuild", "-bb", "--target", arch, b.spec)
		err = b.annotate(judge(b.buildLog, result, err))
		var failure *builders.Failure
		if !errors.As(err, &failure) || result.ExitCode != rpmbuildMissing {
			return err
		}
		last := failure.Reason
		switch {
		case last == unmet:
			failure.Because("the build requirements can't be met: " + unmet)
			return failure
		case round == maxRounds:
			failure.Because(fmt.Sprintf("the spec asked for more build requirements %d times, at last: %s", maxRounds, last))
			return failure
		}
		unmet = last
		b.order.Phase(builders.PhaseBuildroot)
		if err := b.installMore(ctx, arch); err != nil {
			return err
		}
	}
}

// annotate finds the line of the spec that a failure is about, as people wrote
// it.
func (b *build) annotate(err error) error {
	var failure *builders.Failure
	if errors.As(err, &failure) && b.specText != "" {
		failure.InSpec(b.specText)
	}
	return err
}

// recordInstalled lists what the buildroot holds.
func (b *build) recordInstalled(ctx context.Context) error {
	var list, notes bytes.Buffer
	result, err := b.run(ctx, &buildlog.Bounded{Buffer: &list, Left: 16 << 20}, &buildlog.Tail{Buffer: &notes}, nil,
		"/usr/bin/rpm", "-qa", "--qf", buildlog.InstalledFormat)
	if err != nil {
		return inPhase(builders.PhaseBuildroot, err)
	}
	if result.ExitCode != 0 {
		return fmt.Errorf("rootfs: list the buildroot's packages: rpm printed %.200q", notes.String())
	}
	b.installed = buildlog.ReadInstalled(list.String())
	if len(b.installed) == 0 {
		return errors.New("rootfs: the buildroot's rpm finds no packages in the database that the host's rpm wrote: their formats differ")
	}
	fmt.Fprintf(b.rootLog, "\n# the buildroot holds %d packages\n", len(b.installed))
	for _, installed := range b.installed {
		fmt.Fprintln(b.rootLog, installed.NEVRA)
	}
	return nil
}
