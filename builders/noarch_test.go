package builders_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

const manualFile = "hello-doc-1-1.noarch.rpm"

// manual makes the noarch package of commit 1 with one file.
func manual(tb testing.TB, content string, mode uint) []byte {
	tb.Helper()
	return rpmtest.Pack(tb, rpmpack.RPMMetaData{Name: "hello-doc", Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
		r.AddCustomTag(tagSourceRPM, rpmpack.EntryString("hello-1-1.src.rpm"))
		r.AddFile(rpmpack.RPMFile{Name: "/usr/share/hello", Body: []byte(content), Mode: mode})
	})
}

// manuals is what building commit 1 leaves, with a noarch package of each
// architecture.
func (in *installation) manuals(tb testing.TB, by map[string][]byte) stage {
	tb.Helper()
	all := in.packagesOf(tb, 1)
	for arch, pkg := range by {
		all[arch][manualFile] = pkg
	}
	return leaveByArch(all)
}

func (in *installation) warnings(tb testing.TB) []string {
	tb.Helper()
	return queuetest.Values[string](tb, in.Pool, "select text from build_warnings order by id")
}

func TestNoarchPackagesOfSeveralArches(t *testing.T) {
	t.Parallel()
	const differ = "hello-doc.noarch was built differently on x86_64 and aarch64: /usr/share/hello mode 0644 / 0755"

	t.Run("that differ fail the build and say in what", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "aarch64")
		in.work(t)
		row := in.failed(t, in.build(t, 1, script{build: in.manuals(t, map[string][]byte{
			"x86_64": manual(t, "page", 0o644), "aarch64": manual(t, "page", 0o755),
		})}), differ)
		if row.Phase != "verify" {
			t.Errorf("the phase is %s, want verify", row.Phase)
		}
		in.idle(t)
		if diff := cmp.Diff("f37 failure\nf37/aarch64 success\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if _, err := os.Stat(in.storePath("packages")); !os.IsNotExist(err) {
			t.Errorf("packages were placed: %v", err)
		}
	})

	t.Run("fail scratch builds alike", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "aarch64")
		in.work(t)
		in.failed(t, in.scratch(t, 1, script{build: in.manuals(t, map[string][]byte{
			"x86_64": manual(t, "page", 0o644), "aarch64": manual(t, "page", 0o755),
		})}), differ)
	})

	t.Run("whose content differs are a warning that names the files", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "aarch64", "riscv64")
		in.work(t)
		in.complete(t, in.scratch(t, 1, script{build: in.manuals(t, map[string][]byte{
			"x86_64": manual(t, "x86_64", 0o644), "aarch64": manual(t, "aarch64", 0o644), "riscv64": manual(t, "x86_64", 0o644),
		})}))
		want := []string{"hello-doc.noarch has other content on aarch64 than on x86_64, whose copy is published: content of /usr/share/hello"}
		if diff := cmp.Diff(want, in.warnings(t)); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("hello-1-1 builds (scratch), with 1 warning", in.description(t, 1, "")); diff != "" {
			t.Errorf("description (-want +got):\n%s", diff)
		}
	})

	t.Run("whose content differs fail the build of a target that wants it so", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "aarch64")
		in.target(t, policies{noarchContent: "fail"})
		in.work(t)
		in.failed(t, in.build(t, 1, script{build: in.manuals(t, map[string][]byte{
			"x86_64": manual(t, "x86_64", 0o644), "aarch64": manual(t, "aarch64", 0o644),
		})}), "hello-doc.noarch was built differently on x86_64 and aarch64, in content: content of /usr/share/hello")
		if got := in.warnings(t); len(got) > 0 {
			t.Errorf("there are warnings as well: %q", got)
		}
	})

	t.Run("are published as the blocking arch made them, though a lagging one comes first and was faster", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "riscv64", "x86_64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		in.work(t)
		all := in.manuals(t, map[string][]byte{"x86_64": manual(t, "x86_64", 0o644), "riscv64": manual(t, "riscv64", 0o644)})
		x86 := newGate(all)
		build := in.build(t, 1, script{build: all.on("x86_64", x86.pass)})
		queuetest.WaitRow(t, in.Pool, "riscv64 is done", "select exists (select from tasks where arch = 'riscv64' and state = 'CLOSED')")
		close(x86.open)
		in.complete(t, build)
		got, err := os.ReadFile(in.storePath("packages/hello/1/1/noarch/" + manualFile))
		if err != nil || string(got) != string(manual(t, "x86_64", 0o644)) {
			t.Errorf("the published package is not that of x86_64: %v", err)
		}
		if got := in.warnings(t); len(got) != 1 || !strings.HasPrefix(got[0], "hello-doc.noarch has other content on riscv64 than on x86_64") {
			t.Errorf("warnings are %q", got)
		}
	})

	t.Run("that a lagging arch makes differently fail it alone, early or late", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "riscv64")
		in.target(t, policies{lagging: []string{"riscv64"}})
		in.work(t)
		all := in.manuals(t, map[string][]byte{"x86_64": manual(t, "page", 0o644), "riscv64": manual(t, "page", 0o755)})
		riscv := newGate(all)
		late := in.build(t, 1, script{build: all.on("riscv64", riscv.pass)})
		in.complete(t, late)
		close(riscv.open)
		in.idle(t)
		x86 := newGate(all)
		in.set(t, 1, script{build: all.on("x86_64", x86.pass)})
		b := in.NewBuild(1)
		b.Scratch = true
		early := in.Start(t, b)
		queuetest.WaitRow(t, in.Pool, "riscv64 is done", "select exists (select from tasks where build_id = $1 and arch = 'riscv64' and state = 'CLOSED')", early)
		close(x86.open)
		in.complete(t, early)
		const want = "failure: lagging: hello-doc.noarch was built differently on x86_64 and riscv64: /usr/share/hello mode 0644 / 0755"
		texts := queuetest.Values[string](t, in.Pool, "select state || ': ' || description from history where context = 'distbot/f37/riscv64' and state <> 'pending'")
		if diff := cmp.Diff([]string{want, want}, texts); diff != "" {
			t.Errorf("statuses of riscv64 (-want +got):\n%s", diff)
		}
		for _, build := range []int64{late, early} {
			if diff := cmp.Diff(manualFile+"\nhello-1-1.src.rpm\nhello-1-1.x86_64.rpm", in.packages(t, build)); diff != "" {
				t.Errorf("packages of build %d (-want +got):\n%s", build, diff)
			}
			task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "riscv64")
			if task.State != queue.TaskFailed || task.Phase != "verify" {
				t.Errorf("the task of build %d is %s in phase %s, want FAILED in verify", build, task.State, task.Phase)
			}
		}
	})
}

func TestThePlannersGuess(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.work(t)
	in.complete(t, in.build(t, 1, script{}))
	in.complete(t, in.build(t, 2, script{}))
	for build, want := range map[int64]bool{1: false, 2: true} {
		task := queuetest.Task(t, in.Pool, build, queue.MethodBuildSRPM, "")
		log, err := os.ReadFile(in.stages.Logs.Dir(task.ID, task.Attempt) + "/checkout.log")
		if err != nil {
			t.Fatal(err)
		}
		const note = "the spec was read as hello-1-1 without running it, the source package is hello-2-1\n"
		if got := strings.Contains(string(log), note); got != want {
			t.Errorf("that the guess was wrong stands in the log of build %d: %t, want %t:\n%s", build, got, want, log)
		}
	}
}
