package distgit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/distbot/distbot/forge/plaingit"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestPlanPush(t *testing.T) {
	t.Parallel()

	t.Run("builds for the target of the branch", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f37")
		delivery := h.pushed(o, "refs/heads/f37", commit)
		if got := h.planned(delivery); got != "planned: build 1 for f37" {
			t.Errorf("the delivery is %s", got)
		}
		if diff := cmp.Diff([]string{"f37 " + commit[:7] + " BUILDING"}, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"distbot/f37 pending: build 1 is queued", "distbot/f37/srpm pending: waiting for a builder"}, h.statuses(commit)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		got := queuetest.Value[string](t, h.pool, `select planned_nvr || ' ' || spec || ' ' || ref || ' ' || to_char(committed_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS') from builds`)
		if got != "hello-1.0-1.fc37 hello.spec refs/heads/f37 2023-01-02 03:04:05" {
			t.Errorf("the build is of %s", got)
		}
		if got := queuetest.Value[string](t, h.pool, "select outcome || ' ' || build_id || ' ' || delivery_id from planned_pushes"); got != fmt.Sprintf("build 1 %d", delivery) {
			t.Errorf("the push was planned as %s", got)
		}
		if n := queuetest.Value[int](t, h.pool, "select count(*) from tasks where method = 'buildSRPM' and state = 'FREE'"); n != 1 {
			t.Errorf("%d source packages are asked for, want 1", n)
		}
	})

	t.Run("builds for each of two targets", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("rawhide")
		if got := h.planned(h.pushed(o, "refs/heads/rawhide", commit)); got != "planned: build 1 for f38; build 2 for next" {
			t.Errorf("the delivery is %s", got)
		}
		if diff := cmp.Diff([]string{"f38 " + commit[:7] + " BUILDING", "next " + commit[:7] + " BUILDING"}, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
	})

	t.Run("builds once however often and at whatever time it is delivered", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f37")
		var deliveries []int64
		for range 8 {
			delivery := h.pushed(o, "refs/heads/f37", commit)
			deliveries = append(deliveries, delivery)
			h.enqueue(delivery)
			h.enqueue(delivery) // a job may run twice
		}
		results := map[string]int{}
		for _, delivery := range deliveries {
			results[h.over(delivery)]++
		}
		if diff := cmp.Diff(map[string]int{"planned: build 1 for f37": 1, "planned: planned before, as build 1": 7}, results); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
		if n := len(h.builds()); n != 1 {
			t.Errorf("%d builds, want 1", n)
		}
	})

	for name, test := range map[string]struct{ ref, want string }{
		"to a branch without target is an error that names the branches": {"refs/heads/f36", "planned: refused: no target builds branch f36; targets exist for f37, rawhide"},
		"to an ignored branch is nothing":                                {"refs/heads/private-ann", "planned: no target builds branch private-ann"},
		"to a branch below an ignored one is nothing":                    {"refs/heads/wip/ann/deep", "planned: no target builds branch wip/ann/deep"},
		"to a branch that an ignored one begins like is an error":        {"refs/heads/wipe", "planned: refused: no target builds branch wipe; targets exist for f37, rawhide"},
		"to a branch below one with a glob of one level is an error":     {"refs/heads/private-ann/x", "planned: refused: no target builds branch private-ann/x; targets exist for f37, rawhide"},
		"of a tag is nothing":                                            {"refs/tags/v1", "ignored: the ref is not a branch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.work()
			o, commit := h.hello("f37")
			for i := range 2 {
				got := h.planned(h.pushed(o, test.ref, commit))
				if i == 1 {
					got = strings.Replace(got, "refused before", "refused", 1)
				}
				if got != test.want {
					t.Errorf("the delivery is %q, want %q", got, test.want)
				}
			}
			var want []string
			if _, refused, ok := strings.Cut(test.want, "refused: "); ok {
				want = []string{"distbot/" + strings.TrimPrefix(test.ref, "refs/heads/") + " error: " + refused}
			}
			if diff := cmp.Diff(want, h.statuses(commit), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if len(h.builds()) != 0 {
				t.Errorf("builds %v, want none", h.builds())
			}
		})
	}

	t.Run("that deletes a branch builds nothing", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f37")
		delivery := h.received(plaingit.EventPush, o.id, map[string]string{
			"repository": o.id, "ref": "refs/heads/f37", "before": commit, "after": strings.Repeat("0", 40), "pusher": "ann",
		})
		if got := h.planned(delivery); got != "planned: a branch was deleted: nothing to build" {
			t.Errorf("the delivery is %s", got)
		}
	})

	t.Run("to a module repository builds nothing", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o := h.repository("modules/hello")
		commit := o.change("hello.yaml", "document: modulemd\n", "refs/heads/f37")
		if got := h.planned(h.pushed(o, "refs/heads/f37", commit)); got != "planned: module repositories are not built from pushes" {
			t.Errorf("the delivery is %s", got)
		}
		if got := h.statuses(commit); len(got) > 0 {
			t.Errorf("statuses %q, want none", got)
		}
	})
}

func TestPlanJudgesTheTree(t *testing.T) {
	t.Parallel()
	good := spec("hello", "1.0")
	for name, test := range map[string]struct {
		files map[string]string
		// want is the reason; refused pushes show it as a failure.
		want    string
		refused bool
	}{
		"a retired package is not built":           {map[string]string{"hello.spec": good, "dead.package": "no upstream\n"}, "the package is retired (dead.package)", false},
		"a push is not built where noautobuild is": {map[string]string{"hello.spec": good, "noautobuild": ""}, "pushes are not built automatically (noautobuild)", false},
		"two specs": {
			map[string]string{"hello.spec": good, "world.spec": good},
			"find spec: 2 spec files at the root, there must be one: hello.spec, world.spec", true,
		},
		"no spec":                {map[string]string{"README": "hello"}, "find spec: no spec file at the root", true},
		"a spec of another name": {map[string]string{"world.spec": good}, "the spec is called world.spec, in this repository it must be hello.spec", true},
		"a spec that can't be parsed": {
			map[string]string{"hello.spec": "Name: hello\nVersion: 1.0\nRelease: 1\n%if 1\n"}, "hello.spec:4: %if without %endif", true,
		},
		"a spec that is not text":          {map[string]string{"hello.spec": "Name: hello\nVersion: 1\xff\x00\nRelease: 1\n"}, "hello.spec:2: the line has a NUL byte", true},
		"a package of another name":        {map[string]string{"hello.spec": "\n" + spec("world", "1.0")}, "hello.spec:2: Name is world, but the file is called hello.spec", true},
		"a name that a macro makes":        {map[string]string{"hello.spec": "%global n world\n" + strings.Replace(good, "Name: hello", "Name: %{n}", 1)}, "hello.spec:2: Name is world, but the file is called hello.spec", true},
		"a version that begins with a dot": {map[string]string{"hello.spec": spec("hello", ".5")}, `hello.spec:2: Version ".5": version and release must not begin with a dot, they name directories`, true},
		"a version with a shell command":   {map[string]string{"hello.spec": spec("hello", "1.0;id")}, `hello.spec:2: Version "1.0;id" has a character other than letters, digits and ._+~^`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.work()
			o := h.repository("rpms/hello")
			for file, content := range test.files {
				o.write(file, content)
			}
			commit := o.commit("a package")
			o.push("refs/heads/f37")
			got := h.planned(h.pushed(o, "refs/heads/f37", commit))
			want := "planned: " + test.want
			if test.refused {
				want = "planned: refused: " + test.want
			}
			if got != want {
				t.Errorf("the delivery is %q, want %q", got, want)
			}
			statuses := strings.Join(h.statuses(commit), "; ")
			switch {
			case !test.refused && statuses != "":
				t.Errorf("statuses %q, want none", statuses)
			case test.refused && statuses != "distbot/f37 failure: "+test.want:
				t.Errorf("statuses %q, want a failure of distbot/f37: %s", statuses, test.want)
			}
			if len(h.builds()) != 0 {
				t.Errorf("builds %v, want none", h.builds())
			}
		})
	}

	t.Run("one target refuses what another builds", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		queuetest.Exec(t, h.pool, `with tag as (insert into tags (name, arches, create_event, extra)
				values ('other-build', '{x86_64}', 1, '{"rpm.macro.upstream": "other"}') returning id)
			update build_targets set build_tag = tag.id from tag where build_targets.name = 'next'`)
		o := h.repository("rpms/hello")
		commit := o.change("hello.spec", strings.Replace(spec("hello", "1"), "Name: hello", "%{!?upstream:%global upstream hello}\nName: %{upstream}", 1), "refs/heads/rawhide")
		got := h.planned(h.pushed(o, "refs/heads/rawhide", commit))
		if want := "planned: build 1 for f38; refused: hello.spec:2: Name is other, but the file is called hello.spec"; got != want {
			t.Errorf("the delivery is %q, want %q", got, want)
		}
		if diff := cmp.Diff([]string{
			"distbot/f38 pending: build 1 is queued", "distbot/f38/srpm pending: waiting for a builder",
			"distbot/next failure: hello.spec:2: Name is other, but the file is called hello.spec",
		}, h.statuses(commit)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

func TestPlanInTrouble(t *testing.T) {
	t.Parallel()

	t.Run("a forge that is not configured any more fails the delivery", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f37")
		delivery := h.pushed(o, "refs/heads/f37", commit)
		queuetest.Exec(t, h.pool, "update deliveries set forge = 'gone'")
		if got := h.planned(delivery); got != `failed: forge "gone" is not configured any more` {
			t.Errorf("the delivery is %s", got)
		}
		queuetest.WaitRow(t, h.pool, "the job ends", "select bool_and(state = 'completed') from river_job where kind = 'distgit.plan'")
	})

	t.Run("a delivery that can't be read fails", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		if got := h.planned(h.received(plaingit.EventPush, "rpms/hello", []int{1})); got != "failed: forge: malformed delivery: body is not a JSON object" {
			t.Errorf("the delivery is %s", got)
		}
	})

	t.Run("a commit that is not there yet is waited for", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, _ := h.hello("f37")
		o.write("hello.spec", spec("hello", "2.0"))
		commit := o.commit("not pushed yet")
		delivery := h.pushed(o, "refs/heads/f37", commit)
		h.enqueue(delivery)
		h.failedOnce(delivery)
		if got := queuetest.Value[string](t, h.pool, "select errors[1]->>'error' from river_job where kind = 'distgit.plan'"); !strings.Contains(got, "commit not found") {
			t.Errorf("the first try ends with %q, want that the commit was not found", got)
		}
		if got := h.statuses(commit); len(got) > 0 {
			t.Errorf("statuses %q while it is tried again, want none", got)
		}
		o.push("refs/heads/f37")
		h.hurry(delivery, 2)
		if got := h.over(delivery); got != "planned: build 1 for f37" {
			t.Errorf("the delivery is %s", got)
		}
	})

	t.Run("a commit that never comes fails the delivery and says so", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, _ := h.hello("rawhide")
		commit := strings.Repeat("ab", 20)
		delivery := h.pushed(o, "refs/heads/rawhide", commit)
		h.enqueue(delivery)
		h.lastTry(delivery)
		if got := h.over(delivery); !strings.HasPrefix(got, "failed: fetch rpms/hello of git: commit not found") {
			t.Errorf("the delivery is %s", got)
		}
		got := h.statuses(commit)
		for i, target := range []string{"f38", "next"} {
			if want := "distbot/" + target + " error: the push could not be planned: fetch rpms/hello of git: commit not found"; len(got) != 2 || !strings.HasPrefix(got[i], want) {
				t.Fatalf("statuses %q, want two that begin like %q", got, want)
			}
		}
	})

	t.Run("a repository that can't be fetched fails the delivery, which can be replayed", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f37")
		if err := os.Rename(o.bare(), o.bare()+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(o.bare(), 0o755); err != nil { // no repository
			t.Fatal(err)
		}
		delivery := h.pushed(o, "refs/heads/f37", commit)
		h.enqueue(delivery)
		if got := h.over(delivery); !strings.HasPrefix(got, "failed: fetch rpms/hello of git: ") {
			t.Errorf("the delivery is %s", got)
		}
		if got := h.statuses(commit); len(got) != 1 || !strings.HasPrefix(got[0], "distbot/f37 error: the push could not be planned: fetch rpms/hello of git: ") {
			t.Errorf("statuses %q, want an error of distbot/f37", got)
		}
		if err := os.Remove(o.bare()); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(o.bare()+".away", o.bare()); err != nil {
			t.Fatal(err)
		}
		queuetest.Exec(t, h.pool, "update deliveries set state = 'received', reason = '', finished_at = null")
		if got := h.planned(delivery); got != "planned: build 1 for f37" {
			t.Errorf("the replayed delivery is %s", got)
		}
		if diff := cmp.Diff([]string{"distbot/f37 pending: build 1 is queued", "distbot/f37/srpm pending: waiting for a builder"}, h.statuses(commit)); diff != "" {
			t.Errorf("statuses after the replay (-want +got):\n%s", diff)
		}
	})

	t.Run("a forge that is down is tried again, and in the end the delivery fails", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
		t.Cleanup(server.Close)
		driver, err := plaingit.New(plaingit.Config{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		h.Hosts["git"] = Host{Forge: driver, Base: server.URL}
		h.work()
		commit := strings.Repeat("ab", 20)
		delivery := h.pushed(&origin{id: "rpms/hello"}, "refs/heads/f37", commit)
		h.enqueue(delivery)
		h.failedOnce(delivery)
		if state := queuetest.Value[string](t, h.pool, "select state from deliveries"); state != "received" {
			t.Errorf("the delivery is %s before the last try", state)
		}
		h.lastTry(delivery)
		if got := h.over(delivery); !strings.HasPrefix(got, "failed: ") || !strings.Contains(got, "503") {
			t.Errorf("the delivery is %s", got)
		}
		if got := h.statuses(commit); len(got) != 1 || !strings.HasPrefix(got[0], "distbot/f37 error: the push could not be planned: ") {
			t.Errorf("statuses %q, want an error of distbot/f37", got)
		}
	})

	t.Run("a mirror that is broken fails its own repository only", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f37")
		path, err := o.remote().mirrorPath(filepath.Join(h.Mirrors.Dir))
		if err != nil {
			t.Fatal(err)
		}
		path = strings.Replace(path, "/local/", "/git/", 1)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("no directory"), 0o644); err != nil {
			t.Fatal(err)
		}
		broken := h.pushed(o, "refs/heads/f37", commit)
		other := h.repository("rpms/world")
		fine := h.pushed(other, "refs/heads/f37", other.change("world.spec", spec("world", "1"), "refs/heads/f37"))
		h.enqueue(broken)
		h.enqueue(fine)
		if got := h.over(fine); got != "planned: build 1 for f37" {
			t.Errorf("the other repository's delivery is %s", got)
		}
		h.lastTry(broken)
		if got := h.over(broken); !strings.HasPrefix(got, "failed: ") {
			t.Errorf("the delivery is %s", got)
		}
	})
}

// failedOnce waits until a delivery's planning was tried, and River has put its
// job back to be tried again.
func (h *hub) failedOnce(delivery int64) {
	h.t.Helper()
	queuetest.WaitRow(h.t, h.pool, "the first try fails", `select exists (select from river_job where (args->>'delivery_id')::bigint = $1
		and errors is not null and state in ('available', 'retryable', 'scheduled'))`, delivery)
}

// hurry lets the next try of a delivery's planning begin now, as the nth.
func (h *hub) hurry(delivery int64, nth int) {
	h.t.Helper()
	queuetest.Exec(h.t, h.pool, `update river_job set attempt = $2 - 1, state = 'available', scheduled_at = now()
		where (args->>'delivery_id')::bigint = $1 and state in ('available', 'retryable', 'scheduled')`, delivery, nth)
}

// lastTry makes the next try of a delivery's planning its last.
func (h *hub) lastTry(delivery int64) {
	h.t.Helper()
	h.failedOnce(delivery)
	h.hurry(delivery, 8)
}
