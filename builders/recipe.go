package builders

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/extra"
	"github.com/distbot/distbot/queue"
)

// The groups of a tag that buildroots are made of, by Koji's names.
const (
	groupBuild     = "build"
	groupSRPMBuild = "srpm-build"
)

// repoPoll is how soon a build looks again whether its repository is there.
const repoPoll = 200 * time.Millisecond

// ready returns *queue.WaitError while the published repository of the build
// tag lacks what was tagged before the build began. What is tagged later a
// build may see or not.
func ready(build db.GetBuildRow) error {
	if build.BuildTagBuiltRev < build.NeedRev {
		return &queue.WaitError{After: repoPoll, Reason: "the repository of " + build.BuildTagName + " is being made"}
	}
	return nil
}

// recipe says what the buildroot of a build is made of for one architecture.
func (s *Stages) recipe(ctx context.Context, build db.GetBuildRow, group, arch string) (Recipe, error) {
	of, err := db.New(s.Pool).BuildrootOfTag(ctx, db.BuildrootOfTagParams{TagID: build.BuildTag, GroupName: group})
	if err != nil {
		return Recipe{}, fmt.Errorf("builders: buildroot of %s: %w", build.BuildTagName, err)
	}
	root := Recipe{Tag: build.BuildTagName, Arch: arch, Install: of.Install}
	if len(root.Install) == 0 {
		return Recipe{}, &Failure{Phase: PhaseBuildroot, Reason: fmt.Sprintf("tag %s has no group %q: add it to distro.yaml", build.BuildTagName, group)}
	}
	if root.Macros, err = extra.Macros(build.BuildTagExtra); err != nil {
		return Recipe{}, &Failure{Phase: PhaseBuildroot, Reason: fmt.Sprintf("tag %s: %v", build.BuildTagName, err), Err: err}
	}
	if of.Generation == 0 {
		return Recipe{}, &queue.WaitError{After: repoPoll, Reason: "the first repository of " + build.BuildTagName + " is being made"}
	}
	if slices.Contains(of.GenerationArches, arch) {
		dir := filepath.Join(s.ReposDir, build.BuildTagName, strconv.FormatInt(of.Generation, 10), arch)
		root.Repos = append(root.Repos, Repo{Name: build.BuildTagName, URL: "file://" + dir, Cost: 1})
	}
	for i, name := range of.ExternalNames {
		root.Repos = append(root.Repos, Repo{
			Name: name, URL: strings.ReplaceAll(of.ExternalUrls[i], "$arch", arch), Cost: 10 + int(of.ExternalCosts[i]),
		})
	}
	return root, nil
}
