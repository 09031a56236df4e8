package repopublish

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish/moduletest"
	"github.com/distbot/distbot/repopublish/snapshot"
	"github.com/distbot/distbot/repopublish/verify"
)

// fromVectors makes a complete build of RPMs of testdata/modules, as hello's nth
// commit.
func (s *stage) fromVectors(t *testing.T, n int, name string, rpms ...string) int64 {
	t.Helper()
	id := s.complete(t, n, name, "1")
	for _, file := range rpms {
		raw, err := os.ReadFile(filepath.Join(moduletest.Dir(t), "rpms", file))
		if err != nil {
			t.Fatal(err)
		}
		blob, err := s.Store.Put(t.Context(), bytes.NewReader(raw), "", 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		pkg, err := rpmfile.Read(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		err = db.New(s.Pool).InsertRPMs(t.Context(), db.InsertRPMsParams{
			BuildID: id, BuildrootIds: []int64{0}, Names: []string{pkg.Name}, Epochs: []int32{int32(pkg.Epoch)}, Versions: []string{pkg.Version},
			Releases: []string{pkg.Release}, Arches: []string{pkg.Arch}, Sources: []bool{false}, Sha256s: []string{blob.SHA256},
			Sizes: []int64{blob.Size}, BuildTimes: []int64{pkg.BuildTime}, Paths: []string{"packages/" + file},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return id
}

// modules gives a tag module documents, as package tags does.
func (s *stage) modules(t *testing.T, tag int64, text string) {
	t.Helper()
	x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range x.Streams {
		s.module(t, tag, "stream", d.String(), d.Arch, d.FormatDocument(nil))
	}
	for _, d := range x.Defaults {
		s.module(t, tag, "defaults", d.Module, "", d.FormatDocument(nil))
	}
}

func (s *stage) module(t *testing.T, tag int64, kind, name, arch string, text []byte) {
	t.Helper()
	queuetest.Exec(t, s.Pool, "update tag_modules set revoke_event = create_event where tag_id = $1 and kind = $2 and name = $3 and revoke_event is null", tag, kind, name)
	queuetest.Exec(t, s.Pool, `with event as (insert into events (actor, what) values ('test', 'module') returning id)
		insert into tag_modules (tag_id, kind, name, arch, sha256, text, create_event) select $1, $2, $3, $4, 'x', $5, event.id from event`, tag, kind, name, arch, text)
}

// setting gives f37 an extra setting of its own, as a change of the tag does.
func (s *stage) setting(t *testing.T, key, value string) {
	t.Helper()
	queuetest.Exec(t, s.Pool, "update tag_extra set revoke_event = create_event where tag_id = $1 and key = $2 and revoke_event is null", s.dist.DestTag, key)
	queuetest.Exec(t, s.Pool, `with event as (insert into events (actor, what) values ('test', 'extra') returning id)
		insert into tag_extra (tag_id, key, value, create_event) select $1, $2, $3, event.id from event`, s.dist.DestTag, key, value)
}

// newLoneStage is a stage whose tag f37 nobody inherits from.
func newLoneStage(t *testing.T, arches ...string) *stage {
	t.Helper()
	s := newStage(t, arches...)
	queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
	return s
}

// troubleOf is the trouble of f37: kind, tab, reason; empty for none.
func (s *stage) troubleOf(t *testing.T) string {
	t.Helper()
	return strings.Join(queuetest.Values[string](t, s.Pool, "select kind || E'\t' || reason from repo_troubles where tag_id = $1", s.dist.DestTag), "")
}

// tree is the newest generation of f37 for x86_64.
func (s *stage) tree(t *testing.T) string {
	t.Helper()
	dir, err := s.latestOf("f37")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "x86_64")
}

func (s *stage) wantVerified(t *testing.T) {
	t.Helper()
	report, err := verify.Verify(t.Context(), []snapshot.Source{{Name: "f37", Location: s.tree(t)}}, verify.Options{RPMs: verify.ReadAll})
	if err != nil || !report.OK() {
		t.Errorf("repo verify: %v, %v", report.Findings, err)
	}
}

// demo are the RPMs of the stream demo:1 of the vectors.
var demo = []string{"demo-1.0-1.module+el8+1+aaaa.x86_64.rpm", "demo-libs-1.0-1.module+el8+1+aaaa.x86_64.rpm", "demo-devel-1.0-1.module+el8+1+aaaa.x86_64.rpm", "demo-doc-1.0-1.module+el8+1+aaaa.noarch.rpm"}

func TestModulesOfATag(t *testing.T) {
	t.Parallel()

	t.Run("are listed and enabled and installed by dnf", func(t *testing.T) {
		t.Parallel()
		full := moduletest.Load(t).Repos["full"]
		s := newLoneStage(t, "x86_64", "riscv64")
		// Documents and packages come from the tag that f37 inherits from.
		base := queuetest.Tag(t, s.Pool, "base", "x86_64", "riscv64")
		queuetest.Inherit(t, s.Pool, s.dist.DestTag, base, 10)
		s.modules(t, base, *full.Modules)
		s.tag(t, base, s.fromVectors(t, 0, "demo", full.RPMs...))
		s.work(t)
		s.settled(t)
		s.fresh(t)
		if trouble := s.troubleOf(t); trouble != "" {
			t.Fatal(trouble)
		}
		s.wantVerified(t)
		client := moduletest.NewClient(t)
		repos := []string{"f37," + s.tree(t)}
		rc, out := client.DNF(t, repos, "module", "list", "demo")
		if rc != 0 || !strings.Contains(strings.Join(strings.Fields(out), " "), "demo 1 [d]") {
			t.Errorf("module list: %d\n%s", rc, out)
		}
		if rc, out := client.DNF(t, repos, "module", "enable", "demo:2"); rc != 0 {
			t.Errorf("module enable: %d\n%s", rc, out)
		}
		if rc, out := client.DNF(t, repos, "module", "install", "demo:2/default"); rc != 0 {
			t.Errorf("module install: %d\n%s", rc, out)
		}
		if installed := client.Installed(t); !strings.Contains(strings.Join(installed, "\n"), "demo-2.0-1.module+el8+2+bbbb.x86_64 | demo:2:") {
			t.Errorf("installed: %q", installed)
		}
		// What is for x86_64 is not for others; defaults are for all.
		dir, err := s.latestOf("f37")
		if err != nil {
			t.Fatal(err)
		}
		text, err := document(filepath.Join(dir, "riscv64"), "modules")
		if err != nil {
			t.Fatal(err)
		}
		other, err := modulemd.Read(text, modulemd.ReadOptions{})
		if err != nil || len(other.Streams) != 0 || len(other.Defaults) == 0 {
			t.Errorf("riscv64 has %d streams and %d defaults, %v", len(other.Streams), len(other.Defaults), err)
		}
		// Nor are the noarch packages of a module that was not built for them.
		s.wantPackages(t, "f37", "riscv64")
	})

	t.Run("are those of a generation that somebody goes back to", func(t *testing.T) {
		t.Parallel()
		s := newLoneStage(t, "x86_64")
		full := *moduletest.Load(t).Repos["full"].Modules
		s.modules(t, s.dist.DestTag, full)
		s.tag(t, s.dist.DestTag, s.fromVectors(t, 0, "demo", demo...))
		s.work(t)
		s.settled(t)
		then, err := document(s.tree(t), "modules")
		if err != nil || !strings.Contains(string(then), "demo-0:2.0-1") {
			t.Fatalf("%v\n%s", err, then)
		}
		queuetest.Exec(t, s.Pool, "update tag_modules set revoke_event = create_event where name like 'demo:2:%' or name like 'tool:%'")
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		now, err := document(s.tree(t), "modules")
		if err != nil || strings.Contains(string(now), "demo-0:2.0-1") || !strings.Contains(string(now), "demo-0:1.0-1") {
			t.Fatalf("%v\n%s", err, now)
		}
		if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", 1, "pat", ""); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		if trouble := s.troubleOf(t); trouble != "" {
			t.Fatal(trouble)
		}
		again, err := document(s.tree(t), "modules")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(then), string(again)); diff != "" {
			t.Errorf("modules.yaml (-then +again):\n%s", diff)
		}
		s.wantVerified(t)
	})

	t.Run("that contradict each other across inheritance are refused, until one is gone", func(t *testing.T) {
		t.Parallel()
		s := newLoneStage(t, "x86_64")
		base := queuetest.Tag(t, s.Pool, "base", "x86_64")
		full := *moduletest.Load(t).Repos["full"].Modules
		s.modules(t, s.dist.DestTag, full)
		s.modules(t, base, strings.ReplaceAll(full, "summary: ", "summary: other "))
		s.tag(t, s.dist.DestTag, s.fromVectors(t, 0, "demo", demo...))
		s.work(t)
		s.settled(t)
		queuetest.Inherit(t, s.Pool, s.dist.DestTag, base, 10)
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		got := s.troubleOf(t)
		for _, want := range []string{"refused\tmodules: x86_64: modulemd demo:", "of tag f37 and that of tag base", "differ in summary", "remove one of them", "and 2 more"} {
			if !strings.Contains(got, want) {
				t.Errorf("trouble %q lacks %q", got, want)
			}
		}
		if number := s.newest(t); number != 1 {
			t.Errorf("generation %d is the newest", number)
		}
		queuetest.Exec(t, s.Pool, "update tag_modules set revoke_event = create_event where tag_id = $1", base)
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		s.fresh(t)
		if got := s.troubleOf(t); got != "" {
			t.Errorf("trouble is left: %s", got)
		}
	})

	t.Run("that clients die of or throw away are not published, though they are in the tag", func(t *testing.T) {
		t.Parallel()
		v := moduletest.Load(t)
		for repo, want := range map[string]string{"w-noepoch": "artifact", "w-baddate": "date"} {
			s := newLoneStage(t, "x86_64")
			// As an older version of this program might have taken it.
			s.module(t, s.dist.DestTag, "stream", "demo:1", "", []byte(*v.Repos[repo].Modules))
			s.regenerate(t, s.dist.DestTag)
			s.work(t)
			s.settled(t)
			if got := s.troubleOf(t); !strings.HasPrefix(got, "refused\tmodules: ") || !strings.Contains(got, want) {
				t.Errorf("%s: trouble %q", repo, got)
			}
			if _, err := s.latestOf("f37"); err == nil {
				t.Errorf("%s was published", repo)
			}
		}
	})
}

func TestModularPackagesNeedTheirDocuments(t *testing.T) {
	t.Parallel()
	s := newLoneStage(t, "x86_64")
	s.work(t)
	s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
	s.settled(t)
	build := s.fromVectors(t, 1, "demo", demo...)
	s.tag(t, s.dist.DestTag, build)
	s.settled(t)
	const reason = `modules: x86_64: demo-1.0-1.module+el8+1+aaaa.x86_64 is modular (label "demo:1:`
	if got := s.troubleOf(t); !strings.HasPrefix(got, "refused\t"+reason) || !strings.HasSuffix(got, "no stream document lists it (and 3 more)") {
		t.Errorf("trouble %q", got)
	}
	s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
	s.wantNoLeftovers(t)
	status := "select state || ': ' || description from reports where context = 'distbot/f37' and build_id = $1"
	if got := queuetest.Value[string](t, s.Pool, status, build); !strings.HasPrefix(got, "pending: demo-1-1 is tagged into f37, whose repository can't be made: "+reason) {
		t.Errorf("status %q", got)
	}
	if n := queuetest.Value[int](t, s.Pool, "select count(*) from river_job where kind = 'repopublish.publish' and state <> 'completed'"); n != 0 {
		t.Errorf("%d jobs go on with what is refused", n)
	}
	if labels := queuetest.Values[string](t, s.Pool, "select count(*) || ' ' || (modularity_label <> '') from rpms group by modularity_label <> '' order by 1"); len(labels) != 2 {
		t.Errorf("labels: %q", labels)
	}

	// Asked again it says the same, and nobody is told twice.
	seq := queuetest.Value[int](t, s.Pool, "select seq from reports where context = 'distbot/f37' and build_id = $1", build)
	since := queuetest.Value[string](t, s.Pool, "select since::text from repo_troubles")
	if _, _, err := Publish(t.Context(), s.Pool, s.Jobs, "f37"); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	if now := queuetest.Value[int](t, s.Pool, "select seq from reports where context = 'distbot/f37' and build_id = $1", build); now != seq {
		t.Errorf("the status was asked for %d times, %d before", now, seq)
	}
	if ok := queuetest.Value[bool](t, s.Pool, "select since = $1::timestamptz and at > since and rev = (select want_rev from tags where name = 'f37') from repo_troubles", since); !ok {
		t.Error("the trouble does not tell since when, and when last")
	}

	// The documents mend it.
	s.modules(t, s.dist.DestTag, *moduletest.Load(t).Repos["full"].Modules)
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	s.fresh(t)
	if got := s.troubleOf(t); got != "" {
		t.Errorf("trouble is left: %s", got)
	}
	if got := queuetest.Value[string](t, s.Pool, status, build); got != "success: demo-1-1 is in the repository of f37" {
		t.Errorf("status %q", got)
	}
	s.wantVerified(t)
}

// needy makes a build of a package that requires something.
func (s *stage) needy(t *testing.T, n int, requires string) int64 {
	t.Helper()
	id := s.complete(t, n, "needy", "1")
	blob := s.packRequiring(t, "needy", "1", "x86_64", requires)
	err := db.New(s.Pool).InsertRPMs(t.Context(), db.InsertRPMsParams{
		BuildID: id, BuildrootIds: []int64{0}, Names: []string{"needy"}, Epochs: []int32{0}, Versions: []string{"1"}, Releases: []string{"1"},
		Arches: []string{"x86_64"}, Sources: []bool{false}, Sha256s: []string{blob.SHA256}, Sizes: []int64{blob.Size}, BuildTimes: []int64{1_700_000_000},
		Paths: []string{"packages/needy"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestARecordedModuleDocumentThatCantBeReadIsRefused(t *testing.T) {
	t.Parallel()
	s := newLoneStage(t, "x86_64")
	// More entries than are read: recorded by a program that read more.
	s.module(t, s.dist.DestTag, "stream", "demo:1", "", bytes.Repeat([]byte{','}, 2_000_001))
	s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
	s.work(t)
	queuetest.WaitRow(t, s.Pool, "the trouble is told", "select exists (select from repo_troubles where tag_id = $1)", s.dist.DestTag)
	if got, want := s.troubleOf(t), "refused\tmodules: stream demo:1 of tag f37: "; !strings.HasPrefix(got, want) {
		t.Errorf("trouble %q, want %q…", got, want)
	}
}

func TestClosurePolicy(t *testing.T) {
	t.Parallel()
	recorded := func(t *testing.T, s *stage) string {
		t.Helper()
		return queuetest.Value[string](t, s.Pool, "select coalesce((select closure::text from repo_generations where tag_id = $1 and state = 'published' order by number desc limit 1), 'null')", s.dist.DestTag)
	}

	t.Run("off publishes without looking", func(t *testing.T) {
		t.Parallel()
		s := newLoneStage(t, "x86_64")
		s.setting(t, ClosureExtra, `"off"`)
		s.tag(t, s.dist.DestTag, s.needy(t, 0, "nosuch"))
		s.work(t)
		s.settled(t)
		s.fresh(t)
		if got := recorded(t, s); got != "null" {
			t.Errorf("recorded %s", got)
		}
	})

	t.Run("warn publishes and records what is unmet, with the generation", func(t *testing.T) {
		t.Parallel()
		s := newLoneStage(t, "x86_64", "riscv64")
		s.setting(t, ClosureExtra, `"warn"`)
		s.tag(t, s.dist.DestTag, s.needy(t, 0, "nosuch"))
		s.work(t)
		s.settled(t)
		s.fresh(t)
		got := recorded(t, s)
		for _, want := range []string{`"policy": "warn"`, `"problems": 1`, "x86_64: needy-1-1.x86_64 requires nosuch, which nothing provides"} {
			if !strings.Contains(got, want) {
				t.Errorf("recorded %s, lacks %s", got, want)
			}
		}
		// An external repository that is not there is no reason not to publish.
		queuetest.Exec(t, s.Pool, `insert into tag_external_repos (tag_id, name, url, priority, create_event) select $1, 'away', 'file:///nosuch/$arch', 1, max(id) from events`, s.dist.DestTag)
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		s.fresh(t)
		if got := recorded(t, s); !strings.Contains(got, `"unchecked": "x86_64: external repository away: `) || !strings.Contains(got, "; riscv64: external repository away: ") {
			t.Errorf("recorded %s, want why neither architecture was checked", got)
		}
	})

	t.Run("block refuses what is unmet, on any architecture, and publishes when it is met", func(t *testing.T) {
		t.Parallel()
		s := newLoneStage(t, "riscv64", "x86_64")
		s.setting(t, ClosureExtra, `"block"`)
		s.work(t)
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64", "hello.riscv64"))
		s.settled(t)
		if got := recorded(t, s); !strings.Contains(got, `"problems": 0`) {
			t.Errorf("recorded %s", got)
		}
		build := s.needy(t, 1, "provided")
		s.tag(t, s.dist.DestTag, build)
		s.settled(t)
		if got := s.troubleOf(t); !strings.HasPrefix(got, "refused\tclosure: x86_64: needy-1-1.x86_64 requires provided, which nothing provides") {
			t.Errorf("trouble %q", got)
		}
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
		s.wantNoLeftovers(t)
		if n := queuetest.Value[int](t, s.Pool, "select count(*) from repo_generations where state = 'building'"); n != 0 {
			t.Errorf("%d refused generations look as if they were being made", n)
		}
		s.tag(t, s.dist.DestTag, s.complete(t, 2, "provided", "1", "provided.x86_64"))
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64", "needy-1-1.x86_64", "provided-1-1.x86_64")
		if got := s.troubleOf(t); got != "" {
			t.Errorf("trouble is left: %s", got)
		}
	})

	t.Run("counts what external repositories provide, and waits for one that is away", func(t *testing.T) {
		t.Parallel()
		s := newLoneStage(t, "x86_64")
		s.setting(t, ClosureExtra, `"block"`)
		server := httptest.NewServer(http.StripPrefix("/x86_64/", http.FileServer(http.Dir(moduletest.Load(t).Write(t, "base")))))
		t.Cleanup(server.Close)
		queuetest.Exec(t, s.Pool, `insert into tag_external_repos (tag_id, name, url, priority, create_event) select $1, 'base', $2, 1, max(id) from events`, s.dist.DestTag, server.URL+"/nosuch-$arch/")
		s.tag(t, s.dist.DestTag, s.needy(t, 0, "other"))
		s.work(t)
		queuetest.WaitRow(t, s.Pool, "it is tried again", "select exists (select from river_job where kind = 'repopublish.publish' and cardinality(errors) > 0 and state = 'retryable')")
		if got := s.troubleOf(t); !strings.HasPrefix(got, "failing\tcheck requirements of x86_64: external repository base: ") {
			t.Errorf("trouble %q", got)
		}
		queuetest.Exec(t, s.Pool, "update tag_external_repos set url = $1", server.URL+"/$arch/")
		queuetest.Exec(t, s.Pool, "update river_job set scheduled_at = now() + interval '1 hour' where state = 'retryable'")
		if _, _, err := Publish(t.Context(), s.Pool, s.Jobs, "f37"); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		s.fresh(t)
		if got := recorded(t, s); !strings.Contains(got, `"problems": 0`) {
			t.Errorf("recorded %s", got)
		}
	})

	t.Run("sees combinations of module streams that are no default", func(t *testing.T) {
		t.Parallel()
		s := newLoneStage(t, "x86_64")
		s.setting(t, ClosureExtra, `"block"`)
		full := moduletest.Load(t).Repos["full"]
		s.modules(t, s.dist.DestTag, *full.Modules)
		s.tag(t, s.dist.DestTag, s.fromVectors(t, 0, "demo", full.RPMs...))
		// demo:2 is not the default; user-of-two needs the demo of demo:2.
		s.tag(t, s.dist.DestTag, s.fromVectors(t, 1, "user", "user-of-two-1.0-1.el8.x86_64.rpm"))
		s.work(t)
		s.settled(t)
		if got := s.troubleOf(t); !strings.HasPrefix(got, "refused\tclosure: x86_64: user-of-two-1.0-1.el8.x86_64 requires demo") || !strings.Contains(got, " with ") {
			t.Errorf("trouble %q", got)
		}
	})

	t.Run("that is none is refused, and mended", func(t *testing.T) {
		t.Parallel()
		s := newLoneStage(t, "x86_64")
		s.setting(t, ClosureExtra, `"sometimes"`)
		s.setting(t, SigningKeysExtra, `{"a": 1}`)
		s.regenerate(t, s.dist.DestTag)
		s.work(t)
		s.settled(t)
		if got := s.troubleOf(t); got != "refused\tsettings: repo.signing_keys: want the name of a key, or a list of names (and 1 more)" {
			t.Errorf("trouble %q", got)
		}
		s.setting(t, ClosureExtra, `"off"`)
		s.setting(t, SigningKeysExtra, `[]`)
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		s.fresh(t)
	})
}

// TestTroubleIsToldToThoseWhoWait: builds that begin with a repository which
// can't be made say so, from their first status on, and go on when it is made.
func TestTroubleIsToldToThoseWhoWait(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
	s.work(t)
	s.settled(t)
	// What is refused in f37 is refused in f37-build, which inherits it.
	early := s.dist.NewBuild(7)
	s.tag(t, s.dist.DestTag, s.fromVectors(t, 1, "demo", demo...))
	first := s.dist.Start(t, early)
	demoBuild := queuetest.Value[int64](t, s.Pool, "select id from builds where nvr = 'demo-1-1'")
	chain := queuetest.Value[int64](t, s.Pool, `insert into chains (target, build_tag, dest_tag, state, scratch, arches, priority, wait_repo, owner, current_group)
		values ('f37', $1, $2, 'OPEN', false, '{}', 20, true, 'pat', 1) returning id`, s.dist.BuildTag, s.dist.DestTag)
	queuetest.Exec(t, s.Pool, "insert into chain_builds (chain_id, group_number, position, asked, build_id) values ($1, 1, 1, 'demo', $2)", chain, demoBuild)
	queuetest.Exec(t, s.Pool, "update builds set build_tag_rev = (select want_rev from tags where id = $2) where id = $1", demoBuild, s.dist.BuildTag)
	s.settled(t)
	s.regenerate(t, s.dist.BuildTag)
	s.settled(t)
	rows, err := db.New(s.Pool).ChainBuilds(t.Context(), chain)
	if err != nil || len(rows) != 1 || rows[0].InBuildRepo || !strings.HasPrefix(rows[0].BuildRepoKept, "f37-build can't be made: modules: x86_64: demo-1.0") ||
		!strings.HasPrefix(rows[0].DestRepoKept, "f37 can't be made: modules: ") {
		t.Errorf("the chain's builds: %+v, %v", rows, err)
	}
	late := s.dist.Start(t, s.dist.NewBuild(8))
	status := func(build int64, context string) string {
		return queuetest.Value[string](t, s.Pool, "select state || ': ' || description from reports where context = $2 and build_id = $1", build, context)
	}
	const waits = "waiting for the repository of f37-build, which can't be made: modules: x86_64: demo-1.0"
	for _, build := range []int64{first, late} {
		if got := status(build, "distbot/f37/srpm"); !strings.HasPrefix(got, "pending: "+waits) {
			t.Errorf("build %d: %q", build, got)
		}
		if got := status(build, "distbot/f37"); !strings.HasPrefix(got, fmt.Sprintf("pending: build %d is queued, %s", build, waits)) {
			t.Errorf("build %d: %q", build, got)
		}
	}
	queuetest.Exec(t, s.Pool, "update tag_builds set revoke_event = create_event where build_id = (select id from builds where nvr = 'demo-1-1')")
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	s.fresh(t)
	for _, build := range []int64{first, late} {
		if got := status(build, "distbot/f37/srpm"); got != "pending: waiting for a builder" {
			t.Errorf("build %d: %q", build, got)
		}
	}
	if n := queuetest.Value[int](t, s.Pool, "select count(*) from repo_troubles"); n != 0 {
		t.Errorf("%d troubles are left", n)
	}
}

// TestMergeModulesKeepsTexts: what one document says stays as it was written.
func TestMergeModulesKeepsTexts(t *testing.T) {
	t.Parallel()
	s := newLoneStage(t, "x86_64")
	base := queuetest.Tag(t, s.Pool, "base", "x86_64")
	queuetest.Inherit(t, s.Pool, s.dist.DestTag, base, 10)
	const far = "---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: demo, modified: 9, stream: \"1\"} # far\n...\n"
	const near = "---\n# a word\ndocument:   modulemd-defaults\nversion: 1\ndata: {module: demo, modified: 3, stream: \"2\"}\n...\n"
	s.modules(t, base, far)
	s.modules(t, s.dist.DestTag, near)
	s.regenerate(t, s.dist.DestTag)
	s.work(t)
	s.settled(t)
	text, err := document(s.tree(t), "modules")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(near, string(text)); diff != "" {
		t.Errorf("modules.yaml (-want +got):\n%s", diff)
	}
}
