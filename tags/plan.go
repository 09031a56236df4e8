package tags

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// Action is what a step of a plan does to a thing.
type Action string

// The actions.
const (
	Create Action = "create"
	Change Action = "change"
	Remove Action = "remove"
)

// Step is one thing that a plan creates, changes or removes.
type Step struct {
	Action Action `json:"action"`
	// Kind is the kind of thing: user, tag, link, external repository, group,
	// package, target or ignored branch.
	Kind string `json:"kind"`
	// Text names the thing, of what kind it is, and how it shall be.
	Text string `json:"text"`
}

// String is the step in one line: "+ tag f37: arches x86_64".
func (s Step) String() string {
	return map[Action]string{Create: "+ ", Change: "~ ", Remove: "- "}[s.Action] + s.Text
}

// Plan is what must change for the database to say what a distribution file
// says.
type Plan struct {
	// Steps are in the order in which they are done, those of a kind together.
	// It is empty when file and database agree.
	Steps []Step `json:"steps"`
	// Notes are what the reader should know and what changes nothing.
	Notes []string `json:"notes"`

	do []func(context.Context, *Edit) error
}

// Counts says how many things are created, changed and removed.
func (p *Plan) Counts() (created, changed, removed int) {
	n := map[Action]int{}
	for _, step := range p.Steps {
		n[step.Action]++
	}
	return n[Create], n[Change], n[Remove]
}

// Summary is Counts in words.
func (p *Plan) Summary() string {
	if len(p.Steps) == 0 {
		return "nothing to change"
	}
	created, changed, removed := p.Counts()
	return fmt.Sprintf("%d to create, %d to change, %d to remove", created, changed, removed)
}

// NewPlan compares a distribution file with the database as it is at one
// moment, and changes nothing. Targets that the file lacks are removed; tags that
// it lacks only with prune, as builds may be in them. What the file says and the
// database makes impossible is a *DistroError. Safe for concurrent use.
func NewPlan(ctx context.Context, pool *pgxpool.Pool, d *Distro, prune bool) (plan *Plan, err error) {
	err = snapshot(ctx, pool, func(q *db.Queries) error {
		plan, err = makePlan(ctx, q, d, prune)
		return err
	})
	return plan, err
}

// snapshot lets read see the database at one moment.
func snapshot(ctx context.Context, pool *pgxpool.Pool, read func(*db.Queries) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return read(db.New(tx))
	})
}

// makePlan reads the model and compares.
func makePlan(ctx context.Context, q *db.Queries, d *Distro, prune bool) (*Plan, error) {
	have, err := readModel(ctx, q, 0)
	if err != nil {
		return nil, err
	}
	if err := d.checkPerms(ctx, q); err != nil {
		return nil, err
	}
	p := &planner{have: have, want: d.model(), prune: prune, plan: &Plan{Steps: []Step{}, Notes: []string{}}}
	if p.newUsers, err = unknownUsers(ctx, q, p.want); err != nil {
		return nil, err
	}
	p.compare()
	return p.plan, nil
}

// checkPerms refuses permissions that are not known.
func (d *Distro) checkPerms(ctx context.Context, q *db.Queries) error {
	known, err := q.PermissionNames(ctx)
	if err != nil {
		return fmt.Errorf("tags: read permissions: %w", err)
	}
	var found problems
	for _, name := range sortedKeys(d.Tags) {
		if perm := d.Tags[name].Perm; perm.Value != "" && !slices.Contains(known, perm.Value) {
			found.add(perm.line, "tag %s: there is no permission %q: the permissions are %s", name, perm.Value, strings.Join(known, ", "))
		}
	}
	return distroError(found.list)
}

// unknownUsers are the owners of packages that are not users yet, by name.
func unknownUsers(ctx context.Context, q *db.Queries, m *model) ([]string, error) {
	owners := map[string]bool{}
	for _, tag := range m.tags {
		for _, p := range tag.packages {
			owners[p.owner] = true
		}
	}
	known, err := q.DistroUsers(ctx, sortedKeys(owners))
	if err != nil {
		return nil, fmt.Errorf("tags: read users: %w", err)
	}
	for _, name := range known {
		delete(owners, name)
	}
	return sortedKeys(owners), nil
}

// ApplyDistro makes the database say what a distribution file says, as NewPlan
// plans it, and returns what it did. It locks all links first, so that nobody
// changes what is planned for, and refuses users who may not do a step.
func (e *Edit) ApplyDistro(ctx context.Context, d *Distro, prune bool) (*Plan, error) {
	if err := e.lockLinks(ctx); err != nil {
		return nil, err
	}
	plan, err := makePlan(ctx, e.q, d, prune)
	if err != nil {
		return nil, err
	}
	for _, do := range plan.do {
		if err := do(ctx, e); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// ApplyPlan makes the database say what a distribution file says, in one
// transaction and one event, and has every repository made whose content that
// changes. Where file and database agree it does nothing, and makes no event.
// Actor is an enabled user; whoever may read the file into the database may do
// all that is in it, so nothing else is asked. Safe for concurrent use: of two
// files the second finds what the first has made. It notes that the file is the
// one applied last.
func ApplyPlan(ctx context.Context, pool *pgxpool.Pool, jobs queue.Inserter, d *Distro, actor string, prune bool) (plan *Plan, err error) {
	editor := &Editor{Pool: pool, Jobs: jobs}
	_, err = editor.Do(ctx, actor, "apply distro.yaml", func(e *Edit) error {
		e.User.Perms = append(e.User.Perms, PermAdmin)
		if plan, err = e.ApplyDistro(ctx, d, prune); err != nil {
			return err
		}
		return e.NoteApplied(ctx, d)
	})
	if err != nil {
		return nil, fmt.Errorf("tags: apply distro.yaml: %w", err)
	}
	return plan, nil
}
