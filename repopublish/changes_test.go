package repopublish

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// TestWhatGenerationsHeld publishes at random builds that have names in common,
// and wants each generation recorded as it was served, and names given as a
// publisher gives them that remembers nothing.
func TestWhatGenerationsHeld(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64", "aarch64")
	queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
	s.work(t)
	builds := make([]int64, 6)
	for i := range builds {
		name := fmt.Sprintf("p%d", i)
		builds[i] = s.complete(t, i, name, "1", fmt.Sprintf("own%d.aarch64", i))
		shared := fmt.Sprintf("shared%d", i%3)
		s.record(t, builds[i], name, "1", shared, "x86_64", s.packRequiring(t, shared, "1", "x86_64", "bytes-of-"+name))
		s.record(t, builds[i], name, "1", "data-"+name, "noarch", s.pack(t, "data-"+name, "1", "noarch"))
	}
	random := rand.New(rand.NewPCG(3, 5))
	var stale *holding
	tagged, served := map[int64]bool{}, map[int64][]string{}
	for range 25 {
		build := builds[random.IntN(len(builds))]
		if tagged[build] = !tagged[build]; tagged[build] {
			s.tag(t, s.dist.DestTag, build)
		} else {
			queuetest.Exec(t, s.Pool, "delete from tag_builds where build_id = $1", build)
			s.regenerate(t, s.dist.DestTag)
		}
		switch random.IntN(3) {
		case 0:
			s.forgetSpares()
		case 1:
			stale = s.goStale(stale)
		}
		s.settled(t)
		number := s.newest(t)
		served[number] = []string{}
		for _, pkg := range publishedPackages(t, s, number) {
			served[number] = append(served[number], pkg.Href+" "+pkg.Checksum)
		}
		slices.Sort(served[number])

		c, err := s.current(t.Context(), s.dist.DestTag)
		if err != nil {
			t.Fatal(err)
		}
		closeAhead(t, c)
		if err := namesApart(t.Context(), db.New(s.Pool), "f37", c, nil); err != nil {
			t.Fatal(err)
		}
		anew := []string{}
		for _, item := range c.repos["x86_64"].items {
			anew = append(anew, item.Href+" "+item.SHA256)
		}
		slices.Sort(anew)
		if diff := cmp.Diff(anew, served[number]); diff != "" {
			t.Fatalf("generation %d (-remembering nothing +published)\n%s", number, diff)
		}
	}
	moved := 0
	for number, want := range served {
		recorded := queuetest.Values[string](t, s.Pool, `select coalesce(gr.href, 'Packages/' || left(r.name, 1) || '/' || r.name || '-' || r.version || '-' || r.release || '.' || r.arch || '.rpm')
			|| ' ' || coalesce(gr.sha256, r.sha256) from generation_rpms gr join rpms r on r.id = gr.rpm_id join repo_generations g on g.id = gr.generation_id
			where g.tag_id = $1 and g.number = $2 and gr.arch = 'x86_64'`, s.dist.DestTag, number)
		slices.Sort(recorded)
		if diff := cmp.Diff(want, append([]string{}, recorded...)); diff != "" {
			t.Errorf("generation %d (-served +recorded)\n%s", number, diff)
		}
		moved += queuetest.Value[int](t, s.Pool, `select count(*) from generation_rpms gr join repo_generations g on g.id = gr.generation_id
			where g.tag_id = $1 and g.number = $2 and gr.href is not null`, s.dist.DestTag, number)
	}
	if moved == 0 {
		t.Error("no package got another name: nothing was tested")
	}
	// A row for each time that a package came, and not one for each generation.
	rows := queuetest.Value[int](t, s.Pool, "select count(*) from repo_rpms where tag_id = $1", s.dist.DestTag)
	if all := queuetest.Value[int](t, s.Pool, "select count(*) from generation_rpms gr join repo_generations g on g.id = gr.generation_id where g.tag_id = $1", s.dist.DestTag); rows*2 > all {
		t.Errorf("%d rows for generations that hold %d packages together", rows, all)
	}
}

// goStale has the publisher remember an older generation as the newest, as if
// another process had published since; it returns the first that was remembered.
func (s *stage) goStale(older *holding) *holding {
	s.spares.mu.Lock()
	defer s.spares.mu.Unlock()
	one := s.spares.byTag[s.dist.DestTag]
	if one == nil {
		return older
	}
	if older == nil {
		return one.holding
	}
	one.holding = older
	return older
}

func TestAGenerationOlderThanWhatWasPublished(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "1", "hello.x86_64"))
	defer s.alone(t)()
	tag, err := db.New(s.Pool).TagForPublish(t.Context(), s.dist.DestTag)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.current(t.Context(), tag.ID)
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.make(t.Context(), filepath.Join(s.ReposDir, "f37"), tag, c)
	if err != nil {
		t.Fatal(err)
	}
	queuetest.Exec(t, s.Pool, "insert into repo_generations (tag_id, directory, number, rev, state, published_at) values ($1, 'renamed', 100, 100, 'published', now())", tag.ID)
	err = pgx.BeginFunc(t.Context(), s.Pool, func(tx pgx.Tx) error {
		return (&Worker{Publisher: s.Publisher}).publishRow(t.Context(), tx, tag.ID, made)
	})
	if !errors.Is(err, queue.ErrLostAttempt) {
		t.Errorf("got %v, want ErrLostAttempt", err)
	}
	if n := queuetest.Value[int](t, s.Pool, "select count(*) from repo_rpms where tag_id = $1", tag.ID); n != 0 {
		t.Errorf("%d packages were recorded of it", n)
	}
}

// forgetSpares makes the publisher one that has just begun.
func (s *stage) forgetSpares() {
	s.spares.mu.Lock()
	defer s.spares.mu.Unlock()
	s.spares.byTag, s.spares.recent = nil, nil
}
