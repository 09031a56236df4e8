package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue/queuetest"
)

// said is what a command line came to.
type said struct {
	code           int
	stdout, stderr string
}

// call runs a command line on the installation, as another process would.
func (f *flow) call(tb testing.TB, args ...string) said {
	tb.Helper()
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	code := run(ctx, terminal{
		args:   append([]string{"--config", filepath.Join(f.server.Config.dir, "distbot.yaml")}, args...),
		stdin:  strings.NewReader(""),
		stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" },
	})
	if ctx.Err() != nil {
		tb.Fatalf("distbot %s does not end\n%s%s\n%s", strings.Join(args, " "), stdout.String(), stderr.String(), f.state(tb))
	}
	return said{code, stdout.String(), stderr.String()}
}

// want fails the test unless a command line ended with a code.
func (s said) want(tb testing.TB, code int) said {
	tb.Helper()
	if s.code != code {
		tb.Fatalf("exit code %d, want %d\n%s%s", s.code, code, s.stdout, s.stderr)
	}
	return s
}

// chain reads what --json says of a chain.
func (s said) chain(tb testing.TB) (view chainView) {
	tb.Helper()
	if err := json.Unmarshal([]byte(s.stdout), &view); err != nil {
		tb.Fatalf("%v\n%s", err, s.stdout)
	}
	return view
}

func TestChain(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 3)
	view := f.call(t, "build", "submit", "--chain", "pkg000", "rpms/pkg001#f37", ":", "git:rpms/pkg002", "--target", "f37", "--background", "--wait-repo", "--json").
		want(t, exitDone).chain(t)

	t.Run("builds each group when the repository of the build tag holds the one before", func(t *testing.T) {
		t.Parallel()
		var got []string
		for _, b := range view.Builds {
			got = append(got, strconv.Itoa(int(b.Group))+" "+b.Asked+" "+b.NVR+" "+b.State)
		}
		want := []string{"1 pkg000 pkg000-1-1 COMPLETE", "1 rpms/pkg001#f37 pkg001-1-1 COMPLETE", "2 git:rpms/pkg002 pkg002-1-1 COMPLETE"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		if view.State != "CLOSED" || view.Priority != 25 || view.Owner != "admin" {
			t.Errorf("the chain is %s with priority %d of %s, want CLOSED, 25, admin", view.State, view.Priority, view.Owner)
		}
		seen := queuetest.Value[int](t, f.pool, `select count(distinct gr.rpm_id) from builds b
			join repo_generations g on g.tag_id = b.build_tag and g.state <> 'building' and g.published_at <= b.created_at
				and g.number = (select max(number) from repo_generations x where x.tag_id = b.build_tag and x.published_at <= b.created_at)
			join generation_rpms gr on gr.generation_id = g.id where b.id = $1`, *view.Builds[2].Build)
		if seen != 4 {
			t.Errorf("the repository held %d packages when the second group began, want the 4 of the first", seen)
		}
	})
	t.Run("ends with --wait-repo when both repositories hold its builds", func(t *testing.T) {
		t.Parallel()
		left := queuetest.Value[int](t, f.pool, `select count(*) from builds b join chains c on true join tags bt on bt.id = b.build_tag join tags dt on dt.id = b.dest_tag
			where bt.built_rev < b.build_tag_rev or dt.built_rev < b.tagged_rev`)
		if left != 0 {
			t.Errorf("%d builds are not in the repositories", left)
		}
	})
	t.Run("is shown and listed", func(t *testing.T) {
		t.Parallel()
		id := strconv.FormatInt(view.ID, 10)
		if out := f.call(t, "build", "chain", "show", id).want(t, exitDone).stdout; !strings.Contains(out, "chain "+id+" of admin for f37 is CLOSED") ||
			!strings.Contains(out, "git:rpms/pkg002") {
			t.Errorf("chain show:\n%s", out)
		}
		if out := f.call(t, "build", "chain", "list", "--state", "CLOSED").want(t, exitDone).stdout; !strings.Contains(out, "2/2") {
			t.Errorf("chain list:\n%s", out)
		}
	})
}

// TestACommitIsBuiltOnce asks for a commit that a target has a build of.
func TestACommitIsBuiltOnce(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 2)
	f.call(t, "build", "submit", "pkg000", "--target", "f37", "--wait-repo").want(t, exitDone)
	const why = "pkg000: this commit was built for f37 already, as build 1 (pkg000-1-1): bump the release in a new commit, or build it with --scratch"
	for _, args := range [][]string{{"pkg000"}, {"rpms/pkg000#f37"}, {"--chain", "pkg001", ":", "pkg000"}} {
		s := f.call(t, append([]string{"build", "submit", "--target", "f37"}, args...)...).want(t, exitFailed)
		if want := strings.ReplaceAll(why, "pkg000: ", strings.Fields(args[len(args)-1])[0]+": "); !strings.Contains(s.stdout+s.stderr, want) {
			t.Errorf("build submit %s:\n%s%s\nwant %q", args, s.stdout, s.stderr, want)
		}
	}
	if n := queuetest.Value[int](t, f.pool, "select count(*) from builds"); n != 1 {
		t.Errorf("%d builds began, want the first alone", n)
	}
	if got := queuetest.Values[string](t, f.pool, "select distinct state from reports"); !cmp.Equal(got, []string{"success"}) {
		t.Errorf("the commit's statuses are %v, want success as before", got)
	}
	f.call(t, "build", "submit", "pkg000", "--target", "f37", "--scratch").want(t, exitDone)
}

// TestACommitIsBuiltOnceAtATime asks for a commit several times at once: first
// for its first build, then for the retry of one that was canceled.
func TestACommitIsBuiltOnceAtATime(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 1)
	release := f.driver.hold()
	defer release()
	thrice := func(args ...string) (all [3]said) {
		var group sync.WaitGroup
		for i := range all {
			group.Go(func() { all[i] = f.call(t, args...) })
		}
		group.Wait()
		return all
	}
	for _, s := range thrice("build", "submit", "pkg000", "--target", "f37", "--nowait") {
		s.want(t, exitDone)
	}
	f.wait(t, "one chain builds, the others have ended", "select count(*) filter (where state = 'OPEN') = 1 and count(*) filter (where state = 'FAILED') = 2 from chains")
	for _, reason := range queuetest.Values[string](t, f.pool, "select reason from chains where state = 'FAILED'") {
		if want := "nothing is built: pkg000: this commit is being built for f37 already, as build "; !strings.HasPrefix(reason, want) {
			t.Errorf("a chain ended with %q, want %q", reason, want)
		}
	}
	first := strconv.FormatInt(queuetest.Value[int64](t, f.pool, "select id from builds"), 10)
	f.call(t, "build", "cancel", first).want(t, exitDone)

	refused := 0
	for _, s := range thrice("build", "retry", first) {
		if s.code == exitDone {
			continue
		}
		refused++
		again := queuetest.Value[int64](t, f.pool, "select id from builds where state = 'BUILDING'")
		if want := fmt.Sprintf("build %s can't be retried: this commit is being built for f37 already, as build %d", first, again); !strings.Contains(s.stderr, want) {
			t.Errorf("a retry says %q, want %q", s.stderr, want)
		}
	}
	if refused != 2 {
		t.Errorf("%d of three retries were refused, want 2", refused)
	}
	release()
	f.wait(t, "the retry is published", "select exists (select from builds where retry_of is not null and published_at is not null)")
	f.wait(t, "the build is told as a success", "select state = 'success' from reports where context = 'distbot/f37'")
	if states := queuetest.Values[string](t, f.pool, "select state from builds order by id"); !cmp.Equal(states, []string{"CANCELED", "COMPLETE"}) {
		t.Errorf("the builds are %v, want CANCELED and COMPLETE", states)
	}
}

// TestChainEndsSoon measures from the switch of the repository to the moment at
// which the command that waits for it has ended.
func TestChainEndsSoon(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 1)
	f.call(t, "build", "submit", "pkg000", "--target", "f37", "--wait-repo").want(t, exitDone)
	ended := time.Now()
	switched := queuetest.Value[time.Time](t, f.pool, "select max(published_at) from repo_generations")
	t.Logf("%s from the newer switch to the end of the command", ended.Sub(switched))
	if ended.Before(switched) {
		t.Errorf("the command ended %s before the switch", switched.Sub(ended))
	}
}

func TestFailedChain(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 3)
	f.driver.mu.Lock()
	delete(f.driver.files, "pkg001-1-1.aarch64.rpm")
	f.driver.mu.Unlock()
	s := f.call(t, "build", "submit", "--chain", "pkg000", "pkg001", ":", "pkg002", "--target", "f37").want(t, exitFailed)

	t.Run("says which build failed", func(t *testing.T) {
		t.Parallel()
		if !strings.Contains(s.stdout, "pkg001-1-1, is FAILED: aarch64: the stub has no pkg001-1-1.aarch64.rpm") {
			t.Errorf("output:\n%s", s.stdout)
		}
	})
	t.Run("begins no other group", func(t *testing.T) {
		t.Parallel()
		if n := queuetest.Value[int](t, f.pool, "select count(*) from chain_builds where build_id is not null"); n != 2 {
			t.Errorf("%d builds began, want those of the first group", n)
		}
	})
	t.Run("can be gone on with: the architectures that failed are built anew", func(t *testing.T) {
		f.driver.add(t, "pkg001", "x86_64", "aarch64")
		t.Run("which reuses the rest", func(t *testing.T) { f.resume(t) })
	})
}

// resume retries the failed architecture of pkg001.
func (f *flow) resume(t *testing.T) {
	t.Helper()
	failed := queuetest.Value[int64](t, f.pool, "select id from builds where nvr = 'pkg001-1-1'")
	old := queuetest.Value[string](t, f.pool, "select id::text from tasks where build_id = $1 and method = 'buildSRPM'", failed)
	out := f.call(t, "build", "retry", strconv.FormatInt(failed, 10), "--failed-arches").want(t, exitDone).stdout
	f.wait(t, "the resumed build is published", "select exists (select from builds where nvr = 'pkg001-1-1' and published_at is not null)")
	if !strings.Contains(out, " for ") || !strings.Contains(out, "aarch64") {
		t.Errorf("retry says %q, want the architectures", out)
	}
	copied := queuetest.Value[string](t, f.pool, `select string_agg(copy_of::text, ' ') from tasks t join builds b on b.id = t.build_id
		where b.retry_of = $1 and t.method = 'buildSRPM'`, failed)
	if copied != old {
		t.Errorf("the source package is said to be of task %s, want %s", copied, old)
	}
	if n := queuetest.Value[int](t, f.pool, "select count(*) from rpms r join builds b on b.id = r.build_id where b.retry_of = $1", failed); n != 3 {
		t.Errorf("%d packages are imported, want a source package and two others", n)
	}
}

// TestACanceledLateArchitecture ends what a complete build still waits for, and
// lets it be built after all.
func TestACanceledLateArchitecture(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 1)
	queuetest.Exec(t, f.pool, "update build_targets set lagging = '{aarch64}'")
	release := f.driver.hold()
	defer release()
	f.driver.mu.Lock()
	f.driver.only = "aarch64"
	f.driver.mu.Unlock()
	f.call(t, "build", "submit", "pkg000", "--target", "f37", "--wait-repo").want(t, exitDone)
	f.wait(t, "aarch64 is being built", "select state = 'OPEN' from tasks where method = 'buildArch' and arch = 'aarch64'")
	const late = "select state from reports where context = 'distbot/f37/aarch64'"

	out := f.call(t, "build", "cancel", "1").want(t, exitDone).stdout
	if want := "build 1 stays COMPLETE: what lagged was ended\n"; out != want {
		t.Errorf("cancel says %q, want %q", out, want)
	}
	if got := queuetest.Value[string](t, f.pool, late); got != "error" {
		t.Errorf("the status of what was ended is %s, want error", got)
	}
	if s := f.call(t, "build", "retry", "1").want(t, exitFailed); !strings.Contains(s.stderr, "build 1 is COMPLETE: only a failed or canceled build can be retried") {
		t.Errorf("a retry of the whole build says %q", s.stderr)
	}

	release()
	again := f.call(t, "build", "retry", "1", "--failed-arches", "--json").want(t, exitDone).stdout
	var view retryView
	if err := json.Unmarshal([]byte(again), &view); err != nil {
		t.Fatal(err)
	}
	if view.ID != 1 || view.RetryOf != 1 || !cmp.Equal(view.Arches, []string{"aarch64"}) {
		t.Errorf("the retry is %+v, want aarch64 of build 1 itself", view)
	}
	f.wait(t, "aarch64 has joined the build", "select state = 'success' from reports where context = 'distbot/f37/aarch64'")
	if n := queuetest.Value[int](t, f.pool, "select count(*) from rpms where build_id = 1"); n != 3 {
		t.Errorf("the build has %d packages, want a source package and two others", n)
	}
	if n := queuetest.Value[int](t, f.pool, "select count(*) from builds"); n != 1 {
		t.Errorf("there are %d builds, want one", n)
	}
	s := f.call(t, "build", "retry", "1", "--failed-arches").want(t, exitFailed)
	if want := "of build 1 nothing can be built again: no lagging or best-effort arch of it failed"; !strings.Contains(s.stderr, want) {
		t.Errorf("a retry of what is there says %q, want %q", s.stderr, want)
	}
}

func TestScratchSubmission(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 1)
	f.call(t, "build", "submit", "pkg000", "--target", "f37", "--scratch", "--arch", "aarch64").want(t, exitDone)
	t.Run("builds for the architectures that were named", func(t *testing.T) {
		t.Parallel()
		got := queuetest.Values[string](t, f.pool, "select arch from tasks where method = 'buildArch'")
		if diff := cmp.Diff([]string{"aarch64"}, got); diff != "" {
			t.Errorf("architectures (-want +got):\n%s", diff)
		}
	})
	t.Run("is marked in lists", func(t *testing.T) {
		t.Parallel()
		for _, command := range []string{"build list", "build show 1", "build chain list", "build chain show 1"} {
			if out := f.call(t, strings.Fields(command)...).want(t, exitDone).stdout; !strings.Contains(out, "(scratch)") {
				t.Errorf("%s does not mark it:\n%s", command, out)
			}
			if out := f.call(t, append(strings.Fields(command), "--json")...).want(t, exitDone).stdout; !strings.Contains(out, `"scratch": true`) {
				t.Errorf("%s --json does not mark it:\n%s", command, out)
			}
		}
	})
	t.Run("tells the forge nothing and tags nothing", func(t *testing.T) {
		t.Parallel()
		if n := queuetest.Value[int](t, f.pool, "select (select count(*) from reports) + (select count(*) from tag_builds)"); n != 0 {
			t.Errorf("%d reports and taggings, want none", n)
		}
	})
}

func TestRefusedSubmissions(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 1)
	f.call(t, "tag", "add", "elsewhere", "--arches", "x86_64").want(t, exitDone)
	f.call(t, "target", "add", "apart", "f37-build", "elsewhere", "--branch", "f37").want(t, exitDone)
	f.call(t, "user", "add", "bob").want(t, exitDone)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"A target that is not there", []string{"pkg000", "--target", "f99"}, "there is no target f99"},
		{"A chain whose groups could not see one another", []string{"--chain", "pkg000", ":", "pkg001", "--target", "apart"}, "does not inherit"},
		{"A package nobody knows", []string{"nobody", "--target", "f37"}, "no repository nobody is known"},
		{"A branch that is not there", []string{"pkg000#f38", "--target", "f37"}, "no branch f38"},
		{"A commit that is not there", []string{"pkg000#" + strings.Repeat("1", 40), "--target", "f37"}, "no commit 1111"},
		{"A package named twice", []string{"pkg000", "pkg000#f37", "--target", "f37"}, "pkg000 is named twice"},
		{"A hostile name", []string{"../../etc", "--target", "f37"}, "neither a package nor a repository"},
		{"An architecture the tag lacks", []string{"pkg000", "--target", "f37", "--scratch", "--arch", "s390x"}, "does not build for s390x"},
		{"A priority chosen by somebody who is no admin", []string{"pkg000", "--target", "f37", "--priority", "1", "--as", "bob"}, "by admins only"},
		{"A user who is not there", []string{"pkg000", "--target", "f37", "--as", "eve"}, "no such user"},
		{"A package that the destination does not list", []string{"pkg000", "--target", "apart"}, "not listed in tag elsewhere"},
	} {
		t.Run(c.name+" is refused in words, and nothing is built", func(t *testing.T) {
			t.Parallel()
			s := f.call(t, append([]string{"build", "submit"}, c.args...)...).want(t, exitFailed)
			if !strings.Contains(s.stdout+s.stderr, c.want) {
				t.Errorf("output:\n%s%s\nwant %q", s.stdout, s.stderr, c.want)
			}
			if n := queuetest.Value[int](t, f.pool, "select count(*) from builds"); n != 0 {
				t.Errorf("%d builds began", n)
			}
		})
	}
}

// TestChainOutlivesTheHub stops the server between two groups of a chain.
func TestChainOutlivesTheHub(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 2)
	release := f.driver.hold()
	f.call(t, "build", "submit", "--chain", "pkg000", ":", "pkg001", "--target", "f37", "--nowait").want(t, exitDone)
	f.wait(t, "the first group is being built", "select exists (select from tasks where method = 'buildArch' and state = 'OPEN')")
	f.close(t)
	release()
	if s := f.call(t, "build", "submit", "pkg001", "--target", "f37").want(t, exitFailed); !strings.Contains(s.stderr, "no distbot serve is alive") {
		t.Errorf("without a hub: %q, want it said", s.stderr)
	}
	f.serve(t, f.server.Config, f.server.Logger)
	f.call(t, "build", "chain", "watch", "1").want(t, exitDone)
}

func TestCanceledChain(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 2)
	release := f.driver.hold()
	defer release()
	f.call(t, "build", "submit", "--chain", "pkg000", ":", "pkg001", "--target", "f37", "--nowait").want(t, exitDone)
	f.wait(t, "the first group is being built", "select exists (select from tasks where method = 'buildArch' and state = 'OPEN')")
	f.call(t, "build", "chain", "cancel", "1").want(t, exitDone)
	f.wait(t, "its build is canceled", "select count(*) = 1 from builds where state = 'CANCELED'")
	f.call(t, "build", "chain", "cancel", "1").want(t, exitFailed)
	f.wait(t, "the chain stays canceled after its build told of its end", `select c.state = 'CANCELED' and not exists
		(select from river_job where kind = 'distgit.chain' and state <> 'completed') from chains c`)
}

func TestSideTag(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 2)
	for _, name := range []string{"bob", "eve"} {
		f.call(t, "user", "add", name).want(t, exitDone)
	}
	f.call(t, "tag", "side-add", "f37-build", "--as", "bob").want(t, exitDone)
	name := queuetest.Value[string](t, f.pool, "select name from tags where name like 'f37-build-side-%'")
	f.call(t, "build", "submit", "--chain", "pkg000", ":", "pkg001", "--target", name, "--wait-repo", "--as", "bob").want(t, exitDone)

	if got := queuetest.Values[string](t, f.pool, `select b.nvr from tag_builds tb join tags t on t.id = tb.tag_id join builds b on b.id = tb.build_id
		where t.name = $1 and tb.revoke_event is null order by 1`, name); !cmp.Equal(got, []string{"pkg000-1-1", "pkg001-1-1"}) {
		t.Errorf("builds in the side tag: %v, want both", got)
	}
	if n := queuetest.Value[int](t, f.pool, "select count(*) from tag_builds tb join tags t on t.id = tb.tag_id where t.name = 'f37'"); n != 0 {
		t.Errorf("%d builds are in the base", n)
	}
	if s := f.call(t, "tag", "side-remove", name, "--as", "eve").want(t, exitFailed); !strings.Contains(s.stderr, "belongs to bob") {
		t.Errorf("removed by somebody else: %q", s.stderr)
	}
	f.call(t, "tag", "side-remove", name, "--as", "bob").want(t, exitDone)
	if s := f.call(t, "build", "submit", "pkg000", "--target", name).want(t, exitFailed); !strings.Contains(s.stderr, "there is no target "+name) {
		t.Errorf("a submission into the removed tag: %q", s.stderr)
	}
}
