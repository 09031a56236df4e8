package tags_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

// world is a random model: tags, packages and builds of fixed names, and random
// operations through the editor.
type world struct {
	*hub
	rand     *rand.Rand
	tags     []string
	packages []string
	nvrs     []string
	// only restricts the operations to those whose names contain it.
	only    string
	refused int
	done    map[string]int // operations that changed something
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{hub: newHub(t), rand: rand.New(rand.NewPCG(seed, seed)), done: map[string]int{}}
	for i := range 7 {
		w.tags = append(w.tags, fmt.Sprintf("t%d", i))
	}
	w.packages = []string{"foo", "bar", "baz", "kernel"}
	for _, tag := range w.tags {
		w.must(t, "add tag", func(ctx context.Context, e *tags.Edit) error {
			none := ""
			return e.AddTag(ctx, tags.NewTag{Name: tag, Arches: &none})
		})
	}
	for _, p := range w.packages {
		for version, state := range []string{"COMPLETE", "COMPLETE", "COMPLETE", "FAILED"} {
			op := operation{Op: "build", Name: p, Version: strconv.Itoa(version), Release: "1", State: state}
			if fault, err := w.announce(t.Context(), op); err != nil || fault != 0 {
				t.Fatal(fault, err)
			}
			w.nvrs = append(w.nvrs, fmt.Sprintf("%s-%d-1", p, version))
		}
	}
	return w
}

func (w *world) must(t *testing.T, what string, do func(context.Context, *tags.Edit) error) int64 {
	t.Helper()
	event, err := w.editor.Do(t.Context(), "kojiadmin", what, func(e *tags.Edit) error { return do(t.Context(), e) })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return event
}

func pickOne[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// step performs a random operation. What a rule refuses changes nothing.
func (w *world) step(t *testing.T) (event int64) {
	t.Helper()
	name, do := w.operation(t)
	event, err := w.editor.Do(t.Context(), "kojiadmin", name, func(e *tags.Edit) error { return do(t.Context(), e) })
	var refusal *tags.RefusedError
	if errors.As(err, &refusal) {
		w.refused++
		return 0
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if event != 0 {
		w.done[name]++
	}
	return event
}

// operation chooses one, links and taggings more often than others.
func (w *world) operation(t *testing.T) (string, func(context.Context, *tags.Edit) error) {
	t.Helper()
	r := w.rand
	tag, other, pkg, nvr := pickOne(r, w.tags...), pickOne(r, w.tags...), pickOne(r, w.packages...), pickOne(r, w.nvrs...)
	owner, group := pickOne(r, "alice", "bob", "carol"), pickOne(r, "build", "srpm-build")
	config, force := w.link(), r.IntN(2) == 0
	kind, name := pickOne(r, tagview.ModuleKinds()...), pickOne(r, "demo:1", "demo:2", "demo")
	documents := readModules(t, pickOne(r, streamText("1", 7, "one"), streamText("1", 7, "two"), streamText("2", 7, "two"),
		defaultsText(1+r.IntN(9), "1"), obsoletesText(r.IntN(9), "gone"), translationsText(1+r.IntN(9), "Eins")))
	type op struct {
		weight int
		name   string
		do     func(context.Context, *tags.Edit) error
	}
	ops := []op{
		{8, "add link", func(ctx context.Context, e *tags.Edit) error { return e.AddLink(ctx, tag, other, config) }},
		{3, "remove link", func(ctx context.Context, e *tags.Edit) error { return e.RemoveLink(ctx, tag, other) }},
		{3, "edit link", func(ctx context.Context, e *tags.Edit) error {
			return e.EditLink(ctx, tag, other, tags.LinkChange{MaxDepth: config.MaxDepth, AnyDepth: config.MaxDepth == nil, PkgFilter: &config.PkgFilter, Intransitive: &config.Intransitive})
		}},
		{8, "add package", func(ctx context.Context, e *tags.Edit) error {
			return e.AddPackage(ctx, tag, pkg, tags.PackageChange{Owner: &owner, Force: force})
		}},
		{3, "block package", func(ctx context.Context, e *tags.Edit) error { return e.BlockPackage(ctx, tag, pkg, force) }},
		{3, "unblock package", func(ctx context.Context, e *tags.Edit) error { return e.UnblockPackage(ctx, tag, pkg) }},
		{2, "remove package", func(ctx context.Context, e *tags.Edit) error { return e.RemovePackage(ctx, tag, pkg) }},
		{2, "set owner", func(ctx context.Context, e *tags.Edit) error { return e.SetPackageOwner(ctx, tag, pkg, owner, force) }},
		{12, "tag build", func(ctx context.Context, e *tags.Edit) error { return e.TagBuild(ctx, tag, nvr, force) }},
		{4, "untag build", func(ctx context.Context, e *tags.Edit) error { return e.UntagBuild(ctx, tag, nvr, force) }},
		{2, "move build", func(ctx context.Context, e *tags.Edit) error { return e.MoveBuild(ctx, tag, other, nvr, force) }},
		{3, "edit tag", func(ctx context.Context, e *tags.Edit) error {
			arches := pickOne(r, "x86_64", "x86_64 aarch64", "")
			return e.EditTag(ctx, tag, tags.TagChange{Arches: &arches, Extra: map[string]json.RawMessage{pickOne(r, "a", "b"): json.RawMessage(pickOne(r, "1", `"x"`))}})
		}},
		{1, "inherit arches", func(ctx context.Context, e *tags.Edit) error {
			return e.EditTag(ctx, tag, tags.TagChange{InheritArches: true, BlockExtra: []string{"a"}})
		}},
		{2, "add group", func(ctx context.Context, e *tags.Edit) error {
			return e.AddGroup(ctx, tag, group, tags.GroupChange{Force: force})
		}},
		{1, "block group", func(ctx context.Context, e *tags.Edit) error { return e.BlockGroup(ctx, tag, group) }},
		{2, "add group package", func(ctx context.Context, e *tags.Edit) error {
			return e.AddGroupPackage(ctx, tag, group, pkg, tagview.GroupPackageConfig{}, force)
		}},
		{1, "block group package", func(ctx context.Context, e *tags.Edit) error { return e.BlockGroupPackage(ctx, tag, group, pkg) }},
		{1, "add group requirement", func(ctx context.Context, e *tags.Edit) error {
			return e.AddGroupRequire(ctx, tag, "build", "srpm-build", "", force)
		}},
		{3, "add modules", func(ctx context.Context, e *tags.Edit) error {
			_, err := e.AddModules(ctx, tag, documents)
			return err
		}},
		{1, "remove modules", func(ctx context.Context, e *tags.Edit) error {
			_, err := e.RemoveModules(ctx, tag, kind, name)
			return err
		}},
	}
	ops = slices.DeleteFunc(ops, func(o op) bool { return !strings.Contains(o.name, w.only) })
	total := 0
	for _, o := range ops {
		total += o.weight
	}
	at := r.IntN(total)
	for _, o := range ops {
		if at -= o.weight; at < 0 {
			return o.name, o.do
		}
	}
	panic("unreachable: weights sum up")
}

// link chooses settings of a link, plain ones more often than not.
func (w *world) link() tags.LinkConfig {
	r := w.rand
	config := tags.LinkConfig{Priority: int32(r.IntN(10))}
	if r.IntN(3) == 0 {
		config.MaxDepth = new(int32(r.IntN(4) - 1))
	}
	config.Intransitive, config.NoConfig = r.IntN(6) == 0, r.IntN(4) == 0
	if r.IntN(5) == 0 {
		config.PkgFilter = pickOne(r, "^foo", "^ba", "^(?!kernel$)", ".*")
	}
	return config
}
