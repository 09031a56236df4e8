package builders_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// storePath is where the store keeps a name.
func (in *installation) storePath(name string) string {
	return filepath.Join(filepath.Dir(in.workDir), "store", name)
}

// link makes a name stand for some bytes, as an import does before it commits.
func (in *installation) link(tb testing.TB, name string, data []byte) {
	tb.Helper()
	blob, err := in.stages.Store.Put(tb.Context(), bytes.NewReader(data), "", 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	if err := in.stages.Store.Link(tb.Context(), blob, name); err != nil {
		tb.Fatal(err)
	}
}

// built starts a build of commit 1 on a host that imports nothing, and waits
// until its import is enqueued.
func (in *installation) built(tb testing.TB, how script) int64 {
	tb.Helper()
	in.host(tb, "host-1")
	build := in.build(tb, 1, how)
	queuetest.WaitRow(tb, in.Pool, "the import is enqueued", "select exists (select from river_job where kind = 'builders.import')")
	return build
}

// hub starts what imports, and builds nothing.
func (in *installation) hub(tb testing.TB, name string) *queue.Client {
	tb.Helper()
	return queuetest.Start(tb, in.Pool, name, func(workers *river.Workers, jobs queue.Canceler) {
		stages := in.stages
		stages.Jobs = jobs
		river.AddWorker(workers, &builders.ImportWorker{Stages: &stages})
	}, queue.QueueControl)
}

func TestAnImport(t *testing.T) {
	t.Parallel()
	const path = "packages/hello/1/1/x86_64/hello-1-1.x86_64.rpm"

	t.Run("of one build by many jobs at once happens once", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "aarch64")
		build := in.built(t, script{})
		queuetest.Tx(t, in.Pool, func(tx pgx.Tx) error {
			for range 9 {
				if _, err := queue.Insert(t.Context(), tx, queuetest.Inserter(t, in.Pool), queue.ImportArgs{BuildID: build}); err != nil {
					return err
				}
			}
			return nil
		})
		in.hub(t, "hub-1")
		in.complete(t, build)
		in.idle(t)
		states := queuetest.Values[string](t, in.Pool, "select distinct state::text || ' ' || attempt from river_job where kind = 'builders.import'")
		if diff := cmp.Diff([]string{"completed 1"}, states); diff != "" {
			t.Errorf("the jobs' states and tries (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, in.Pool, "select count(*) from rpms"); n != 3 {
			t.Errorf("%d packages are recorded, want 3", n)
		}
		if n := in.jobs(t, "tags.apply"); n != 1 {
			t.Errorf("%d taggings were enqueued, want 1", n)
		}
	})

	t.Run("goes on where a crash left its files", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		all := in.packagesOf(t, 1)
		in.link(t, path, all["x86_64"]["hello-1-1.x86_64.rpm"])
		in.work(t)
		in.complete(t, in.build(t, 1, script{build: leaveByArch(all)}))
	})

	t.Run("replaces what the import of a build that failed left", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.link(t, path, []byte("made by a build that was canceled meanwhile"))
		in.work(t)
		all := in.packagesOf(t, 1)
		in.complete(t, in.build(t, 1, script{build: leaveByArch(all)}))
		got, err := os.ReadFile(in.storePath(path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, all["x86_64"]["hello-1-1.x86_64.rpm"]) {
			t.Errorf("%s still holds other bytes than the build's", path)
		}
		sum := queuetest.Value[string](t, in.Pool, "select sha256 from rpms where arch = 'x86_64'")
		if err := in.stages.Store.Verify(t.Context(), store.Blob{SHA256: sum, Size: int64(len(got))}); err != nil {
			t.Error(err)
		}
	})

	t.Run("into a store that takes nothing is tried again until it does", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		broken := in.storePath("packages")
		if err := os.WriteFile(broken, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		in.work(t)
		build := in.build(t, 1, script{})
		queuetest.WaitRow(t, in.Pool, "the import was tried", "select coalesce(bool_or(errors is not null), false) from river_job where kind = 'builders.import'")
		if diff := cmp.Diff("f37 pending\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, in.Pool, "select count(*) from rpms"); n != 0 {
			t.Errorf("%d packages are recorded", n)
		}
		if err := os.Remove(broken); err != nil {
			t.Fatal(err)
		}
		in.complete(t, build)
	})

	t.Run("into a store that never takes anything ends the build as error", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		if err := os.WriteFile(in.storePath("packages"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		build := in.built(t, script{})
		queuetest.Exec(t, in.Pool, "update river_job set attempt = 6 where kind = 'builders.import'")
		in.hub(t, "hub-1")
		row := in.failed(t, build, "place packages: store: link packages/hello/1/1/src/hello-1-1.src.rpm")
		if row.Phase != "import" {
			t.Errorf("the build failed in phase %q, want import", row.Phase)
		}
		if diff := cmp.Diff("f37 error\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("build FAILED\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED", in.tasks(t, build)); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, in.Pool, "select array_length(errors, 1) from river_job where kind = 'builders.import'"); n != 1 {
			t.Errorf("%d earlier tries of the import failed, want 1", n)
		}
	})

	t.Run("of a build that was canceled does nothing", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		build := in.built(t, script{})
		if err := queue.CancelBuild(t.Context(), in.Pool, queuetest.Inserter(t, in.Pool), queuetest.ExternalURL, build, "no more"); err != nil {
			t.Fatal(err)
		}
		in.hub(t, "hub-1")
		in.idle(t)
		if _, err := os.Stat(in.storePath("packages")); !os.IsNotExist(err) {
			t.Errorf("packages were placed: %v", err)
		}
		if diff := cmp.Diff("f37 error\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if n := in.jobs(t, "tags.apply"); n != 0 {
			t.Errorf("%d taggings were enqueued", n)
		}
	})

	t.Run("finds nothing where the version leads out of the layout", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		evil := source(t, "hello", "../../../../x", 0)
		row := in.failed(t, in.build(t, 1, script{srpm: leave(files{"hello-x-1.src.rpm": evil})}), "can't be read")
		if !strings.Contains(row.Reason, `character '/' not allowed in version`) {
			t.Errorf("refused with %q", row.Reason)
		}
	})
}
