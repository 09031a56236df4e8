package builders_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestABuild(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64", "aarch64")
	in.work(t)
	build := in.build(t, 7, script{})
	row := in.complete(t, build)
	queuetest.WaitRow(t, in.Pool, "the stand-in for tagging has run",
		"select exists (select from river_job where kind = 'tags.apply' and state = 'completed')")

	t.Run("has the NVR of its source package, whatever was planned", func(t *testing.T) {
		t.Parallel()
		if row.PlannedNvr != "hello-1-1" || *row.Nvr != "hello-7-1" || row.Version != "7" || row.Release != "1" || row.Epoch != 0 {
			t.Errorf("planned %s, NVR %s (%d:%s-%s); want hello-1-1 and hello-7-1 (0:7-1)", row.PlannedNvr, *row.Nvr, row.Epoch, row.Version, row.Release)
		}
	})
	t.Run("goes through its tasks and is handed to tagging once", func(t *testing.T) {
		t.Parallel()
		want := "build OPEN\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED\nbuildArch aarch64 CLOSED\ntagBuild FREE"
		if diff := cmp.Diff(want, in.tasks(t, build)); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		args := queuetest.Values[string](t, in.Pool, "select args::text from river_job where kind = 'tags.apply'")
		if diff := cmp.Diff([]string{`{"build_id": 1}`}, args); diff != "" {
			t.Errorf("tag jobs (-want +got):\n%s", diff)
		}
	})
	t.Run("shows each part's success and leaves the whole to its publication", func(t *testing.T) {
		t.Parallel()
		want := "f37 pending\nf37/aarch64 success\nf37/srpm success\nf37/x86_64 success"
		if diff := cmp.Diff(want, in.Statuses(t, 7)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		for part, want := range map[string]string{"": "building hello-7-1", "srpm": "hello-7-1.src.rpm", "x86_64": "1 package"} {
			if got := in.description(t, 7, part); got != want {
				t.Errorf("the status of %q says %q, want %q", part, got, want)
			}
		}
	})
	t.Run("records its packages in Koji's layout", func(t *testing.T) {
		t.Parallel()
		rpms, err := db.New(in.Pool).RPMsOfBuild(t.Context(), build)
		if err != nil {
			t.Fatal(err)
		}
		made := in.packagesOf(t, 7)
		made["src"] = sourceOf(t, 7)
		var paths []string
		for _, rpm := range rpms {
			paths = append(paths, rpm.Path)
			content, err := os.ReadFile(filepath.Join(filepath.Dir(in.workDir), "store", rpm.Path))
			if err != nil {
				t.Fatal(err)
			}
			if string(content) != string(made[rpm.Arch][filepath.Base(rpm.Path)]) {
				t.Errorf("%s has other bytes than were made", rpm.Path)
			}
			if err := in.stages.Store.Verify(t.Context(), store.Blob{SHA256: rpm.Sha256, Size: rpm.Size}); err != nil {
				t.Error(err)
			}
			if rpm.Source != (rpm.Arch == "src") || rpm.Name != "hello" || rpm.Version != "7" {
				t.Errorf("recorded %+v", rpm)
			}
		}
		want := []string{
			"packages/hello/7/1/src/hello-7-1.src.rpm",
			"packages/hello/7/1/aarch64/hello-7-1.aarch64.rpm",
			"packages/hello/7/1/x86_64/hello-7-1.x86_64.rpm",
		}
		if diff := cmp.Diff(want, paths); diff != "" {
			t.Errorf("paths (-want +got):\n%s", diff)
		}
	})
	t.Run("records what each buildroot held, with digests", func(t *testing.T) {
		t.Parallel()
		got := queuetest.Values[string](t, in.Pool, `select concat_ws(' ', t.method, b.tag, b.arch, b.repo_key, b.driver, r.nevra, left(r.digest, 4))
			from buildroots b join tasks t on t.id = b.task_id join buildroot_rpms r on r.buildroot_id = b.id order by t.id, r.nevra`)
		want := []string{
			"buildSRPM f37-build x86_64 key-of-x86_64 scripted bash-5.2-1.x86_64 abab",
			"buildSRPM f37-build x86_64 key-of-x86_64 scripted glibc-2.36-1.x86_64 cdcd",
			"buildArch f37-build x86_64 key-of-x86_64 scripted bash-5.2-1.x86_64 abab",
			"buildArch f37-build x86_64 key-of-x86_64 scripted glibc-2.36-1.x86_64 cdcd",
			"buildArch f37-build aarch64 key-of-aarch64 scripted bash-5.2-1.aarch64 abab",
			"buildArch f37-build aarch64 key-of-aarch64 scripted glibc-2.36-1.aarch64 cdcd",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("buildroots (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, in.Pool, "select count(*) from rpms r join buildroots b on b.id = r.buildroot_id and b.arch in (r.arch, 'x86_64')"); n != 3 {
			t.Errorf("%d packages name the buildroot they come from, want 3", n)
		}
	})
	t.Run("leaves its checkout log and no work directory", func(t *testing.T) {
		t.Parallel()
		task := queuetest.Task(t, in.Pool, build, queue.MethodBuildSRPM, "")
		log, err := os.ReadFile(filepath.Join(in.stages.Logs.Dir(task.ID, task.Attempt), "checkout.log"))
		if err != nil || !strings.Contains(string(log), queuetest.Commit(7)) {
			t.Errorf("the checkout log is %q, %v", log, err)
		}
		in.noWorkLeft(t)
	})
}

func TestTheOrderOfABuildroot(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	queuetest.Exec(t, in.Pool, `update tags set extra = '{"rpm.macro.dist": ".fc37", "other": "x"}' where id = $1`, in.BuildTag)
	for i, repo := range []struct {
		tag       int64
		name, url string
	}{{in.DestTag, "updates", "https://repo.example.org/updates/$arch/"}, {in.BuildTag, "base", "https://repo.example.org/$arch/base"}} {
		queuetest.Exec(t, in.Pool, `insert into tag_external_repos (tag_id, name, url, priority, create_event)
			select $1, $2, $3, $4, create_event from tags where id = $1`, repo.tag, repo.name, repo.url, 10*i)
	}
	var mu sync.Mutex
	var got []builders.Order
	note := func(then stage) stage {
		return func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			mu.Lock()
			got = append(got, order)
			mu.Unlock()
			return then(ctx, order, arch)
		}
	}
	in.work(t)
	in.complete(t, in.build(t, 1, script{srpm: note(leave(sourceOf(t, 1))), build: note(leaveByArch(in.packagesOf(t, 1)))}))
	want := builders.Recipe{
		Tag: "f37-build", Arch: "x86_64", Install: []string{"bash"}, Macros: map[string]string{"dist": ".fc37"},
		Repos: []builders.Repo{
			{Name: "f37-build", URL: "file://" + filepath.Join(in.stages.ReposDir, "f37-build", "1", "x86_64"), Cost: 1},
			{Name: "base", URL: "https://repo.example.org/x86_64/base", Cost: 10},
			{Name: "updates", URL: "https://repo.example.org/updates/x86_64/", Cost: 20},
		},
	}
	mu.Lock()
	defer mu.Unlock()
	for i, order := range got {
		if diff := cmp.Diff(want, order.Root); diff != "" {
			t.Errorf("root of stage %d (-want +got):\n%s", i, diff)
		}
		if !order.Epoch.Equal(in.NewBuild(1).CommittedAt) {
			t.Errorf("the epoch of stage %d is %s, want the commit's time", i, order.Epoch)
		}
	}
	if len(got) != 2 {
		t.Errorf("the driver had %d orders, want 2", len(got))
	}
}

func TestArchTasksThatEndAtOnce(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64", "aarch64", "riscv64")
	in.work(t)
	const count = 10
	builds := make([]int64, count)
	for n := range builds {
		// Each architecture waits for the others before it ends.
		var all sync.WaitGroup
		all.Add(len(in.arches))
		ready, packages := make(chan struct{}), in.packagesOf(t, n+1)
		go func() { all.Wait(); close(ready) }()
		builds[n] = in.build(t, n+1, script{build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			all.Done()
			select {
			case <-ready:
				return packages[arch].write(order)
			case <-ctx.Done():
				return builders.Outcome{}, ctx.Err()
			}
		}})
	}
	for _, build := range builds {
		in.complete(t, build)
	}
	if n := in.jobs(t, "builders.import"); n != count {
		t.Errorf("%d imports were enqueued for %d builds", n, count)
	}
	if n := in.jobs(t, "tags.apply"); n != count {
		t.Errorf("%d taggings were enqueued for %d builds", n, count)
	}
}

func TestAScratchBuild(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.work(t)
	build := in.scratch(t, 1, script{})
	in.complete(t, build)
	if diff := cmp.Diff("build CLOSED\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED", in.tasks(t, build)); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("f37 success\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	paths := queuetest.Values[string](t, in.Pool, "select path from rpms order by path")
	if diff := cmp.Diff([]string{"scratch/1/src/hello-1-1.src.rpm", "scratch/1/x86_64/hello-1-1.x86_64.rpm"}, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if n := in.jobs(t, "tags.apply"); n != 0 {
		t.Errorf("%d taggings of a scratch build were enqueued", n)
	}
}

func TestNoarchPackages(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64", "aarch64")
	in.work(t)

	t.Run("of a noarch source package are built once", func(t *testing.T) {
		t.Parallel()
		build := in.build(t, 1, script{srpm: leave(files{"hello-1-1.src.rpm": source(t, "hello", "1", tagBuildArchs, "noarch")})})
		in.complete(t, build)
		if diff := cmp.Diff("build OPEN\nbuildSRPM CLOSED\nbuildArch noarch CLOSED\ntagBuild FREE", in.tasks(t, build)); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		if task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "noarch"); task.RootArch != "x86_64" {
			t.Errorf("the task's root is %s, want the first arch of the tag, x86_64", task.RootArch)
		}
		if diff := cmp.Diff("f37 pending\nf37/aarch64 success\nf37/noarch success\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
	t.Run("that every architecture makes are taken from the first", func(t *testing.T) {
		t.Parallel()
		all := in.packagesOf(t, 2)
		for _, arch := range in.arches {
			all[arch]["hello-doc-2-1.noarch.rpm"] = packBinary(t, "hello-doc", "2", "noarch", "hello-2-1.src.rpm", []byte("made on "+arch))
		}
		build := in.build(t, 2, script{build: leaveByArch(all)})
		in.complete(t, build)
		content, err := os.ReadFile(filepath.Join(filepath.Dir(in.workDir), "store", "packages/hello/2/1/noarch/hello-doc-2-1.noarch.rpm"))
		if err != nil {
			t.Fatal(err)
		}
		if string(content) != string(all["x86_64"]["hello-doc-2-1.noarch.rpm"]) {
			t.Error("the package is not that of x86_64, the first arch of the tag")
		}
		if n := queuetest.Value[int](t, in.Pool, "select count(*) from rpms where build_id = $1 and arch = 'noarch'", build); n != 1 {
			t.Errorf("%d noarch packages are recorded, want 1", n)
		}
	})
}
