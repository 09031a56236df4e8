package builders_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestAStageThatDiesAtItsEnd(t *testing.T) {
	t.Parallel()
	// The database refuses the last statement of the transaction that ends a
	// stage: all that the stage did in it is undone, as by kill -9.
	for kind, stays := range map[string]string{
		"builders.srpm":   "build OPEN\nbuildSRPM FREE",
		"builders.arch":   "build OPEN\nbuildSRPM CLOSED\nbuildArch x86_64 FREE\nbuildArch aarch64 FREE",
		"builders.import": "build OPEN\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED\nbuildArch aarch64 CLOSED",
	} {
		t.Run(kind+" leaves nothing of it and is done once more", func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t, "x86_64", "aarch64")
			queuetest.Exec(t, in.Pool, "alter table river_job add constraint refuse check (not (kind = '"+kind+"' and state = 'completed'))")
			in.work(t)
			build := in.build(t, 1, script{})
			queuetest.WaitRow(t, in.Pool, "every job of the stage has failed", `select coalesce(bool_and(errors is not null and state <> 'running'), false)
				from river_job where kind = $1`, kind)
			if state := queuetest.Value[string](t, in.Pool, "select state from builds where id = $1", build); state != queue.BuildBuilding {
				t.Fatalf("the build is %s meanwhile", state)
			}
			if diff := cmp.Diff(stays, in.tasks(t, build)); diff != "" {
				t.Errorf("tasks meanwhile (-want +got):\n%s", diff)
			}
			queuetest.Exec(t, in.Pool, "alter table river_job drop constraint refuse")
			in.complete(t, build)
			in.idle(t)
			if diff := cmp.Diff("f37 pending\nf37/aarch64 success\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if n := queuetest.Value[int](t, in.Pool, "select count(*) from rpms"); n != 3 {
				t.Errorf("%d packages are recorded, want 3", n)
			}
			for _, once := range []string{"builders.import", "tags.apply"} {
				if n := in.jobs(t, once); n != 1 {
					t.Errorf("%d jobs %s were enqueued, want one", n, once)
				}
			}
		})
	}
}
