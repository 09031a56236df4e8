package builders

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

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
func (s *Stages) ready(ctx context.Context, build db.GetBuildRow) error {
	revs, err := db.New(s.Pool).TagRevs(ctx, build.BuildTag)
	if err != nil {
		return fmt.Errorf("builders: read tag %d: %w", build.BuildTag, err)
	}
	if revs.BuiltRev < build.NeedRev {
		return &queue.WaitError{After: repoPoll, Reason: "the repository of " + revs.Name + " is being made"}
	}
	return nil
}

// recipe says what the buildroot of a build is made of for one architecture.
func (s *Stages) recipe(ctx context.Context, build db.GetBuildRow, group, arch string) (Recipe, error) {
	q := db.New(s.Pool)
	root := Recipe{Tag: build.BuildTagName, Arch: arch}
	var err error
	if root.Install, err = q.GroupPackages(ctx, db.GroupPackagesParams{TagID: build.BuildTag, GroupName: group}); err != nil {
		return Recipe{}, fmt.Errorf("builders: group %s of %s: %w", group, build.BuildTagName, err)
	}
	if len(root.Install) == 0 {
		return Recipe{}, &Failure{Phase: PhaseBuildroot, Reason: fmt.Sprintf("tag %s has no group %q: add it to distro.yaml", build.BuildTagName, group)}
	}
	if root.Macros, err = extra.Macros(build.BuildTagExtra); err != nil {
		return Recipe{}, &Failure{Phase: PhaseBuildroot, Reason: fmt.Sprintf("tag %s: %v", build.BuildTagName, err), Err: err}
	}
	generation, err := q.LatestGeneration(ctx, build.BuildTag)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Recipe{}, &queue.WaitError{After: repoPoll, Reason: "the first repository of " + build.BuildTagName + " is being made"}
	case err != nil:
		return Recipe{}, fmt.Errorf("builders: repository of %s: %w", build.BuildTagName, err)
	}
	if slices.Contains(generation.Arches, arch) {
		dir := filepath.Join(s.ReposDir, build.BuildTagName, strconv.FormatInt(generation.Number, 10), arch)
		root.Repos = append(root.Repos, Repo{Name: build.BuildTagName, URL: "file://" + dir, Cost: 1})
	}
	external, err := q.ExternalRepos(ctx, build.BuildTag)
	if err != nil {
		return Recipe{}, fmt.Errorf("builders: external repositories of %s: %w", build.BuildTagName, err)
	}
	for _, repo := range external {
		root.Repos = append(root.Repos, Repo{Name: repo.Name, URL: strings.ReplaceAll(repo.Url, "$arch", arch), Cost: 10 + int(repo.Cost)})
	}
	return root, nil
}
