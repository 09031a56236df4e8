package tags_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// TestOrderOfBuilds tags and moves several builds of a package in one change, in
// another order than that of their ids.
func TestOrderOfBuilds(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d := queuetest.NewDistribution(t, o.pool, o.editor.Jobs, "x86_64")
	for n := range 4 {
		id := d.Start(t, d.NewBuild(n))
		queuetest.Exec(t, o.pool, "update builds set state = 'COMPLETE', nvr = $2 where id = $1", id, fmt.Sprintf("hello-1-%d", n))
	}
	nvrs := func(tag string) []string {
		t.Helper()
		r := tagview.Reader{Conn: o.pool}
		found, err := r.Tag(t.Context(), tag)
		if err != nil {
			t.Fatal(err)
		}
		builds, err := r.Builds(t.Context(), found.ID, tagview.BuildQuery{})
		if err != nil {
			t.Fatal(err)
		}
		list := []string{}
		for _, b := range builds {
			list = append(list, b.NVR)
		}
		return list
	}
	force := tags.PackageChange{Force: true}
	o.do("admin", func(ctx context.Context, e *tags.Edit) error { return e.AddPackage(ctx, "f37", "hello", force) })
	o.do("admin", func(ctx context.Context, e *tags.Edit) error { return e.AddTag(ctx, tags.NewTag{Name: "dest"}) })
	o.do("admin", func(ctx context.Context, e *tags.Edit) error { return e.AddPackage(ctx, "dest", "hello", force) })
	o.do("admin", func(ctx context.Context, e *tags.Edit) error {
		return e.TagBuilds(ctx, "f37", []string{"hello-1-2", "hello-1-3", "hello-1-0", "hello-1-1"}, false)
	})
	want := []string{"hello-1-1", "hello-1-0", "hello-1-3", "hello-1-2"}
	if diff := cmp.Diff(want, nvrs("f37")); diff != "" {
		t.Errorf("builds, the newest first (-want +got):\n%s", diff)
	}
	if n := queuetest.Value[int](t, o.pool, "select count(distinct create_event) from tag_builds"); n != 2 {
		t.Errorf("%d events, want 2: one for each build whose id is lower than that before it", n)
	}
	var moved []string
	o.do("admin", func(ctx context.Context, e *tags.Edit) (err error) {
		moved, err = e.MoveAllBuilds(ctx, "f37", "dest", "hello", false)
		return err
	})
	if diff := cmp.Diff([]string{"hello-1-2", "hello-1-3", "hello-1-0", "hello-1-1"}, moved); diff != "" {
		t.Errorf("moved (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, nvrs("dest")); diff != "" {
		t.Errorf("builds after the move, the newest first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{}, nvrs("f37")); diff != "" {
		t.Errorf("builds left behind (-want +got):\n%s", diff)
	}
	all := func(from, to, pkg string) func(context.Context, *tags.Edit) error {
		return func(ctx context.Context, e *tags.Edit) error {
			_, err := e.MoveAllBuilds(ctx, from, to, pkg, false)
			return err
		}
	}
	o.refused("admin", tags.FaultTag, "no build of package hello is tagged into f37", all("f37", "dest", "hello"))
	o.refused("admin", tags.FaultGeneric, "no such package", all("dest", "f37", "nosuch"))
	o.refused("admin", tags.FaultGeneric, "no such tag", all("dest", "nosuch", "hello"))
	o.user("pat")
	o.refused("pat", tags.FaultNotAllowed, "no rule lets pat tag builds into f37", all("dest", "f37", "hello"))
}
