package builders

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// What a target asks of noarch packages that differ in content only.
const (
	noarchWarn = "warn"
	noarchFail = "fail"
)

// contribution is what one finished task made of a build.
type contribution struct {
	task         int64
	arch, policy string
	// imported is true when its packages are part of the build already.
	imported  bool
	artifacts []db.ArtifactsOfBuildRow
}

// waits reports whether the build waits for the task: the source package, and
// blocking architectures.
func (c contribution) waits() bool { return c.policy == queue.PolicyBlocking }

// contributions groups what finished tasks made: what the build waits for comes
// first, each in the order of the tag's architectures. Whose copy of a noarch
// package is published does so not depend on who was faster.
func contributions(artifacts []db.ArtifactsOfBuildRow) []contribution {
	var list []contribution
	for _, artifact := range artifacts {
		if artifact.Kind == "log" {
			continue
		}
		i := slices.IndexFunc(list, func(c contribution) bool { return c.task == artifact.TaskID })
		if i < 0 {
			i = len(list)
			list = append(list, contribution{
				task: artifact.TaskID, arch: artifact.TaskArch, policy: artifact.Policy, imported: artifact.ImportedAt != nil,
			})
		}
		list[i].artifacts = append(list[i].artifacts, artifact)
	}
	slices.SortStableFunc(list, func(a, b contribution) int {
		switch {
		case a.waits() == b.waits():
			return 0
		case a.waits():
			return -1
		}
		return 1
	})
	return list
}

// madeOn is a package and the architecture of the task that made it.
type madeOn struct {
	arch string
	blob store.Blob
}

// intake collects the packages that become part of a build.
type intake struct {
	stages *Stages
	build  db.GetBuildRow
	// have are the packages of the build, by file name.
	have map[string]madeOn

	rpms     db.InsertRPMsParams
	places   []store.Place
	tasks    []int64
	warnings []string
}

// newIntake begins an intake for a build that has packages.
func (s *Stages) newIntake(build db.GetBuildRow, have map[string]madeOn) *intake {
	return &intake{stages: s, build: build, have: have, rpms: db.InsertRPMsParams{BuildID: build.ID}}
}

// add takes the packages of a task in, all of them or none: a noarch package that
// the build has already is compared, and not taken. It returns a *Failure when
// the two are not the same.
func (in *intake) add(ctx context.Context, c contribution) error {
	fresh := map[string]madeOn{}
	var warnings []string
	for _, artifact := range c.artifacts {
		here := madeOn{c.arch, store.Blob{SHA256: artifact.Sha256, Size: artifact.Size}}
		first, there := in.have[artifact.Name]
		if !there {
			fresh[artifact.Name] = here
			continue
		}
		warning, err := in.compare(ctx, artifact.Name, first, here)
		if err != nil {
			return err
		}
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	maps.Copy(in.have, fresh)
	in.warnings = append(in.warnings, warnings...)
	in.tasks = append(in.tasks, c.task)
	for _, artifact := range c.artifacts {
		if _, ok := fresh[artifact.Name]; ok {
			in.place(artifact)
		}
	}
	return nil
}

// place gives a package its row and its place in Koji's layout,
// packages/NAME/VERSION/RELEASE/ARCH/FILE, or scratch/BUILD/ARCH/FILE.
func (in *intake) place(artifact db.ArtifactsOfBuildRow) {
	dir := path.Join("packages", in.build.Package, in.build.Version, in.build.Release)
	if in.build.Scratch {
		dir = path.Join("scratch", strconv.FormatInt(in.build.ID, 10))
	}
	where := path.Join(dir, artifact.Arch, artifact.Name)
	in.places = append(in.places, store.Place{Blob: store.Blob{SHA256: artifact.Sha256, Size: artifact.Size}, Name: where})
	rpms := &in.rpms
	rpms.BuildrootIds, rpms.Sources = append(rpms.BuildrootIds, artifact.BuildrootID), append(rpms.Sources, artifact.Kind == "srpm")
	rpms.Names, rpms.Epochs = append(rpms.Names, artifact.RpmName), append(rpms.Epochs, artifact.Epoch)
	rpms.Versions, rpms.Releases = append(rpms.Versions, artifact.Version), append(rpms.Releases, artifact.Release)
	rpms.Arches, rpms.BuildTimes = append(rpms.Arches, artifact.Arch), append(rpms.BuildTimes, artifact.BuildTime)
	rpms.Sha256s, rpms.Sizes = append(rpms.Sha256s, artifact.Sha256), append(rpms.Sizes, artifact.Size)
	rpms.Paths = append(rpms.Paths, where)
}

// compare compares two packages of one name. What Koji refuses is a *Failure;
// what else differs is a warning, or a *Failure where the target wants it so.
func (in *intake) compare(ctx context.Context, file string, first, second madeOn) (warning string, err error) {
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	if first.blob == second.blob {
		return "", nil
	}
	p, err := in.stages.readStored(file, first.blob)
	if err != nil {
		return "", err
	}
	q, err := in.stages.readStored(file, second.blob)
	if err != nil {
		return "", err
	}
	found := compareNoarch(first.arch, p, second.arch, q)
	name := p.Name + "." + p.Arch
	content := fmt.Sprintf("%s has other content on %s than on %s, whose copy is published: %s", name, second.arch, first.arch, &found.content)
	switch {
	case found.header.n > 0:
		return "", &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("%s was built differently on %s and %s: %s", name, first.arch, second.arch, &found.header)}
	case found.content.n == 0:
		return "", nil
	case in.build.NoarchContent == noarchFail:
		return "", &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("%s was built differently on %s and %s, in content: %s", name, first.arch, second.arch, &found.content)}
	}
	return content, nil
}

// readStored reads the headers of a package in the store.
func (s *Stages) readStored(name string, blob store.Blob) (*rpmfile.Package, error) {
	file, err := s.Store.OpenBlob(blob)
	if err != nil {
		return nil, fmt.Errorf("builders: open %s: %w", name, err)
	}
	defer file.Close()
	pkg, err := rpmfile.Read(file)
	if err != nil {
		return nil, unreadable(name+" can't be read", err)
	}
	return pkg, nil
}
