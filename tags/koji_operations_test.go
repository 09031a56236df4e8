package tags_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/tags"
)

// hub is an installation with Koji's default policies and the users of the
// recordings.
type hub struct {
	pool   *pgxpool.Pool
	editor *tags.Editor
	// events are the events of the operations by index, ops the reverse.
	// marks are the events before a mark.
	ops   map[int64]int
	marks map[int]int64
	// repository, target and tag of builds, which the recordings don't speak of.
	repositoryID, tagID int64
}

func newHub(t testing.TB) *hub {
	t.Helper()
	pool := dbtest.New(t)
	jobs, err := queue.NewClient(pool, queue.Config{ID: "vectors"})
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{pool: pool, editor: &tags.Editor{Pool: pool, Jobs: jobs, OpenTagging: true}, ops: map[int64]int{}, marks: map[int]int64{}}
	h.exec(t, "insert into users (name) values ('kojiadmin'), ('tagger'), ('alice'), ('bob'), ('carol')")
	h.exec(t, "insert into events (actor, what) values ('kojiadmin', 'users')")
	h.exec(t, `insert into user_perms (user_id, perm_id, create_event)
		select u.id, p.id, e.id from users u, permissions p, events e
		where (u.name, p.name) in (('kojiadmin', 'admin'), ('tagger', 'tag')) and e.what = 'users'`)
	h.exec(t, `insert into repositories (forge, forge_repo_id, full_name, clone_url) values ('none', '1', 'none', 'none')`)
	h.exec(t, `insert into tags (name, arches, create_event, revoke_event) select 'no tag', '{}', id, id from events where what = 'users'`)
	if err := pool.QueryRow(t.Context(), "select r.id, t.id from repositories r, tags t").Scan(&h.repositoryID, &h.tagID); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hub) exec(t testing.TB, sql string) {
	t.Helper()
	if _, err := h.pool.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (h *hub) now() tagview.Reader { return tagview.Reader{Conn: h.pool} }

func (h *hub) at(t *testing.T, mark string) tagview.Reader {
	t.Helper()
	var index int
	if _, err := fmt.Sscan(mark, &index); err != nil {
		t.Fatal(err)
	}
	event, ok := h.marks[index]
	if !ok {
		t.Fatalf("operation %s is no mark", mark)
	}
	return tagview.Reader{Conn: h.pool, At: tagview.At(event)}
}

// operation has the fields of all operations.
type operation struct {
	Op  string `json:"op"`
	As  string `json:"as"`
	Tag string `json:"tag"`

	Name        string                     `json:"name"`
	Arches      json.RawMessage            `json:"arches"`
	Perm        json.RawMessage            `json:"perm"`
	Locked      *bool                      `json:"locked"`
	Extra       map[string]json.RawMessage `json:"extra"`
	RemoveExtra []string                   `json:"remove_extra"`
	BlockExtra  []string                   `json:"block_extra"`

	Child        string          `json:"child"`
	Parent       string          `json:"parent"`
	Priority     *int32          `json:"priority"`
	MaxDepth     json.RawMessage `json:"maxdepth"`
	Intransitive *bool           `json:"intransitive"`
	NoConfig     *bool           `json:"noconfig"`
	PkgFilter    *string         `json:"pkg_filter"`

	Pkg         string  `json:"pkg"`
	Owner       *string `json:"owner"`
	Block       bool    `json:"block"`
	ExtraArches *string `json:"extra_arches"`
	Force       bool    `json:"force"`

	Version string `json:"version"`
	Release string `json:"release"`
	Epoch   *int32 `json:"epoch"`
	State   string `json:"state"`
	NVR     string `json:"nvr"`
	From    string `json:"from"`

	Group string                     `json:"group"`
	Req   string                     `json:"req"`
	Opts  map[string]json.RawMessage `json:"opts"`

	Target   string `json:"target"`
	BuildTag string `json:"build_tag"`
	DestTag  string `json:"dest_tag"`
}

// do performs an operation and returns the code of its fault, 0 for none.
func (h *hub) do(ctx context.Context, index int, raw json.RawMessage) (fault int, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var op operation
	if err := decoder.Decode(&op); err != nil {
		return 0, err
	}
	switch op.Op {
	case "mark":
		var event int64
		err := h.pool.QueryRow(ctx, "select max(id) from events").Scan(&event)
		h.marks[index] = event
		return 0, err
	case "build":
		return h.announce(ctx, op)
	}
	user := op.As
	if user == "" {
		user = "kojiadmin"
	}
	event, err := h.editor.Do(ctx, user, op.Op, func(e *tags.Edit) error { return h.edit(ctx, e, op) })
	var refusal *tags.RefusedError
	if errors.As(err, &refusal) {
		return int(refusal.Fault), nil
	}
	h.ops[event] = index
	return 0, err
}

// announce makes a build, as builders and importers do. Its NVR must be free:
// only failed and canceled builds have none.
func (h *hub) announce(ctx context.Context, op operation) (fault int, err error) {
	state, nvr := op.State, op.Name+"-"+op.Version+"-"+op.Release
	if state == "" {
		state = "COMPLETE"
	}
	var epoch int32
	if op.Epoch != nil {
		epoch = *op.Epoch
	}
	result, err := h.pool.Exec(ctx, `with p as (insert into packages (name) values ($1) on conflict (name) do update set name = excluded.name returning id)
		insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev,
			epoch, version, release, nvr, state, finished_at)
		select p.id, $2, '', $3, $3, false, '', '', now(), '', 0, $4, $5, $6, $7, $8, $9 from p
		where not exists (select 1 from builds where nvr = $7 and state in ('BUILDING', 'COMPLETE', 'DELETED'))`,
		op.Name, h.repositoryID, h.tagID, epoch, op.Version, op.Release, nvr, state, time.Now())
	if err == nil && result.RowsAffected() == 0 {
		return 1000, nil
	}
	return 0, err
}

// edit does what an operation asks for.
func (h *hub) edit(ctx context.Context, e *tags.Edit, op operation) error {
	switch op.Op {
	case "add_tag":
		arches := textOf(op.Arches)
		return e.AddTag(ctx, tags.NewTag{Name: op.Tag, Parent: op.Parent, Arches: &arches, Perm: textOf(op.Perm), Locked: op.Locked != nil && *op.Locked, Extra: op.Extra})
	case "edit_tag":
		return e.EditTag(ctx, op.Tag, op.tagChange())
	case "remove_tag":
		return e.RemoveTag(ctx, op.Tag)
	case "inherit":
		return e.AddLink(ctx, op.Child, op.Parent, op.link())
	case "edit_inherit":
		return e.EditLink(ctx, op.Child, op.Parent, op.linkChange())
	case "uninherit":
		return e.RemoveLink(ctx, op.Child, op.Parent)
	case "tag":
		return e.TagBuild(ctx, op.Tag, op.NVR, op.Force)
	case "move":
		return e.MoveBuild(ctx, op.From, op.Tag, op.NVR, op.Force)
	case "untag":
		return e.UntagBuild(ctx, op.Tag, op.NVR, op.Force)
	case "add_target":
		return e.AddTarget(ctx, op.Name, tags.TargetConfig{BuildTag: op.BuildTag, DestTag: op.DestTag})
	case "edit_target":
		return e.EditTarget(ctx, op.Target, tags.TargetChange{Name: &op.Name, BuildTag: &op.BuildTag, DestTag: &op.DestTag})
	case "remove_target":
		return e.RemoveTarget(ctx, op.Target)
	}
	if strings.HasPrefix(op.Op, "pkg_") {
		return h.editPackage(ctx, e, op)
	}
	return h.editGroup(ctx, e, op)
}

func (h *hub) editPackage(ctx context.Context, e *tags.Edit, op operation) error {
	switch op.Op {
	case "pkg_add":
		return e.AddPackage(ctx, op.Tag, op.Pkg, tags.PackageChange{Owner: op.Owner, Blocked: &op.Block, ExtraArches: op.ExtraArches, Force: op.Force})
	case "pkg_block":
		return e.BlockPackage(ctx, op.Tag, op.Pkg, op.Force)
	case "pkg_unblock":
		return e.UnblockPackage(ctx, op.Tag, op.Pkg)
	case "pkg_remove":
		return e.RemovePackage(ctx, op.Tag, op.Pkg)
	case "pkg_owner":
		return e.SetPackageOwner(ctx, op.Tag, op.Pkg, *op.Owner, op.Force)
	case "pkg_arches":
		return e.SetPackageArches(ctx, op.Tag, op.Pkg, *op.ExtraArches, op.Force)
	}
	return fmt.Errorf("unknown operation %q", op.Op)
}

func (h *hub) editGroup(ctx context.Context, e *tags.Edit, op operation) error {
	switch op.Op {
	case "group_add":
		change, err := op.groupChange()
		if err != nil {
			return err
		}
		return e.AddGroup(ctx, op.Tag, op.Group, change)
	case "group_block":
		return e.BlockGroup(ctx, op.Tag, op.Group)
	case "group_unblock":
		return e.UnblockGroup(ctx, op.Tag, op.Group)
	case "group_remove":
		return e.RemoveGroup(ctx, op.Tag, op.Group)
	case "group_pkg_add":
		var config tagview.GroupPackageConfig
		if err := op.options(&config); err != nil {
			return err
		}
		return e.AddGroupPackage(ctx, op.Tag, op.Group, op.Pkg, config, op.Force)
	case "group_pkg_block":
		return e.BlockGroupPackage(ctx, op.Tag, op.Group, op.Pkg)
	case "group_pkg_unblock":
		return e.UnblockGroupPackage(ctx, op.Tag, op.Group, op.Pkg)
	case "group_pkg_remove":
		return e.RemoveGroupPackage(ctx, op.Tag, op.Group, op.Pkg)
	case "group_req_add":
		return e.AddGroupRequire(ctx, op.Tag, op.Group, op.Req, textOf(op.Opts["type"]), op.Force)
	case "group_req_block":
		return e.BlockGroupRequire(ctx, op.Tag, op.Group, op.Req)
	case "group_req_unblock":
		return e.UnblockGroupRequire(ctx, op.Tag, op.Group, op.Req)
	case "group_req_remove":
		return e.RemoveGroupRequire(ctx, op.Tag, op.Group, op.Req)
	}
	return fmt.Errorf("unknown operation %q", op.Op)
}

// textOf reads a JSON string; what is absent or null is empty.
func textOf(raw json.RawMessage) string {
	var text *string
	if len(raw) == 0 || json.Unmarshal(raw, &text) != nil || text == nil {
		return ""
	}
	return *text
}

func (op operation) tagChange() tags.TagChange {
	c := tags.TagChange{Locked: op.Locked, Extra: op.Extra, RemoveExtra: op.RemoveExtra, BlockExtra: op.BlockExtra}
	if op.Name != "" {
		c.Name = &op.Name
	}
	if len(op.Perm) > 0 {
		perm := textOf(op.Perm)
		c.Perm = &perm
	}
	if string(op.Arches) == "null" {
		c.InheritArches = true
	} else if len(op.Arches) > 0 {
		arches := textOf(op.Arches)
		c.Arches = &arches
	}
	return c
}

func (op operation) link() tags.LinkConfig {
	var config tags.LinkConfig
	if op.Priority != nil {
		config.Priority = *op.Priority
	}
	config.MaxDepth = depthOf(op.MaxDepth)
	config.Intransitive = op.Intransitive != nil && *op.Intransitive
	config.NoConfig = op.NoConfig != nil && *op.NoConfig
	if op.PkgFilter != nil {
		config.PkgFilter = *op.PkgFilter
	}
	return config
}

func depthOf(raw json.RawMessage) *int32 {
	var depth *int32
	if len(raw) > 0 && json.Unmarshal(raw, &depth) != nil {
		return nil
	}
	return depth
}

func (op operation) linkChange() tags.LinkChange {
	return tags.LinkChange{
		Priority: op.Priority, MaxDepth: depthOf(op.MaxDepth), AnyDepth: string(op.MaxDepth) == "null",
		Intransitive: op.Intransitive, NoConfig: op.NoConfig, PkgFilter: op.PkgFilter,
	}
}

func (op operation) options(into any) error {
	text, err := json.Marshal(op.Opts)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (op operation) groupChange() (tags.GroupChange, error) {
	var change tags.GroupChange
	for field, value := range op.Opts {
		if field == "force" {
			change.Force = string(value) == "true"
			continue
		}
		change.Fields = append(change.Fields, field)
	}
	return change, op.options(&change.GroupConfig)
}
