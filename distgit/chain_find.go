package distgit

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
)

// found is a commit that a chain builds.
type found struct {
	change
	commit  Commit
	verdict verdict
}

// findAll finds and judges the commits of all builds of a chain. A *RefusedError
// is final.
func (p *Planner) findAll(ctx context.Context, chain db.GetChainRow, builds []db.ChainBuildsRow) ([]found, error) {
	branches, err := p.branchesOf(ctx, chain)
	if err != nil {
		return nil, err
	}
	all := make([]found, len(builds))
	for i, build := range builds {
		f, err := p.findOne(ctx, chain, build.Asked, branches)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", build.Asked, err)
		}
		all[i] = f
	}
	return all, nil
}

// branchesOf are the branches that a target builds. One that has none of its
// own, such as a side tag's, builds those of the nearest tag it inherits from
// that is part of a target with branches.
func (p *Planner) branchesOf(ctx context.Context, chain db.GetChainRow) ([]string, error) {
	q := db.New(p.Pool)
	target, err := q.TargetInUse(ctx, chain.Target)
	if err == nil && len(target.Branches) > 0 {
		return target.Branches, nil
	}
	steps, err := tagview.Reader{Conn: p.Pool}.Inheritance(ctx, chain.BuildTag)
	if err != nil {
		return nil, fmt.Errorf("distgit: inheritance of %s: %w", chain.BuildTagName, err)
	}
	tags := []int64{chain.BuildTag}
	for _, step := range steps {
		tags = append(tags, step.ParentID)
	}
	rows, err := q.BranchesOfTags(ctx, tags)
	if err != nil {
		return nil, fmt.Errorf("distgit: branches of %s: %w", chain.BuildTagName, err)
	}
	var branches []string
	for _, row := range rows {
		if row.Position != rows[0].Position {
			break
		}
		branches = append(branches, row.Branches...)
	}
	return branches, nil
}

// findOne finds one commit and judges it.
func (p *Planner) findOne(ctx context.Context, chain db.GetChainRow, asked string, branches []string) (found, error) {
	_, _, ref := queue.SplitAsked(asked)
	f := found{change: change{byHand: true}}
	var err error
	if f.host, f.repository, err = p.findRepository(ctx, asked); err != nil {
		return f, err
	}
	remote, err := p.remote(f.host, f.repository)
	if err != nil {
		return f, refused("%s", plain(err))
	}
	if f.ref, f.change.commit, err = p.findCommit(ctx, remote, ref, branches); err != nil {
		return f, err
	}
	target := db.TargetsForBranchRow{
		Name: chain.Target, BuildTag: chain.BuildTag, DestTag: chain.DestTag, BuildTagName: chain.BuildTagName, DestTagName: chain.DestTagName,
		BuildTagExtra: chain.BuildTagExtra,
	}
	commit, verdicts, err := p.judge(ctx, f.change, []db.TargetsForBranchRow{target})
	switch {
	case errors.Is(err, ErrCommitNotFound):
		return f, refused("%s has no commit %s", f.repository.FullName, f.change.commit)
	case err != nil:
		return f, err
	}
	f.commit, f.verdict = commit, verdicts[0]
	if chain.Scratch && f.verdict.destination {
		f.verdict.refusal = ""
	}
	if why := f.verdict.none + f.verdict.refusal; why != "" {
		return f, refused("%s", why)
	}
	return f, p.unbuilt(ctx, chain, f)
}

// unbuilt refuses a commit that the target has a build of, before anything of
// its chain begins.
func (p *Planner) unbuilt(ctx context.Context, chain db.GetChainRow, f found) error {
	if chain.Scratch {
		return nil
	}
	built, err := db.New(p.Pool).StandingBuildOf(ctx, db.StandingBuildOfParams{
		Forge: f.host, ForgeRepoID: f.repository.ID, CommitID: f.change.commit, Target: chain.Target,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("distgit: look for builds of %s: %w", f.repository.FullName, err)
	}
	standing := &queue.StandingBuildError{BuildID: built.ID, State: built.State, Target: chain.Target}
	if built.Nvr != nil {
		standing.NVR = *built.Nvr
	}
	return refused("%s", instead(standing))
}

// instead says what who asked for a second build of a commit may do.
func instead(standing *queue.StandingBuildError) string {
	if standing.State == queue.BuildBuilding {
		return standing.Reason() + ": wait for it, cancel it first, or build the commit with --scratch to look at it"
	}
	return standing.Reason() + ": bump the release in a new commit, or build it with --scratch to look at it"
}

// findCommit is the commit that a ref names: a branch, a commit, or where none
// is given the first of the target's branches that the repository has.
func (p *Planner) findCommit(ctx context.Context, remote Remote, ref string, branches []string) (fullRef, commit string, err error) {
	if commitID.MatchString(ref) {
		return "", ref, nil
	}
	heads, err := p.Mirrors.Refs(ctx, remote)
	if errors.Is(err, ErrRepositoryNotFound) {
		return "", "", refused("the repository is gone")
	}
	if err != nil {
		return "", "", permanentUnlessTemporary(err)
	}
	if ref != "" {
		branches = []string{ref}
	}
	for _, branch := range branches {
		if head, ok := heads[branch]; ok {
			return headsPrefix + branch, head, nil
		}
	}
	switch {
	case ref != "":
		return "", "", refused("the repository has no branch %s", ref)
	case len(branches) == 0:
		return "", "", refused("the target builds no branch: name one, or a commit, after a #")
	}
	return "", "", refused("the repository has none of the target's branches (%s): name another, or a commit, after a #", strings.Join(branches, ", "))
}

// rpmsFolder is where dist-git keeps packages.
const rpmsFolder = "rpms/"

// findRepository finds the repository that is meant: one that was pushed to
// before, or lies on a plain git host.
func (p *Planner) findRepository(ctx context.Context, asked string) (host string, repository forge.Repository, err error) {
	onHost, name, _ := queue.SplitAsked(asked)
	params := db.RepositoriesNamedParams{Name: name}
	if onHost != "" {
		params.Forge = &onHost
		if _, ok := p.Hosts[onHost]; !ok {
			return "", repository, refused("there is no forge %s", onHost)
		}
	}
	rows, err := db.New(p.Pool).RepositoriesNamed(ctx, params)
	if err != nil {
		return "", repository, fmt.Errorf("distgit: look for repository %s: %w", name, err)
	}
	rows = slices.DeleteFunc(rows, func(row db.Repository) bool { _, ok := p.Hosts[row.Forge]; return !ok })
	if n := slices.IndexFunc(rows, func(row db.Repository) bool { return row.FullName == rpmsFolder+name }); n >= 0 && len(rows) > 1 {
		rows = slices.DeleteFunc(rows, func(row db.Repository) bool { return row.FullName != rpmsFolder+name })
	}
	switch {
	case len(rows) == 1:
		row := rows[0]
		return row.Forge, forge.Repository{ID: row.ForgeRepoID, FullName: row.FullName, CloneURL: row.CloneUrl, DefaultBranch: row.DefaultBranch}, nil
	case len(rows) > 1:
		var names []string
		for _, row := range rows {
			names = append(names, row.Forge+":"+row.FullName)
		}
		return "", repository, refused("several repositories could be meant: %s", shortList(names))
	}
	return p.findOnPlainHost(ctx, onHost, name)
}

// findOnPlainHost looks on hosts whose repositories have no ids but their
// paths. Others tell the id of a repository by its first push.
func (p *Planner) findOnPlainHost(ctx context.Context, onHost, name string) (string, forge.Repository, error) {
	full := name
	if path.Base(name) == name {
		full = rpmsFolder + name
	}
	var hosts []string
	for host, h := range p.Hosts {
		if h.Forge.Kind() == forge.KindGit && (onHost == "" || host == onHost) {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	for _, host := range hosts {
		repository := forge.Repository{ID: full, FullName: full}
		repository.CloneURL = p.Hosts[host].Forge.CloneURL(repository)
		remote, err := p.remote(host, repository)
		if err != nil {
			return "", repository, refused("%s", plain(err))
		}
		_, err = p.Mirrors.Refs(ctx, remote)
		var temporary *TemporaryError
		switch {
		case err == nil:
			return host, repository, nil
		case errors.As(err, &temporary):
			return "", repository, err
		}
	}
	return "", forge.Repository{}, refused("no repository %s is known: a forge tells of one by its first push", name)
}
