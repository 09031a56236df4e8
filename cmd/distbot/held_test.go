package main

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/distbot/distbot/queue/queuetest"
)

// TestAHeldBuildTag goes back to an older repository of a build tag, as when a
// compiler is broken, builds with it, and goes on.
func TestAHeldBuildTag(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 4)
	f.call(t, "build", "submit", "pkg000", "--target", "f37", "--wait-repo").want(t, exitDone)
	first := queuetest.Value[int64](t, f.pool, "select min(g.number) from repo_generations g join tags t on t.id = g.tag_id where t.name = 'f37-build' and g.state = 'published'")
	out := f.call(t, "repo", "rollback", "f37-build", strconv.FormatInt(first, 10), "--reason", "gcc is broken").want(t, exitDone).stdout
	if !strings.Contains(out, "builds that are asked for from now on are made with it") {
		t.Errorf("repo rollback says\n%s", out)
	}
	held := regexp.MustCompile(`held at generation ` + strconv.FormatInt(first, 10) + ` since 20[0-9-]+ [0-9:]+ UTC by admin \(gcc is broken\)`)

	f.call(t, "build", "submit", "pkg001", "--target", "f37").want(t, exitDone)
	var view buildView
	if err := json.Unmarshal([]byte(f.call(t, "build", "show", "pkg001-1-1", "--json").want(t, exitDone).stdout), &view); err != nil {
		t.Fatal(err)
	}
	for _, seen := range view.Saw {
		if seen.RollbackOf != first || seen.Actor != "admin" || seen.Reason != "gcc is broken" {
			t.Errorf("a build that was asked for meanwhile was made with %+v", seen)
		}
	}
	if out := f.call(t, "build", "show", "pkg001-1-1").want(t, exitDone).stdout; len(view.Saw) != 3 || len(held.FindAllString(out, -1)) != 3 {
		t.Errorf("build show does not say for each of 3 tasks that the repository was held:\n%s", out)
	}

	chain := f.call(t, "build", "submit", "--chain", "pkg002", ":", "pkg003", "--target", "f37", "--nowait", "--json").want(t, exitDone).chain(t)
	f.wait(t, "the second group waits", "select coalesce(reason like '%: that of f37-build is held at generation %', false) from chains where id = $1", chain.ID)
	if reason := f.call(t, "build", "chain", "show", strconv.FormatInt(chain.ID, 10)).want(t, exitDone).stdout; !held.MatchString(reason) {
		t.Errorf("chain show does not say why it waits:\n%s", reason)
	}
	if n := queuetest.Value[int](t, f.pool, "select count(*) from builds"); n != 3 {
		t.Errorf("%d builds have begun, want 3", n)
	}

	f.call(t, "repo", "publish", "f37-build").want(t, exitDone)
	f.call(t, "build", "chain", "watch", strconv.FormatInt(chain.ID, 10)).want(t, exitDone)
	lacking := queuetest.Value[int](t, f.pool, `select count(*) from tasks t join builds b on b.id = t.build_id join builds before on before.nvr = 'pkg002-1-1'
		where b.nvr = 'pkg003-1-1' and t.generation_id is not null and not exists (
			select from generation_rpms gr join rpms r on r.id = gr.rpm_id where gr.generation_id = t.generation_id and r.build_id = before.id)`)
	if lacking != 0 {
		t.Errorf("%d tasks of the second group were made without the first", lacking)
	}
}

// TestABuildThatGoingBackKeepsWaiting is told why, and ends after the tag is
// published.
func TestABuildThatGoingBackKeepsWaiting(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 3)
	f.call(t, "build", "submit", "pkg000", "--target", "f37", "--wait-repo").want(t, exitDone)
	// Nobody takes work: what is asked for waits in the queue.
	queuetest.Exec(t, f.pool, "update hosts set enabled = false")
	chain := f.call(t, "build", "submit", "pkg001", "--target", "f37", "--nowait", "--json").want(t, exitDone).chain(t)
	f.wait(t, "the build waits", "select count(*) = 1 from tasks where state = 'FREE' and method = 'buildSRPM'")
	task := queuetest.Value[int64](t, f.pool, "select id from tasks where state = 'FREE' and method = 'buildSRPM'")
	f.call(t, "repo", "rollback", "f37-build", "--reason", "gcc is broken").want(t, exitDone)
	queuetest.Exec(t, f.pool, "update hosts set enabled = true")
	f.wait(t, "the tag is back", "select count(*) = 1 from repo_holds where made_id is not null")
	for _, args := range [][]string{{"task", "show", strconv.FormatInt(task, 10)}, {"build", "show", "2"}} {
		if out := f.call(t, args...).want(t, exitDone).stdout; !strings.Contains(out, "waits: the repository of f37-build is held at generation ") || !strings.Contains(out, "by admin (gcc is broken)") {
			t.Errorf("distbot %s:\n%s", strings.Join(args, " "), out)
		}
	}
	// What is asked for now goes past it.
	f.call(t, "build", "submit", "pkg002", "--target", "f37").want(t, exitDone)
	if state := queuetest.Value[string](t, f.pool, "select state from tasks where id = $1", task); state != "FREE" {
		t.Errorf("the build that was asked for before is %s", state)
	}
	f.call(t, "repo", "publish", "f37-build").want(t, exitDone)
	if out := f.call(t, "build", "chain", "watch", strconv.FormatInt(chain.ID, 10)).want(t, exitDone).stdout; !strings.Contains(out, "pkg001") {
		t.Errorf("the watch says\n%s", out)
	}
}
