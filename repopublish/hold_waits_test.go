package repopublish

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// heldStage is a stage whose build tag has published hello 1, then hello 2, then
// world, in generations first, second and third.
type heldStage struct {
	*stage
	first, second, third int64
	// hello2 is the build that the first generation lacks, next the number of a
	// commit that has no build.
	hello2 int64
	next   int
}

func newHeldStage(t *testing.T) *heldStage {
	t.Helper()
	s := &heldStage{stage: newStage(t, "x86_64"), next: 10}
	queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
	s.work(t)
	publish := func(n int, name, version string) (build, generation int64) {
		build = s.complete(t, n, name, version, name+".x86_64")
		s.tag(t, s.dist.BuildTag, build)
		s.settled(t)
		return build, s.newestOf(t)
	}
	_, s.first = publish(0, "hello", "1")
	s.hello2, s.second = publish(1, "hello", "2")
	_, s.third = publish(2, "world", "1")
	return s
}

// newestOf is the number of the newest generation of the build tag.
func (s *heldStage) newestOf(t *testing.T) int64 {
	t.Helper()
	return queuetest.Value[int64](t, s.Pool, "select max(number) from repo_generations where state = 'published' and tag_id = $1", s.dist.BuildTag)
}

// ask asks for a build.
func (s *heldStage) ask(t *testing.T) int64 {
	t.Helper()
	s.next++
	return s.dist.Start(t, s.dist.NewBuild(s.next))
}

// change tags something into the build tag, and waits until that is published,
// unless the tag is held.
func (s *heldStage) change(t *testing.T) {
	t.Helper()
	s.next++
	s.tag(t, s.dist.BuildTag, s.complete(t, s.next, "change", "1", "change.x86_64"))
	s.settled(t)
}

func (s *heldStage) goBack(t *testing.T, to int64) {
	t.Helper()
	if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37-build", to, "pat", "gcc is broken"); err != nil {
		t.Fatal(err)
	}
}

// locked waits until nobody publishes a tag, and keeps everybody from it.
func (s *stage) locked(t *testing.T, tag string) (unlock func()) {
	t.Helper()
	queuetest.Wait(t, "nobody publishes "+tag, func() (bool, string) { // whoever did sweeps still
		var err error
		unlock, err = lock(filepath.Join(s.ReposDir, tag))
		return err == nil, fmt.Sprint(err)
	})
	return unlock
}

// giveOut has the scheduler give to a host what may begin, and says whether the
// task of a build for its source package, or for an architecture, is among it.
func (s *heldStage) giveOut(t *testing.T, build int64, method, arch string) (given bool) {
	t.Helper()
	queuetest.Exec(t, s.Pool, "update tasks set not_before = now()")
	if _, err := queue.Connect(t.Context(), s.Pool, queue.HostInfo{Name: "host", Capacity: 90, Arches: []string{"x86_64"}}, "host"); err != nil {
		t.Fatal(err)
	}
	scheduler := &queue.Scheduler{Pool: s.Pool, Inserter: s.Jobs, Logger: slog.New(slog.DiscardHandler)}
	if _, err := scheduler.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	return queuetest.Task(t, s.Pool, build, method, arch).State != queue.TaskFree
}

// waits is what people are told about the tasks of a build.
func (s *heldStage) waits(t *testing.T, build int64) string {
	t.Helper()
	q := db.New(s.Pool)
	tasks, err := q.TasksOfBuild(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	waits, err := queue.WaitsOfTasks(t.Context(), q, tasks)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, wait := range waits {
		text += wait
	}
	return text
}

// TestBuildsOfAHeldTag holds which builds begin while somebody has gone back to
// an older generation of their build tag: those that are asked for from then on,
// and those before that need no more than it shows. The others wait, and begin
// when the tag is published again.
func TestBuildsOfAHeldTag(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		// before, between and during ask for the build: before somebody goes back to
		// the first generation, before that is published, and after.
		before, between, during func(t *testing.T, s *heldStage) int64
		// method and arch are those of the task that is looked at, buildSRPM without.
		method string
		begins bool
	}{
		"One that is asked for meanwhile begins": {
			during: func(t *testing.T, s *heldStage) int64 { return s.ask(t) }, begins: true,
		},
		"… also where something was tagged meanwhile, that is not published": {
			during: func(t *testing.T, s *heldStage) int64 { s.change(t); return s.ask(t) }, begins: true,
		},
		"One that is asked for before the generation is there waits for it, and begins": {
			between: func(t *testing.T, s *heldStage) int64 { return s.ask(t) }, begins: true,
		},
		"One that was asked for when the tag showed more waits": {
			before: func(t *testing.T, s *heldStage) int64 { return s.ask(t) },
		},
		"One that waits for what is not published yet goes on waiting": {
			before: func(t *testing.T, s *heldStage) int64 {
				defer s.locked(t, "f37-build")()
				s.next++
				s.tag(t, s.dist.BuildTag, s.complete(t, s.next, "change", "1", "change.x86_64"))
				build := s.ask(t)
				s.goBack(t, s.first)
				return build
			},
		},
		"One that needs no more than what is shown begins": {
			before: func(t *testing.T, s *heldStage) int64 {
				build := s.ask(t)
				queuetest.Exec(t, s.Pool, "update builds set need_rev = (select rev from repo_generations where tag_id = $2 and number = $3) where id = $1", build, s.dist.BuildTag, s.first)
				return build
			}, begins: true,
		},
		"One whose target allows a lag begins with what it allows": {
			before: func(t *testing.T, s *heldStage) int64 {
				queuetest.Exec(t, s.Pool, `insert into build_targets (name, build_tag, dest_tag, branches, repo_lag_seconds, create_event) select 'f37', $1, $2, '{}', 600, max(id) from events`, s.dist.BuildTag, s.dist.DestTag)
				return s.ask(t)
			}, begins: true,
		},
		"The architectures of one that has begun wait": {
			before: func(t *testing.T, s *heldStage) int64 { return s.sourceMade(t) },
			during: func(t *testing.T, s *heldStage) int64 { return s.addArch(t) }, method: queue.MethodBuildArch,
		},
		"The architectures of one that was asked for meanwhile begin": {
			during: func(t *testing.T, s *heldStage) int64 { s.sourceMade(t); return s.addArch(t) }, method: queue.MethodBuildArch, begins: true,
		},
		"An attempt that is given back waits": {
			before: func(t *testing.T, s *heldStage) int64 {
				build := s.ask(t)
				queuetest.Begin(t, s.Pool, queuetest.Task(t, s.Pool, build, queue.MethodBuildSRPM, ""), "other")
				return build
			},
			during: func(t *testing.T, s *heldStage) int64 {
				build := s.newestBuild(t)
				queuetest.Tx(t, s.Pool, func(tx pgx.Tx) error {
					return queue.Release(t.Context(), tx, queuetest.Task(t, s.Pool, build, queue.MethodBuildSRPM, ""), queue.Return{Reason: "the mirror is down"})
				})
				return build
			},
		},
		"An attempt that died with its host waits": {
			before: func(t *testing.T, s *heldStage) int64 {
				build := s.ask(t)
				queuetest.Begin(t, s.Pool, queuetest.Task(t, s.Pool, build, queue.MethodBuildSRPM, ""), "other")
				return build
			},
			during: func(t *testing.T, s *heldStage) int64 {
				build := s.newestBuild(t)
				task := queuetest.Task(t, s.Pool, build, queue.MethodBuildSRPM, "")
				lost, err := db.New(s.Pool).LoseTasksOfHost(t.Context(), db.LoseTasksOfHostParams{HostID: task.HostID, ClientID: *task.ClientID, Outcome: "gone", Reason: "gone"})
				if err != nil || len(lost) != 1 {
					t.Fatalf("lost %v, %v", lost, err)
				}
				return build
			},
		},
		"One that was canceled and is retried meanwhile begins": {
			before: func(t *testing.T, s *heldStage) int64 { return s.ask(t) },
			during: func(t *testing.T, s *heldStage) int64 {
				queuetest.Exec(t, s.Pool, "update builds set state = 'CANCELED' where id = $1", s.newestBuild(t))
				build, err := queue.RetryBuild(t.Context(), s.Pool, s.Jobs, queuetest.ExternalURL, s.newestBuild(t))
				if err != nil {
					t.Fatal(err)
				}
				return build
			}, begins: true,
		},
		"One begins when somebody goes on to a generation that shows what it needs": {
			before: func(t *testing.T, s *heldStage) int64 { return s.ask(t) },
			during: func(t *testing.T, s *heldStage) int64 {
				build := s.newestBuild(t)
				if s.giveOut(t, build, queue.MethodBuildSRPM, "") {
					t.Error("it begins with the first generation")
				}
				s.goBack(t, s.third)
				s.settled(t)
				return build
			}, begins: true,
		},
		"… and not with one that lacks something still": {
			before: func(t *testing.T, s *heldStage) int64 { return s.ask(t) },
			during: func(t *testing.T, s *heldStage) int64 {
				s.goBack(t, s.second)
				s.settled(t)
				return s.newestBuild(t)
			},
		},
		"One of another tag is of no concern": {
			before: func(t *testing.T, s *heldStage) int64 {
				other := queuetest.Tag(t, s.Pool, "other", "x86_64")
				s.next++
				build := s.dist.NewBuild(s.next)
				build.BuildTag = other
				return s.dist.Start(t, build)
			}, begins: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHeldStage(t)
			method, arch := queue.MethodBuildSRPM, ""
			if test.method != "" {
				method, arch = test.method, "x86_64"
			}
			var build int64
			if test.before != nil {
				build = test.before(t, s)
			}
			unlock := s.locked(t, "f37-build")
			s.goBack(t, s.first)
			if test.between != nil {
				build = test.between(t, s)
				if s.giveOut(t, build, method, arch) {
					t.Error("it begins before what somebody went back to is there")
				}
			}
			unlock()
			s.settled(t)
			if test.during != nil {
				build = test.during(t, s)
			}
			given := s.giveOut(t, build, method, arch)
			if given != test.begins {
				t.Errorf("it begins is %t, want %t; it waits for %q", given, test.begins, s.waits(t, build))
			}
			if held := queuetest.Value[bool](t, s.Pool, "select built_rev = (select rev from repo_generations g where g.tag_id = tags.id and g.state = 'published' order by number desc limit 1) from tags where id = $1", s.dist.BuildTag); !held {
				t.Error("what counts as built is not what the newest generation shows")
			}
			if test.begins {
				return
			}
			for _, want := range []string{"the repository of f37-build is held at generation ", " since ", " by pat (gcc is broken)", "distbot repo publish f37-build ends that"} {
				if got := s.waits(t, build); !strings.Contains(got, want) {
					t.Errorf("it waits for %q, want %q in it", got, want)
				}
			}
			if held, _, err := Publish(t.Context(), s.Pool, s.Jobs, "f37-build"); err != nil || !held {
				t.Fatalf("released: %t, %v", held, err)
			}
			s.settled(t)
			if !s.giveOut(t, build, method, arch) {
				t.Errorf("it does not begin when the tag is published again: it waits for %q", s.waits(t, build))
			}
			if again := s.newestOf(t); queuetest.Value[int64](t, s.Pool, "select rollback_of from repo_generations where tag_id = $1 and number = $2 and rollback_of is not null union all select 0 limit 1", s.dist.BuildTag, again) != 0 {
				t.Errorf("generation %d is one that somebody went back to", again)
			}
		})
	}
}

// newestBuild is the build that was asked for last.
func (s *heldStage) newestBuild(t *testing.T) int64 {
	t.Helper()
	return queuetest.Value[int64](t, s.Pool, "select max(id) from builds")
}

// sourceMade asks for a build and makes its source package.
func (s *heldStage) sourceMade(t *testing.T) int64 {
	t.Helper()
	build := s.ask(t)
	queuetest.Exec(t, s.Pool, "update tasks set state = 'CLOSED' where build_id = $1 and method = 'buildSRPM'", build)
	return build
}

// addArch adds the task for an architecture to the build that was asked for last.
func (s *heldStage) addArch(t *testing.T) int64 {
	t.Helper()
	build := s.newestBuild(t)
	root := queuetest.Task(t, s.Pool, build, queue.MethodBuild, "")
	queuetest.Tx(t, s.Pool, func(tx pgx.Tx) error {
		return queue.AddArches(t.Context(), tx, s.Jobs, build, root.ID, []queue.NewArch{{Arch: "x86_64", RootArches: []string{"x86_64"}}}, nil)
	})
	return build
}

// TestChainsOfAHeldTag holds what chains, and whoever waits with --wait-repo, see
// of a build while somebody has gone back to an older generation: it is in the
// repository if that generation has it.
func TestChainsOfAHeldTag(t *testing.T) {
	t.Parallel()
	s := newHeldStage(t)
	chain := queuetest.Value[int64](t, s.Pool, "insert into chains (target, build_tag, dest_tag, owner, state) values ('f37', $1, $2, 'pat', 'OPEN') returning id", s.dist.BuildTag, s.dist.DestTag)
	queuetest.Exec(t, s.Pool, "insert into chain_builds (chain_id, group_number, position, asked, build_id) values ($1, 1, 1, 'hello', $2)", chain, s.hello2)
	queuetest.Exec(t, s.Pool, `update builds set tagged_rev = 0, build_tag_rev = (select rev from repo_generations where tag_id = $2 and number = $3) where id = $1`, s.hello2, s.dist.BuildTag, s.second)
	look := func(when string, there bool, held string) {
		t.Helper()
		rows, err := db.New(s.Pool).ChainBuilds(t.Context(), chain)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%v, %v", rows, err)
		}
		if rows[0].InBuildRepo != there || !strings.Contains(rows[0].BuildRepoKept, held) || held == "" && rows[0].BuildRepoKept != "" {
			t.Errorf("%s: in the repository is %t, held %q; want %t, %q", when, rows[0].InBuildRepo, rows[0].BuildRepoKept, there, held)
		}
	}
	woken := func(when string) {
		t.Helper()
		if n := queuetest.Value[int](t, s.Pool, "with woken as (delete from river_job where kind = 'distgit.chain' returning 1) select count(*) from woken"); n == 0 {
			t.Errorf("%s: the chain is not woken", when)
		}
	}
	look("before", true, "")
	s.goBack(t, s.first)
	woken("when somebody goes back")
	s.settled(t)
	woken("when that is published")
	look("held at the first generation", false, "f37-build is held at generation ")
	s.goBack(t, s.third)
	s.settled(t)
	woken("when somebody goes on")
	look("held at the third generation", true, "held at generation ")
	s.goBack(t, s.first)
	s.settled(t)
	look("held at the first generation again", false, " by pat (gcc is broken)")
	if _, _, err := Publish(t.Context(), s.Pool, s.Jobs, "f37-build"); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	woken("when the tag is published")
	look("published", true, "")
	s.fresh(t)
}
