//go:build e2e

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/e2e/giteatest"
)

// moment is a point of a build's way at which the process is killed.
type moment struct {
	name string
	// arrange prepares before the push that the process comes no further than
	// the moment, and returns what waits until it is there. It is given the
	// package, and the commit once that is pushed.
	arrange func(t *testing.T, k *killer, pkg string) (reached func(commit string))
}

// moments are in the order in which a build comes by. What keeps the process
// there is a lock on the table that it writes next, or the peer that it talks
// to and that does not answer.
func moments() []moment {
	return []moment{
		{"TheDeliveryIsStored", func(t *testing.T, k *killer, _ string) func(string) {
			return k.lock(t, "planned_pushes")
		}},
		{"TheSourcePackageIsBeingMade", func(t *testing.T, k *killer, pkg string) func(string) {
			held := k.lookaside.hold(t, pkg)
			return func(string) { held.await(t, "request for the source") }
		}},
		{"TheSourcePackageIsMadeAndNotRecorded", func(t *testing.T, k *killer, _ string) func(string) {
			return k.lock(t, "task_artifacts")
		}},
		{"TheSourcePackageIsRecorded", func(t *testing.T, k *killer, _ string) func(string) {
			return k.task(t, "buildSRPM", "state = 'CLOSED'")
		}},
		{"TheArchBuildRuns", func(t *testing.T, k *killer, _ string) func(string) {
			return k.task(t, "buildArch", "state = 'OPEN' and phase = 'build'")
		}},
		{"TheArchBuildIsDoneAndNotRecorded", func(t *testing.T, k *killer, _ string) func(string) {
			recorded := k.task(t, "buildSRPM", "state = 'CLOSED'")
			return func(commit string) {
				recorded(commit)
				k.lock(t, "task_artifacts")(commit)
			}
		}},
		{"ThePackagesArePlacedAndNotImported", func(t *testing.T, k *killer, _ string) func(string) {
			return k.lock(t, "rpms")
		}},
		{"TheBuildIsImportedAndNotTagged", func(t *testing.T, k *killer, _ string) func(string) {
			return k.lock(t, "tag_builds")
		}},
		{"TheBuildIsTaggedAndNotPublished", func(t *testing.T, k *killer, _ string) func(string) {
			return k.lock(t, "repo_generations")
		}},
		{"TheRepositoryIsSwitchedAndNotRecorded", func(t *testing.T, k *killer, _ string) func(string) {
			return k.lock(t, "repo_rpms")
		}},
		{"TheBuildIsPublishedAndItsStatusNotSent", func(t *testing.T, k *killer, _ string) func(string) {
			held := k.proxy.holdBefore()
			return func(string) { held.await(t, "status") }
		}},
		{"TheStatusIsSentAndNotRecorded", func(t *testing.T, k *killer, _ string) func(string) {
			held := k.proxy.holdAfter()
			return func(string) { held.await(t, "answer to a status") }
		}},
	}
}

// killer is an installation that is killed.
type killer struct {
	*system
	proxy *proxy
	// locks are connections that keep tables locked.
	locks []*pgx.Conn
}

// TestKill kills the process with SIGKILL between any two of its steps, and at
// random times, and starts it again: nothing may be lost, nothing built twice
// and no status end twice.
func TestKill(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	gitea := giteatest.StartBehind(t, p.url)
	p.to(t, gitea.URL)
	k := &killer{system: newSystem(t, "kill", gitea, p.url, target{name: "f37"}), proxy: p}
	for i, m := range moments() {
		t.Run("When"+m.name, func(t *testing.T) { k.testMoment(t, momentPackage(i), m) })
	}
	t.Run("APushThatNobodyHeardIsFound", k.testUnheardPush)
	for round := range randomRounds {
		t.Run(fmt.Sprintf("AtRandomTimes/%d", round), func(t *testing.T) { k.testRandomly(t, round) })
	}
	t.Run("NothingIsLeftOver", k.testLeftovers)
	t.Run("ItStopsWhenAsked", func(t *testing.T) { k.stop(t) })
}

// randomRounds is how often the process is killed at random times.
const randomRounds = 5

// momentPackage and randomPackage name the packages that are pushed.
func momentPackage(i int) string { return fmt.Sprintf("moment%d", i) }

func randomPackage(round, i int) string { return fmt.Sprintf("random%d%c", round, 'a'+i) }

// lasting is a package that takes a moment to build, and has a source.
func (k *killer) lasting(pkg string) small {
	return small{name: pkg, build: "sleep 1", source: "data", sources: k.lookaside.put(pkg, "data", []byte(pkg))}
}

func (k *killer) testMoment(t *testing.T, pkg string, m moment) {
	repo, clone := k.repo(t, pkg)
	f := k.lasting(pkg).files()
	reached := m.arrange(t, k, pkg)
	commit := pushTo(t, clone, "f37", f)
	reached(commit)
	k.again(t)
	k.check(t, repo, commit, pkg+"-1.0-1.fc37")
}

// again kills the process and starts it anew. What was held is let go between
// the two.
func (k *killer) again(t *testing.T) {
	t.Helper()
	k.kill(t)
	k.lookaside.letGo()
	for _, conn := range k.locks {
		_ = conn.Close(t.Context()) // The server may have ended with the process.
	}
	k.locks = nil
	k.start(t)
}

// lock keeps the process from writing to a table. What it returns waits until
// the process tries to.
func (k *killer) lock(t *testing.T, table string) (reached func(commit string)) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), k.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	k.locks = append(k.locks, conn)
	if _, err := conn.Exec(t.Context(), "begin; lock table "+table+" in exclusive mode"); err != nil {
		t.Fatalf("lock %s: %v", table, err)
	}
	return func(string) {
		t.Helper()
		eventually(t, "attempt to write to "+table, func() (string, bool) {
			n := k.count(t, "pg_locks where not granted and relation = $1::regclass", table)
			return fmt.Sprint(n), n > 0
		})
	}
}

// task waits until a task of the commit's build is in a state.
func (k *killer) task(t *testing.T, method, state string) (reached func(commit string)) {
	return func(commit string) {
		t.Helper()
		eventually(t, method+" with "+state, func() (string, bool) {
			tasks := k.column(t, `select t.method || ' ' || t.state || ' ' || t.phase from tasks t join builds b on b.id = t.build_id where commit_id = $1`, commit)
			n := k.count(t, "tasks t join builds b on b.id = t.build_id where commit_id = $1 and method = $2 and t."+strings.ReplaceAll(state, " and ", " and t."), commit, method)
			return strings.Join(tasks, ", "), n > 0
		})
	}
}

// check waits for the end of a build and looks whether it is the only one.
func (k *killer) check(t *testing.T, repo giteatest.Repo, commit, nvr string) {
	t.Helper()
	k.expect(t, repo, commit, built("f37", "noarch"))
	builds := k.column(t, "select coalesce(nvr, '') || ' ' || state || case when published_at is null then ' unpublished' else '' end from builds where commit_id = $1 or nvr = $2", commit, nvr)
	if len(builds) != 1 || builds[0] != nvr+" COMPLETE" {
		t.Errorf("builds %q, want one that is %q", builds, nvr+" COMPLETE")
	}
	page := fmt.Sprintf("/repos/f37/latest/%s/Packages/%s/%s.noarch.rpm", hostArch(), nvr[:1], nvr)
	if code, _ := k.get(t, page); code != http.StatusOK {
		t.Errorf("%s answers %d, want 200", page, code)
	}
	eventually(t, "end of the commit's deliveries", func() (string, bool) {
		open := k.column(t, "select event || ' ' || state from deliveries where state in ('received', 'failed')")
		return strings.Join(open, ", "), len(open) == 0
	})
}

// testUnheardPush pushes while the process does not run: Gitea delivers once
// only.
func (k *killer) testUnheardPush(t *testing.T) {
	repo, clone := k.repo(t, "unheard")
	k.check(t, repo, pushTo(t, clone, "f37", small{name: "unheard"}.files()), "unheard-1.0-1.fc37")
	k.kill(t)
	commit := pushTo(t, clone, "f37", small{name: "unheard", release: 2}.files())
	k.start(t)
	k.check(t, repo, commit, "unheard-1.0-2.fc37")
}

// testRandomly pushes two packages and kills the process three times while it
// works on them. A job may lose fewer than five processes.
func (k *killer) testRandomly(t *testing.T, round int) {
	type pushed struct {
		repo   giteatest.Repo
		commit string
		nvr    string
	}
	var all []pushed
	for i := range 2 {
		pkg := randomPackage(round, i)
		repo, clone := k.repo(t, pkg)
		all = append(all, pushed{repo, pushTo(t, clone, "f37", k.lasting(pkg).files()), pkg + "-1.0-1.fc37"})
	}
	eventually(t, "plans of both pushes", func() (string, bool) {
		n := k.count(t, "builds where commit_id = any ($1)", []string{all[0].commit, all[1].commit})
		return fmt.Sprint(n), n == len(all)
	})
	for range 3 {
		// When does not matter here: what happens by chance is the test.
		delay := time.Duration(rand.Int64N(int64(2500 * time.Millisecond)))
		t.Logf("killed after %s", delay)
		<-time.After(delay)
		k.again(t)
	}
	for _, p := range all {
		k.check(t, p.repo, p.commit, p.nvr)
	}
}

// testLeftovers looks for what the killed processes were working on.
func (k *killer) testLeftovers(t *testing.T) {
	for _, dir := range []string{"state/work/tasks", "state/buildroots/builds", "state/store/tmp"} {
		entries, err := os.ReadDir(k.path(dir))
		if err != nil {
			t.Error(err)
		}
		for _, entry := range entries {
			t.Errorf("%s/%s is left over", dir, entry.Name())
		}
	}
	if n := k.count(t, "river_job where state in ('available', 'running', 'retryable', 'scheduled', 'pending') and kind <> 'distgit.reconcile'"); n != 0 {
		t.Errorf("%d jobs are left over", n)
	}
	if n := k.count(t, "reports where sent_seq < seq"); n != 0 {
		t.Errorf("%d statuses were not sent", n)
	}
}
