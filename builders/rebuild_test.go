package builders_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/reproduce"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// holding is a stage that leaves files and says that its buildroot held these
// packages. It keeps the recipes it was given.
type holding struct {
	installed []builders.Installed
	files     func(try int) files

	mu      sync.Mutex
	recipes []builders.Recipe
}

// stage is the stage.
func (h *holding) stage(_ context.Context, order builders.Order, _ string) (builders.Outcome, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recipes = append(h.recipes, order.Root)
	outcome, err := h.files(len(h.recipes)).write(order)
	outcome.Installed = h.installed
	return outcome, err
}

// installedOf is a package as a buildroot lists it.
func installedOf(tb testing.TB, data []byte, repo, sum string) builders.Installed {
	tb.Helper()
	pkg, err := rpmfile.Read(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	return builders.Installed{NEVRA: pkg.NEVRA.String(), Digest: pkg.HeaderSHA256, Repo: repo, SHA256: sum}
}

// rebuild makes a build again and returns what came of it.
func (in *installation) rebuild(tb testing.TB, build int64, arches ...string) (db.Rebuild, reproduce.Result) {
	tb.Helper()
	jobs := queuetest.Inserter(tb, in.Pool)
	var id int64
	queuetest.Tx(tb, in.Pool, func(tx pgx.Tx) (err error) {
		id, err = db.New(tx).InsertRebuild(context.Background(), db.InsertRebuildParams{OriginalID: build, Arches: append([]string{}, arches...), Owner: "admin"})
		if err != nil {
			return err
		}
		_, err = queue.Insert(context.Background(), tx, jobs, queue.RebuildArgs{RebuildID: id})
		return err
	})
	var row db.Rebuild
	queuetest.Wait(tb, "the rebuild ends", func() (bool, string) {
		in.hurry(tb)
		var err error
		if row, err = db.New(in.Pool).GetRebuild(context.Background(), id); err != nil {
			tb.Fatal(err)
		}
		return row.FinishedAt != nil, row.State + " " + row.Reason
	})
	var result reproduce.Result
	if row.Result != nil {
		if err := json.Unmarshal(row.Result, &result); err != nil {
			tb.Fatal(err)
		}
	}
	queuetest.Wait(tb, "its repositories are removed", func() (bool, string) {
		left, err := os.ReadDir(filepath.Join(in.stages.ReposDir, ".rebuilds"))
		return len(left) == 0, fmt.Sprint(left, err)
	})
	return row, result
}

func TestRebuild(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64", "aarch64")
	in.work(t)
	in.complete(t, in.build(t, 1, script{}))
	own := installedOf(t, in.packagesOf(t, 1)["x86_64"]["hello-1-1.x86_64.rpm"], "", "")
	made := in.packagesOf(t, 2)
	x86 := &holding{installed: []builders.Installed{own}, files: func(int) files { return made["x86_64"] }}
	build := in.build(t, 2, script{build: leaveByArch(made).on("x86_64", x86.stage)})
	in.complete(t, build)
	queuetest.Exec(t, in.Pool, "update tags set extra = '{\"rpm.macro.dist\": \".changed\"}' where id = $1", in.BuildTag)
	statuses := in.Statuses(t, 2)
	row, result := in.rebuild(t, build, "x86_64")

	t.Run("in the same buildroot gives the same bytes", func(t *testing.T) {
		t.Parallel()
		if row.State != queue.TaskClosed || row.Verdict != "identical" {
			t.Errorf("the rebuild is %s, %q (%s), want CLOSED, identical", row.State, row.Verdict, row.Reason)
		}
		if len(result.Packages) != 1 || result.Packages[0].Name != "hello-2-1.x86_64.rpm" || !result.Packages[0].Identical() || len(result.Roots) > 0 {
			t.Errorf("result: %+v", result)
		}
	})
	t.Run("has one repository of exactly the recorded packages, and the macros of then", func(t *testing.T) {
		t.Parallel()
		x86.mu.Lock()
		defer x86.mu.Unlock()
		recipe := x86.recipes[1]
		if diff := cmp.Diff([]string{own.NEVRA}, recipe.Install); diff != "" {
			t.Errorf("packages (-want +got):\n%s", diff)
		}
		if len(recipe.Repos) != 1 || !strings.HasSuffix(recipe.Repos[0].URL, "/.rebuilds/1/x86_64") {
			t.Errorf("repositories: %+v", recipe.Repos)
		}
		if diff := cmp.Diff(x86.recipes[0].Macros, recipe.Macros); diff != "" {
			t.Errorf("macros (-before +now):\n%s", diff)
		}
	})
	t.Run("is a scratch build that tells the forge nothing", func(t *testing.T) {
		t.Parallel()
		if diff := cmp.Diff(statuses, in.Statuses(t, 2)); diff != "" {
			t.Errorf("statuses (-before +after):\n%s", diff)
		}
		got := in.tasks(t, *row.BuildID)
		if diff := cmp.Diff("build CLOSED\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED", got); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
	})
}

func TestRebuildThatDiffers(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.work(t)
	in.complete(t, in.build(t, 1, script{}))
	own := installedOf(t, in.packagesOf(t, 1)["x86_64"]["hello-1-1.x86_64.rpm"], "", "")
	h := &holding{installed: []builders.Installed{own}, files: func(try int) files {
		return files{"hello-2-1.x86_64.rpm": hello(t, 2, "x86_64", append(program("x86_64"), byte(try)))}
	}}
	build := in.build(t, 2, script{build: h.stage})
	in.complete(t, build)
	row, result := in.rebuild(t, build)
	if row.State != queue.TaskClosed || row.Verdict != "different" {
		t.Fatalf("the rebuild is %s, %q (%s), want CLOSED, different", row.State, row.Verdict, row.Reason)
	}
	d := result.Packages[0].Difference
	if d == nil || len(d.Files) != 1 || d.Files[0].Path != "/usr/bin/hello" || d.Files[0].What != "content" || d.Payload == nil {
		t.Errorf("difference: %+v, want the content of /usr/bin/hello and the payload", d)
	}
}

func TestRebuildThatFails(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.work(t)
	in.complete(t, in.build(t, 1, script{}))
	own := installedOf(t, in.packagesOf(t, 1)["x86_64"]["hello-1-1.x86_64.rpm"], "", "")
	h := &holding{installed: []builders.Installed{own}, files: func(try int) files {
		if try > 1 {
			return files{"notes.txt": nil}
		}
		return in.packagesOf(t, 2)["x86_64"]
	}}
	build := in.build(t, 2, script{build: h.stage})
	in.complete(t, build)
	if row, _ := in.rebuild(t, build); row.State != queue.TaskFailed || !strings.Contains(row.Reason, "notes.txt") {
		t.Errorf("the rebuild is %s: %s, want FAILED with the reason of its build", row.State, row.Reason)
	}
	if row, _ := in.rebuild(t, build, "s390x"); row.State != queue.TaskFailed || !strings.Contains(row.Reason, "was not built for s390x") {
		t.Errorf("for another architecture it is %s: %s, want FAILED", row.State, row.Reason)
	}
}

// TestRebuildFromExternalRepositories builds with packages of a repository on
// the network, which loses some of them.
func TestRebuildFromExternalRepositories(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.work(t)
	dir := t.TempDir()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	var installed []builders.Installed
	var entries []repomd.Entry
	for _, name := range []string{"bash", "glibc"} {
		data := packBinary(t, name, "5", "x86_64", name+"-5-1.src.rpm", []byte(name))
		entry := external(t, dir, name+"-5-1.x86_64.rpm", data)
		entries = append(entries, entry)
		installed = append(installed, installedOf(t, data, "base", entry.SHA256))
	}
	external := func(entries []repomd.Entry) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(dir, "repodata")); err != nil {
			t.Fatal(err)
		}
		_, err := repomd.Write(t.Context(), dir, len(entries), func(yield func(repomd.Entry, error) bool) {
			for _, entry := range entries {
				if !yield(entry, nil) {
					return
				}
			}
		}, repomd.Options{Revision: "1"})
		if err != nil {
			t.Fatal(err)
		}
	}
	external(entries)
	queuetest.Exec(t, in.Pool, `with e as (insert into events (actor, what) values ('test', 'external') returning id)
		insert into tag_external_repos (tag_id, name, url, priority, create_event) select $1, 'base', $2, 10, id from e`, in.BuildTag, server.URL)
	h := &holding{installed: installed, files: func(int) files { return in.packagesOf(t, 1)["x86_64"] }}
	build := in.build(t, 1, script{build: h.stage})
	in.complete(t, build)

	if row, _ := in.rebuild(t, build); row.Verdict != "identical" {
		t.Errorf("with all packages at hand it is %s, %q: %s", row.State, row.Verdict, row.Reason)
	}
	external(entries[:1])
	row, result := in.rebuild(t, build)
	want := []reproduce.Missing{{Arch: "x86_64", NEVRA: "glibc-5-1.x86_64", Repo: "base", Reason: "base does not have it any more"}}
	if diff := cmp.Diff(want, result.Missing); diff != "" || row.State != queue.TaskFailed {
		t.Errorf("%s; missing (-want +got):\n%s", row.State, diff)
	}
	server.Close()
	if _, result := in.rebuild(t, build); len(result.Missing) != 2 || !strings.Contains(result.Missing[0].Reason, "base can't be read: ") ||
		strings.Contains(result.Missing[0].Reason, server.URL) {
		t.Errorf("without the repository, missing: %+v, want both with the reason and without the URL", result.Missing)
	}
}

// external puts a package into a repository's directory and describes it.
func external(tb testing.TB, dir, name string, data []byte) repomd.Entry {
	tb.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		tb.Fatal(err)
	}
	pkg, sum, err := rpmfile.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	fragments, err := repomd.Render(pkg, repomd.File{Href: name, SHA256: sum.SHA256, Size: sum.Size})
	if err != nil {
		tb.Fatal(err)
	}
	return repomd.Entry{NEVRA: pkg.NEVRA, SHA256: sum.SHA256, Fragments: fragments}
}
