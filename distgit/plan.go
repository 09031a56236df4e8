package distgit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/extra"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
)

// Host is one configured forge.
type Host struct {
	Forge forge.Forge
	// Base is its configured URL; repositories are fetched from below it only.
	Base string
}

// Planner decides what deliveries ask for. Safe for concurrent use.
type Planner struct {
	Pool *pgxpool.Pool
	Jobs queue.Canceler
	// Hosts by their names in distbot.yaml.
	Hosts       map[string]Host
	Mirrors     *Mirrors
	ExternalURL string
	Logger      *slog.Logger
}

// change is a commit that something may have to be built of.
type change struct {
	host       string
	repository forge.Repository
	ref        string
	commit     string
	// branch selects the targets: the branch that was pushed, or the one a
	// pull request is meant for.
	branch string
	pull   *forge.PullRequest
	// byHand is true where somebody asked for the build by the package's name.
	byHand bool
	// delivery is the delivery that brought the change; nil when it was found
	// by looking.
	delivery *int64
}

// changeOf reads an event as a change; ok is false for events that nothing is
// built for, with the reason.
func changeOf(host string, delivery *int64, event forge.Event) (c change, reason string, ok bool) {
	c = change{host: host, repository: event.Repository, ref: event.Ref, delivery: delivery}
	switch event.Kind {
	case forge.EventPush:
		c.commit = event.After
		c.branch, ok = strings.CutPrefix(event.Ref, "refs/heads/")
		if !ok {
			return c, "not a branch", false
		}
	case forge.EventPullRequest:
		c.commit, c.branch, c.pull = event.PullRequest.Head, event.PullRequest.BaseBranch, event.PullRequest
		c.ref = "refs/pull/" + strconv.FormatInt(event.PullRequest.Number, 10) + "/head"
	case forge.EventBranchDelete:
		return c, "a branch was deleted: nothing to build", false
	case forge.EventPullRequestClosed:
		return c, "a pull request was closed: nothing to build", false
	default:
		return c, "nothing is built for " + string(event.Kind) + " events", false
	}
	if strings.HasPrefix(event.Repository.FullName, "modules/") {
		return c, "module repositories are not built from pushes", false
	}
	return c, "", true
}

// verdict is what one target makes of a change.
type verdict struct {
	target  db.TargetsForBranchRow
	spec    string
	nvr     string
	refusal string // a sentence for the status, empty if it is built
	none    string // why nothing is built, empty if something is
	// destination is true when it is only the destination that refuses.
	destination bool
}

// plan decides on a change and records it. record runs in the same
// transaction, with a line that says what was decided. An error is worth
// trying again unless it is permanent.
func (p *Planner) plan(ctx context.Context, c change, record func(tx pgx.Tx, summary string) error) error {
	q := db.New(p.Pool)
	targets, err := q.TargetsForBranch(ctx, c.branch)
	if err != nil {
		return fmt.Errorf("distgit: targets of branch %s: %w", c.branch, err)
	}
	if len(targets) == 0 {
		return p.planNoTarget(ctx, c, record)
	}
	commit, verdicts, err := p.judge(ctx, c, targets)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
		repository, err := p.upsertRepository(ctx, tx, c)
		if err != nil {
			return err
		}
		if err := lockOlder(ctx, tx, c, repository); err != nil {
			return err
		}
		var summary []string
		for _, v := range verdicts {
			line, err := p.apply(ctx, tx, c, repository, commit, v)
			if err != nil {
				return err
			}
			summary = append(summary, line)
		}
		return record(tx, strings.Join(summary, "; "))
	})
}

// planNoTarget answers a push to a branch that no target builds: with an error
// status, unless the branch is to be ignored. A pull request to such a branch
// is nobody's mistake yet.
func (p *Planner) planNoTarget(ctx context.Context, c change, record func(tx pgx.Tx, summary string) error) error {
	q := db.New(p.Pool)
	globs, err := q.IgnoredBranchGlobs(ctx)
	if err != nil {
		return fmt.Errorf("distgit: ignored branches: %w", err)
	}
	known, err := q.KnownBranches(ctx)
	if err != nil {
		return fmt.Errorf("distgit: known branches: %w", err)
	}
	return pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
		repository, err := p.upsertRepository(ctx, tx, c)
		if err != nil {
			return err
		}
		if c.pull != nil || ignored(globs, c.branch) {
			line, err := p.recordNothing(ctx, tx, c, repository, "", "no target builds branch "+c.branch)
			if err != nil {
				return err
			}
			return record(tx, line)
		}
		reason := fmt.Sprintf("no target builds branch %s; targets exist for %s", c.branch, list(known))
		line, err := p.refuse(ctx, tx, c, repository, "", c.branch, reason, "error")
		if err != nil {
			return err
		}
		return record(tx, line)
	})
}

// judge reads the commit and decides for each target. A commit whose content
// can't be accepted is refused for all of them: that is for its author to mend,
// and no other try can.
func (p *Planner) judge(ctx context.Context, c change, targets []db.TargetsForBranchRow) (Commit, []verdict, error) {
	remote, err := p.remote(c.host, c.repository)
	if err != nil {
		return Commit{}, nil, queue.Permanent(err)
	}
	want := Want{Commit: c.commit}
	if c.pull != nil {
		want.Ref = c.ref
	}
	var limit *LimitError
	err = p.Mirrors.Fetch(ctx, remote, want)
	if errors.As(err, &limit) {
		return Commit{}, refuseAll(targets, "the repository is too big: "+limit.Error()), nil
	}
	if err != nil {
		return Commit{}, nil, permanentUnlessTemporary(err)
	}
	tree, err := p.Mirrors.Tree(ctx, remote, c.commit)
	switch {
	case errors.As(err, &limit):
		return Commit{}, refuseAll(targets, "the commit is too big: "+limit.Error()), nil
	case errors.Is(err, ErrNotAllowed):
		return Commit{}, refuseAll(targets, plain(err)), nil
	case err != nil:
		return Commit{}, nil, permanentUnlessTemporary(err)
	}
	verdicts := make([]verdict, len(targets))
	for i, target := range targets {
		verdicts[i] = p.judgeTree(ctx, remote, tree, c, target)
		if err := p.judgeDestination(ctx, c, &verdicts[i]); err != nil {
			return Commit{}, nil, err
		}
	}
	return tree.Commit(), verdicts, nil
}

// judgeDestination refuses what the target's destination would not take: it need
// not be built for that. What a pull request builds goes nowhere.
func (p *Planner) judgeDestination(ctx context.Context, c change, v *verdict) error {
	if c.pull != nil || v.none != "" || v.refusal != "" {
		return nil
	}
	refusal, err := tagview.Reader{Conn: p.Pool}.Refusal(ctx, v.target.DestTag, c.repository.Name())
	if err != nil {
		return fmt.Errorf("distgit: package list of %s: %w", v.target.DestTagName, err)
	}
	v.refusal, v.destination = refusal, refusal != ""
	return nil
}

// refuseAll is the same refusal for every target.
func refuseAll(targets []db.TargetsForBranchRow, reason string) []verdict {
	verdicts := make([]verdict, len(targets))
	for i, target := range targets {
		verdicts[i] = verdict{target: target, refusal: reason}
	}
	return verdicts
}

// judgeTree decides what a target makes of a tree.
func (p *Planner) judgeTree(ctx context.Context, remote Remote, tree *Tree, c change, target db.TargetsForBranchRow) verdict {
	v := verdict{target: target}
	if Retired(tree) {
		v.none = "the package is retired (dead.package)"
		return v
	}
	if c.pull == nil && !c.byHand && NoAutoBuild(tree) {
		v.none = "pushes are not built automatically (noautobuild)"
		return v
	}
	name, err := FindSpec(tree)
	if err != nil {
		v.refusal = plain(err)
		return v
	}
	v.spec = name
	if want := c.repository.Name() + ".spec"; name != want {
		v.refusal = fmt.Sprintf("the spec is called %s, in this repository it must be %s", name, want)
		return v
	}
	text, err := tree.ReadFile(name, maxSpecBytes)
	if err != nil {
		v.refusal = plain(err)
		return v
	}
	macros, err := extra.Macros(target.BuildTagExtra)
	if err != nil {
		v.refusal = fmt.Sprintf("tag %s: %v", target.BuildTagName, err)
		return v
	}
	// This refuses a spec whose Name is not that of its file, too.
	options := SpecOptions{Macros: macros}
	spec, err := ReadSpec(name, text, options)
	if err != nil {
		v.refusal = plain(err)
		return v
	}
	if v.refusal, err = missingSource(tree, spec); err != nil {
		v.refusal = plain(err)
	}
	if v.refusal != "" {
		return v
	}
	if spec.AutoRelease {
		v.nvr = p.Mirrors.guessNVR(ctx, remote, c.commit, spec, options)
	} else {
		v.nvr, _ = spec.NVR()
	}
	return v
}

// apply records a verdict: a build, a refusal or nothing. Planning the same
// commit for the same target again does nothing, unless it was refused and is
// not, or for another reason.
func (p *Planner) apply(ctx context.Context, tx pgx.Tx, c change, repository db.Repository, commit Commit, v verdict) (summary string, err error) {
	switch {
	case v.none != "":
		return p.recordNothing(ctx, tx, c, repository, v.target.Name, v.none)
	case v.refusal != "":
		return p.refuse(ctx, tx, c, repository, v.target.Name, v.target.Name, v.refusal, "failure")
	}
	q := db.New(tx)
	if late, err := outdated(ctx, q, c, repository, v.target.Name); err != nil || late {
		return "a newer head of the pull request was planned before", err
	}
	planned, err := recordVerdict(ctx, q, c, repository, v.target.Name, "build", "")
	if err != nil {
		return "", err
	}
	if planned == 0 {
		var before string
		if planned, before, err = plannedBefore(ctx, q, c, repository, v.target.Name); err != nil {
			return "", fmt.Errorf("distgit: read planned push: %w", err)
		}
		if before != "" {
			return before, nil
		}
	}
	did := "build %d for %s"
	var build int64
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) (err error) {
		build, err = p.start(ctx, savepoint, c, repository, commit, v)
		return err
	})
	var standing *queue.StandingBuildError
	if errors.As(err, &standing) {
		// Asked for by hand, or pushed to another branch of the target before.
		did, build, err = "built already, as build %d for %s", standing.BuildID, nil
	}
	if err != nil {
		return "", err
	}
	if err := q.SetPlannedPushBuild(ctx, db.SetPlannedPushBuildParams{ID: planned, BuildID: &build, DeliveryID: c.delivery}); err != nil {
		return "", fmt.Errorf("distgit: record planned push: %w", err)
	}
	return fmt.Sprintf(did, build, v.target.Name), nil
}

// start begins the build of a change; a pull request's newer head ends the
// builds of its older ones.
func (p *Planner) start(ctx context.Context, tx pgx.Tx, c change, repository db.Repository, commit Commit, v verdict) (int64, error) {
	q := db.New(tx)
	pkg, err := q.UpsertPackage(ctx, c.repository.Name())
	if err != nil {
		return 0, fmt.Errorf("distgit: record package: %w", err)
	}
	build := queue.NewBuild{
		PackageID: pkg, RepositoryID: repository.ID, Target: v.target.Name, BuildTag: v.target.BuildTag, DestTag: v.target.DestTag,
		Scratch: c.pull != nil, Ref: c.ref, Commit: c.commit, CommittedAt: commit.Committed, Spec: v.spec, PlannedNVR: v.nvr,
	}
	if c.pull != nil {
		build.PullNumber = &c.pull.Number
		if err := p.supersede(ctx, tx, c, repository, v.target.Name); err != nil {
			return 0, err
		}
	}
	return queue.StartBuild(ctx, tx, p.Jobs, p.ExternalURL, build)
}

// remote is where a repository is fetched from.
func (p *Planner) remote(host string, repository forge.Repository) (Remote, error) {
	h, ok := p.Hosts[host]
	if !ok {
		return Remote{}, fmt.Errorf("distgit: forge %q is not configured any more", host)
	}
	return Remote{
		Forge: host, ID: repository.ID, Base: h.Base, URL: h.Forge.CloneURL(repository),
		Auth: func(ctx context.Context) (string, string, error) { return h.Forge.CloneAuth(ctx, repository) },
	}, nil
}

// permanentUnlessTemporary marks errors that another try can't cure. A commit
// that is not there may come: a forge's replica can lag behind its webhook.
func permanentUnlessTemporary(err error) error {
	var temporary *TemporaryError
	if errors.As(err, &temporary) || errors.Is(err, ErrCommitNotFound) || errors.Is(err, context.Canceled) {
		return err
	}
	return queue.Permanent(err)
}

// ignored reports whether a branch matches one of the globs; * stops at a
// slash, ** at the end does not.
func ignored(globs []string, branch string) bool {
	for _, glob := range globs {
		if prefix, deep := strings.CutSuffix(glob, "/**"); deep && strings.HasPrefix(branch, prefix+"/") {
			return true
		}
		if ok, err := path.Match(glob, branch); err == nil && ok {
			return true
		}
	}
	return false
}

// plain is an error's text without the name of this package before it.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "distgit: ") }

func short(commit string) string { return commit[:min(len(commit), 10)] }

func list(names []string) string {
	if len(names) == 0 {
		return "no branch"
	}
	return strings.Join(names, ", ")
}
