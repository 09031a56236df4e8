package builders_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestAStageThatDiesAtItsEnd(t *testing.T) {
	t.Parallel()
	// The database refuses the transaction that ends a stage: all that the stage
	// did in it is undone, as by kill -9.
	for method, test := range map[string]struct{ refuse, failed, allow, stays string }{
		queue.MethodBuildSRPM: {refuseTasks(queue.MethodBuildSRPM), failedTasks(queue.MethodBuildSRPM), allowTasks, "build OPEN\nbuildSRPM FREE"},
		queue.MethodBuildArch: {
			refuseTasks(queue.MethodBuildArch), failedTasks(queue.MethodBuildArch), allowTasks,
			"build OPEN\nbuildSRPM CLOSED\nbuildArch x86_64 FREE\nbuildArch aarch64 FREE",
		},
		"the import": {
			"alter table river_job add constraint refuse check (not (kind = 'builders.import' and state = 'completed'))",
			"select coalesce(bool_and(errors is not null and state <> 'running'), false) from river_job where kind = 'builders.import'",
			"alter table river_job drop constraint refuse",
			"build OPEN\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED\nbuildArch aarch64 CLOSED",
		},
	} {
		t.Run(method+" leaves nothing of it and is done once more", func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t, "x86_64", "aarch64")
			queuetest.Exec(t, in.Pool, test.refuse)
			in.work(t)
			build := in.build(t, 1, script{})
			queuetest.WaitRow(t, in.Pool, "the stage has failed", test.failed)
			if state := queuetest.Value[string](t, in.Pool, "select state from builds where id = $1", build); state != queue.BuildBuilding {
				t.Fatalf("the build is %s meanwhile", state)
			}
			if diff := cmp.Diff(test.stays, in.tasks(t, build)); diff != "" {
				t.Errorf("tasks meanwhile (-want +got):\n%s", diff)
			}
			queuetest.Exec(t, in.Pool, test.allow)
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

// refuseTasks makes the database refuse transactions that close tasks of a
// method, at their very end.
func refuseTasks(method string) string {
	return `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no more'; end $$;
		create constraint trigger refuse after update on tasks deferrable initially deferred
		for each row when (new.method = '` + method + `' and new.state = 'CLOSED') execute function refuse()`
}

const allowTasks = "drop trigger refuse on tasks"

// failedTasks is true once every task of a method has been given back.
func failedTasks(method string) string {
	return "select coalesce(bool_and(failures > 0 and state = 'FREE'), false) from tasks where method = '" + method + "'"
}
