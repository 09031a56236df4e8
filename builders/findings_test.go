package builders_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// keptFinding reads what is kept with a task.
func (in *installation) keptFinding(t *testing.T, task int64) diagnosis.Finding {
	t.Helper()
	var finding diagnosis.Finding
	text := queuetest.Value[string](t, in.Pool, "select coalesce(finding::text, 'null') from tasks where id = $1", task)
	if err := json.Unmarshal([]byte(text), &finding); err != nil {
		t.Fatal(err)
	}
	return finding
}

func TestFindingsAreKept(t *testing.T) {
	t.Parallel()

	t.Run("with what comes close to what is missing", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.stages.Nearest = builders.NewNearest()
		t.Cleanup(in.stages.Nearest.Close)
		var provides rpmpack.Relations
		if err := provides.Set("pkgconfig(greet) = 1.2"); err != nil {
			t.Fatal(err)
		}
		repo := drivertest.Repository(t, "f37-build", map[string][]byte{
			"greet-devel-1.2-1.noarch.rpm": rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "greet-devel", Version: "1.2", Release: "1", Arch: "noarch", Provides: provides}, nil),
		})
		dir := filepath.Join(in.stages.ReposDir, "f37-build", "1", "x86_64")
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		if err := drivertest.LinkTree(strings.TrimPrefix(repo.URL, "file://"), dir); err != nil {
			t.Fatal(err)
		}
		// Nobody answers there, and nobody is asked.
		queuetest.Exec(t, in.Pool, "insert into tag_external_repos (tag_id, name, url, priority, create_event) values ($1, 'fedora', 'http://192.0.2.1/$arch', 10, 1)", in.BuildTag)
		in.work(t)
		found := diagnosis.Finding{
			Phase: diagnosis.PhaseBuildroot, Kind: diagnosis.KindMissingRequires, Reason: "nothing provides pkgconfig(greet) >= 3", LogFile: "root.log", Line: 12,
			Excerpt: []string{"No matching package to install: 'pkgconfig(greet) >= 3'"}, Object: "pkgconfig(greet) >= 3",
			Missing: []diagnosis.Requirement{{Text: "pkgconfig(greet) >= 3"}}, SpecLine: 9,
		}
		build := in.build(t, 1, script{build: fail(builders.Diagnosed(found, diagnosis.Exit{Code: 1}))})
		const near = "pkgconfig(greet) 1.2 is there (greet-devel-1.2-1.noarch), >= 3 is needed"
		in.failed(t, build, "x86_64: "+found.Reason+": "+near)
		task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64")
		found.Reason += ": " + near
		found.Missing[0].Nearest, found.NotSearched = []string{near}, []string{"fedora"}
		if diff := cmp.Diff(found, in.keptFinding(t, task.ID)); diff != "" {
			t.Errorf("finding (-want +got)\n%s", diff)
		}
		status := queuetest.Value[string](t, in.Pool, "select description from reports where context = $1", queue.ContextOf("f37", "x86_64"))
		if status != found.Reason {
			t.Errorf("the status says %q, want %q", status, found.Reason)
		}
	})

	t.Run("with what nobody could look at", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.stages.Nearest = builders.NewNearest()
		t.Cleanup(in.stages.Nearest.Close)
		in.work(t)
		found := diagnosis.Finding{
			Phase: diagnosis.PhaseBuildroot, Kind: diagnosis.KindMissingRequires, Reason: "nothing provides greet",
			Missing: []diagnosis.Requirement{{Text: "greet"}}, NotSearched: []string{"what a host says"},
		}
		// The repository of the build tag has no metadata.
		build := in.build(t, 1, script{build: fail(builders.Diagnosed(found, diagnosis.Exit{Code: 1}))})
		in.failed(t, build, "x86_64: nothing provides greet")
		found.NotSearched = []string{"f37-build"}
		if diff := cmp.Diff(found, in.keptFinding(t, queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64").ID)); diff != "" {
			t.Errorf("finding (-want +got)\n%s", diff)
		}
	})

	t.Run("of the sources", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		build := in.build(t, 1, script{sources: func(context.Context) error { return lastingError{} }})
		in.failed(t, build, "hello-1.tar.gz: SHA512 mismatch")
		got := in.keptFinding(t, queuetest.Task(t, in.Pool, build, queue.MethodBuildSRPM, "").ID)
		want := diagnosis.Finding{
			Phase: diagnosis.PhaseSources, Kind: diagnosis.KindBadSource, Reason: "hello-1.tar.gz: SHA512 mismatch", LogFile: "checkout.log", Line: 1,
			Excerpt: []string{"hello-1.tar.gz: SHA512 mismatch"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("finding (-want +got)\n%s", diff)
		}
	})

	t.Run("of attempts that are made again, and bounded", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		tries := 0
		hostile := diagnosis.Finding{
			Phase: "lunch", Kind: "surprise", Reason: "no\x00\xff luck", LogFile: "/etc/passwd", Line: 1,
			Excerpt: []string{"\x00" + strings.Repeat("x", 1<<20)}, Unpackaged: make([]string, 1<<16),
		}
		build := in.build(t, 1, script{build: func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			if tries++; tries == 1 {
				return builders.Outcome{}, &builders.Failure{Phase: builders.PhaseBuild, Infrastructure: true, Reason: "no\x00 luck", Finding: &hostile}
			}
			return leaveByArch(in.packagesOf(t, 1))(ctx, order, arch)
		}})
		in.complete(t, build)
		var kept diagnosis.Finding
		text := queuetest.Value[string](t, in.Pool, "select finding::text from task_attempts where attempt = 1")
		if err := json.Unmarshal([]byte(text), &kept); err != nil {
			t.Fatal(err)
		}
		if kept.Kind != diagnosis.KindCommandFailed || kept.Phase != diagnosis.PhaseBuild || !kept.Infrastructure || kept.LogFile != "" || len(text) > diagnosis.MaxJSON {
			t.Errorf("the attempt's finding is %.300s", text)
		}
		task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64")
		if diff := cmp.Diff(diagnosis.Finding{}, in.keptFinding(t, task.ID)); diff != "" {
			t.Errorf("a task that succeeded has a finding (-want +got)\n%s", diff)
		}
	})
}

// lastingError is an error that another try does not cure.
type lastingError struct{}

func (lastingError) Error() string   { return "hello-1.tar.gz: SHA512 mismatch" }
func (lastingError) Temporary() bool { return false }

// TestNearestKeepsUpWithRepositories asks about a directory whose content
// changes.
func TestNearestKeepsUpWithRepositories(t *testing.T) {
	t.Parallel()
	nearest := builders.NewNearest()
	t.Cleanup(nearest.Close)
	dir := filepath.Join(t.TempDir(), "repo")
	for _, version := range []string{"1.2", "1.4", "1.5", "1.5"} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		repo := drivertest.Repository(t, "any", map[string][]byte{
			"greet-" + version + "-1.noarch.rpm": rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "greet", Version: version, Release: "1", Arch: "noarch"}, nil),
		})
		if err := drivertest.LinkTree(strings.TrimPrefix(repo.URL, "file://"), dir); err != nil {
			t.Fatal(err)
		}
		var got []string
		err := nearest.Use(t.Context(), "x86_64", []string{dir}, func(providers diagnosis.Providers) (err error) {
			got, err = providers.Nearest(t.Context(), "greet >= 3")
			return err
		})
		if diff := cmp.Diff([]string{"greet " + version + "-1 is there, >= 3 is needed"}, got); diff != "" || err != nil {
			t.Errorf("nearest (-want +got)\n%s%v", diff, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := nearest.Use(ctx, "aarch64", []string{dir}, func(diagnosis.Providers) error { return nil }); err == nil {
		t.Error("no error of a canceled context")
	}
	if err := nearest.Use(t.Context(), "x86_64", []string{filepath.Join(dir, "nowhere")}, nil); err == nil {
		t.Error("no error of a directory that is not there")
	}
}
