package builders

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/extra"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
)

// The groups of a tag that buildroots are made of, by Koji's names.
const (
	groupBuild     = "build"
	groupSRPMBuild = "srpm-build"
)

// repoPoll is how soon a build looks again whether its repository is there that
// was there a moment ago.
const repoPoll = time.Second

// recipe says what the buildroot of a build is made of for one architecture, and
// which generation of its build tag's repository is part of it; nil for none.
func (s *Stages) recipe(ctx context.Context, build db.GetBuildRow, group, arch string) (root Recipe, seen *int64, err error) {
	parts, err := s.Recipes.of(ctx, s.Pool, build, group)
	if err != nil {
		return Recipe{}, nil, err
	}
	root = Recipe{Tag: build.BuildTagName, Arch: arch, Install: slices.Clone(parts.install)}
	if len(root.Install) == 0 {
		return Recipe{}, nil, &Failure{Phase: PhaseBuildroot, Reason: fmt.Sprintf("tag %s has no group %q, or it is empty: add it to distro.yaml", build.BuildTagName, group)}
	}
	if root.Macros, err = extra.Macros(build.BuildTagExtra); err != nil {
		return Recipe{}, nil, &Failure{Phase: PhaseBuildroot, Reason: fmt.Sprintf("tag %s: %v", build.BuildTagName, err), Err: err}
	}
	generation, err := db.New(s.Pool).LatestGeneration(ctx, build.BuildTag)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Recipe{}, nil, &queue.WaitError{After: repoPoll, Reason: "the first repository of " + build.BuildTagName + " is being made"}
	case err != nil:
		return Recipe{}, nil, fmt.Errorf("builders: repository of %s: %w", build.BuildTagName, err)
	}
	if generation.RollbackOf != nil && generation.Rev < build.NeedRev {
		// Somebody went back while the attempt was on its way to its host.
		return Recipe{}, nil, &queue.WaitError{Reason: "the repository of " + build.BuildTagName + " went back to an older one"}
	}
	if slices.Contains(generation.Arches, arch) {
		dir := filepath.Join(s.ReposDir, generation.Directory, strconv.FormatInt(generation.Number, 10), arch)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			// It was removed just now, since newer ones were made.
			return Recipe{}, nil, &queue.WaitError{After: repoPoll, Reason: "the repository of " + build.BuildTagName + " is being made"}
		}
		root.Repos = append(root.Repos, Repo{Name: build.BuildTagName, URL: "file://" + dir, Cost: 1})
		seen = &generation.ID
	}
	for i, repo := range parts.external {
		// dnf prefers the lower cost among equal packages: nearer tags first.
		root.Repos = append(root.Repos, Repo{Name: repo.Name, URL: strings.ReplaceAll(repo.URL, "$arch", arch), Cost: 10 * (i + 1)})
	}
	return root, seen, nil
}

// recipeParts is what recipes need of a tag's settings.
type recipeParts struct {
	install  []string
	external []tagview.ExternalRepo
}

// recipeKey names a group of a tag at a revision of its settings, its parents'
// included: builds come by the hundred, settings change now and then.
type recipeKey struct {
	tag, configRev int64
	group          string
}

// maxRecipes bounds what is remembered.
const maxRecipes = 1000

// Recipes remembers what recipes need of tags. The zero value is ready; safe for
// concurrent use.
type Recipes struct {
	mu    sync.Mutex
	parts map[recipeKey]recipeParts
}

// of returns the parts of a build's recipe. What it reads is not older than the
// revision that the build was read with.
func (r *Recipes) of(ctx context.Context, pool *pgxpool.Pool, build db.GetBuildRow, group string) (recipeParts, error) {
	key := recipeKey{tag: build.BuildTag, configRev: build.BuildTagConfigRev, group: group}
	parts, ok := r.get(key)
	if ok {
		return parts, nil
	}
	tags := tagview.Reader{Conn: pool}
	var err error
	if parts.install, err = tags.Installed(ctx, build.BuildTag, group); err != nil {
		return recipeParts{}, fmt.Errorf("builders: group %s of %s: %w", group, build.BuildTagName, err)
	}
	if parts.external, err = tags.ExternalRepos(ctx, build.BuildTag, true); err != nil {
		return recipeParts{}, fmt.Errorf("builders: external repositories of %s: %w", build.BuildTagName, err)
	}
	r.put(key, parts)
	return parts, nil
}

func (r *Recipes) get(key recipeKey) (recipeParts, bool) {
	if r == nil {
		return recipeParts{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	parts, ok := r.parts[key]
	return parts, ok
}

func (r *Recipes) put(key recipeKey, parts recipeParts) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.parts == nil || len(r.parts) >= maxRecipes {
		r.parts = map[recipeKey]recipeParts{}
	}
	r.parts[key] = parts
}
