package rootfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/sandbox"
)

// installRequirements installs the build requirements of a source package that
// lies on this host.
func (b *build) installRequirements(ctx context.Context, srpm string) error {
	defer b.step("installing the build requirements of " + b.requirementsOf(srpm))()
	install := dnf{
		step: diagnosis.StepRequires, budget: b.budget, machine: b.machine, repos: b.base.repos, log: b.rootLog,
		root:  sandbox.Mount{Type: sandbox.TypeOverlay, Layers: b.overlay(), Target: installRoot},
		cache: cacheOver(b.base.metadata, b.path(downloadDir), b.path(dnfWorkDir)),
		extra: []sandbox.Mount{{Source: srpm, Target: srpmIn, ReadOnly: true}},
	}
	return b.annotate(install.run(ctx, "builddep", srpmIn))
}

// requirementsOf says whose requirements a file holds.
func (b *build) requirementsOf(file string) string {
	if name := filepath.Base(file); strings.HasSuffix(name, ".rpm") {
		return name
	}
	return filepath.Base(b.spec) // the store names files by their digests
}

// generated is how rpmbuild names the source package that holds what
// %generate_buildrequires asked for.
const generated = ".buildreqs.nosrc.rpm"

// installMore installs what rpmbuild missed: what it wrote down in a source
// package of its own, or else the requirements that the spec has in this root,
// where other macros exist than in that in which the source package was made.
func (b *build) installMore(ctx context.Context, arch string) error {
	dir, err := os.MkdirTemp(b.dir, "requirements-")
	if err != nil {
		return fmt.Errorf("rootfs: make directory: %w", err)
	}
	defer os.RemoveAll(dir)
	found, err := b.takeSRPM(ctx, dir, generated)
	if err != nil {
		return err
	}
	if found == "" {
		b.buildLog.Begin(diagnosis.StepSRPM)
		result, err := b.run(ctx, b.buildLog, b.buildLog, nil, "/bin/bash", "-c", withoutSRPMs, "rpmbuild", "-bs", "--nodeps", "--target", arch, b.spec)
		if err := judge(b.buildLog, result, err); err != nil {
			return err
		}
		if found, err = b.takeSRPM(ctx, dir, ".rpm"); err != nil {
			return err
		}
	}
	if found == "" {
		return &builders.Failure{Phase: builders.PhaseBuildroot, Reason: "rpmbuild misses build requirements and does not say which"}
	}
	return b.installRequirements(ctx, found)
}

// takeSRPM takes the source packages that the build made out to dir, and
// returns the path of the one with that ending; empty when there is none.
func (b *build) takeSRPM(ctx context.Context, dir, suffix string) (string, error) {
	result, err := b.take(ctx, "build/SRPMS", dir, sandbox.CollectOptions{MaxFiles: 100, MaxBytes: 1 << 30})
	if err != nil {
		return "", inPhase(builders.PhaseBuildroot, err)
	}
	for _, file := range result.Files {
		if strings.HasSuffix(file.Path, suffix) {
			return filepath.Join(dir, file.Path), nil
		}
	}
	return "", nil
}
