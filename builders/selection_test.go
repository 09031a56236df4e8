package builders_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestExtraArchesAndNoarchArches(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "i386", "x86_64")
	in.target(t, policies{lagging: []string{"i386"}})
	queuetest.Exec(t, in.Pool, "update tag_packages set extra_arches = 'i686 s390x'")
	queuetest.Exec(t, in.Pool, `update tags set extra = '{"noarch_arches": "x86_64"}' where id = $1`, in.BuildTag)
	in.work(t)
	build := in.build(t, 1, script{
		srpm: leave(files{"hello-1-1.src.rpm": source(t, "hello", "1", tagExclusiveArch, "i686", "x86_64", "noarch")}),
		build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			return files{"hello-1-1." + arch + ".rpm": hello(t, 1, arch, nil)}.write(order)
		},
	})
	in.complete(t, build)
	in.idle(t)
	roots := queuetest.Values[string](t, in.Pool, "select arch || ' on ' || root_arch || ', ' || policy from tasks where method = 'buildArch' order by id")
	if diff := cmp.Diff([]string{"i686 on i386, lagging", "x86_64 on x86_64, blocking", "noarch on x86_64, blocking"}, roots); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	skipped := queuetest.Values[string](t, in.Pool, "select arch || ': ' || reason from build_skipped_arches order by arch")
	want := []string{"i386: ExclusiveArch i686 x86_64 noarch", "s390x: ExclusiveArch i686 x86_64 noarch"}
	if diff := cmp.Diff(want, skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
}
