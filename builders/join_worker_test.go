package builders_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestAJoin(t *testing.T) {
	t.Parallel()

	// joinable is a build whose riscv64 is done and not joined: nothing imports.
	joinable := func(t *testing.T, riscv files) (*installation, int64) {
		t.Helper()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		all := in.packagesOf(t, 1)
		if riscv != nil {
			all["riscv64"] = riscv
		}
		gate := newGate(leaveByArch(all))
		build := in.built(t, script{build: leaveByArch(all).on("riscv64", gate.pass)})
		hub := in.hub(t, "hub-0")
		in.complete(t, build)
		if err := hub.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(gate.open)
		queuetest.WaitRow(t, in.Pool, "riscv64 is done", "select exists (select from tasks where arch = 'riscv64' and state = 'CLOSED')")
		return in, build
	}

	t.Run("by many jobs at once happens once", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		queuetest.Tx(t, in.Pool, func(tx pgx.Tx) error {
			for range 9 {
				if _, err := queue.Insert(t.Context(), tx, queuetest.Inserter(t, in.Pool), queue.ImportArgs{BuildID: build}); err != nil {
					return err
				}
			}
			return nil
		})
		in.hub(t, "hub-1")
		in.idle(t)
		if n := in.jobs(t, "tags.joined"); n != 1 {
			t.Errorf("tags were told %d times, want once", n)
		}
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
	})

	t.Run("that breaks off after its files are placed leaves no packages, and is done again", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		queuetest.Exec(t, in.Pool, `create function broken() returns trigger language plpgsql as $$ begin raise exception 'out of power'; end $$`)
		queuetest.Exec(t, in.Pool, `create trigger broken before update of imported_at on tasks for each row execute function broken()`)
		in.hub(t, "hub-1")
		queuetest.WaitRow(t, in.Pool, "the join broke off", "select exists (select from river_job where kind = 'builders.import' and errors::text like '%out of power%')")
		if _, err := os.Stat(in.storePath("packages/hello/1/1/riscv64/hello-1-1.riscv64.rpm")); err != nil {
			t.Errorf("the break came before the files were placed: %v", err)
		}
		if diff := cmp.Diff("hello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if n := in.jobs(t, "tags.joined"); n != 0 {
			t.Errorf("tags were told %d times of what did not happen", n)
		}
		queuetest.Exec(t, in.Pool, "drop trigger broken on tasks")
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages after (-want +got):\n%s", diff)
		}
	})

	t.Run("into a store that never takes anything fails the architecture alone", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		if err := os.WriteFile(in.storePath("packages/hello/1/1/riscv64"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		queuetest.Exec(t, in.Pool, "update river_job set attempt = 6 where kind = 'builders.import' and state = 'available'")
		in.hub(t, "hub-1")
		in.idle(t)
		in.complete(t, build)
		if got := in.status(t, 1, "riscv64"); !strings.HasPrefix(got, "error: lagging: builders: place packages") {
			t.Errorf("the status is %q", got)
		}
		if task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "riscv64"); task.State != queue.TaskFailed || task.Failure != queue.FailureInfrastructure {
			t.Errorf("the task is %s (%s), want FAILED (infrastructure)", task.State, task.Failure)
		}
	})

	t.Run("replaces what one that never ended left", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		in.link(t, "packages/hello/1/1/riscv64/hello-1-1.riscv64.rpm", []byte("left"))
		in.hub(t, "hub-1")
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.riscv64.rpm\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if left, err := os.ReadFile(in.storePath("packages/hello/1/1/riscv64/hello-1-1.riscv64.rpm")); err != nil || string(left) == "left" {
			t.Errorf("the place holds %q, %v", left, err)
		}
	})

	t.Run("into a build that was deleted does not happen", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		queuetest.Exec(t, in.Pool, "update builds set state = 'DELETED' where id = $1", build)
		in.hub(t, "hub-1")
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("failure: lagging: the build is DELETED", in.status(t, 1, "riscv64")); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	})

	t.Run("of a package that another build has does not happen", func(t *testing.T) {
		t.Parallel()
		in, build := joinable(t, nil)
		queuetest.Exec(t, in.Pool, `insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, nvr, state)
			select $1, $2, 'f37', $3, $4, false, 'x', 'x', now(), 'x', 0, 'other-1-1', 'COMPLETE'`, in.Package, in.Repository, in.BuildTag, in.DestTag)
		queuetest.Exec(t, in.Pool, `insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path)
			select max(id), 'hello', 0, '1', '1', 'riscv64', false, 'x', 1, 1, 'x' from builds`)
		in.hub(t, "hub-1")
		in.idle(t)
		if diff := cmp.Diff("hello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if got := in.status(t, 1, "riscv64"); !strings.Contains(got, "belongs to other-1-1 already") {
			t.Errorf("the status is %q", got)
		}
	})
}
