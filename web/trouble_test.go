package web

import (
	"testing"
)

// troubleSQL refuses what f37-build wants, fails to make f37, and has checked
// the requirements of two generations.
const troubleSQL = `
delete from repo_holds;
insert into repo_troubles (tag_id, kind, reason, problems, rev, since, at) values
	(2, 'refused', 'closure: x86_64: <b>a</b> requires b (and 1 more)', '["x86_64: <b>a</b> requires b", "riscv64: c requires d"]', 9, '2026-03-01T11:45:00Z', '2026-03-01T11:50:00Z'),
	(1, 'failing', 'the signer can''t be reached', '[]', 11, '2026-03-01T11:55:00Z', '2026-03-01T11:58:00Z');
update repo_generations set closure = '{"policy": "warn", "problems": 2, "listed": ["x86_64: <i>libhello</i> requires libworld", "x86_64: more"]}' where tag_id = 1 and number = 3;
update repo_generations set closure = '{"policy": "block", "problems": 0, "listed": []}' where tag_id = 1 and number = 2;
update repo_generations set closure = '{"policy": "warn", "problems": 0, "listed": [], "unchecked": "x86_64: external repository away: no repository"}' where tag_id = 1 and number = 4`

func newTroubles(t *testing.T) *site {
	t.Helper()
	s := newGenerations(t)
	s.exec(troubleSQL)
	return s
}

func TestARepositoryThatCantBeMadeSaysWhy(t *testing.T) {
	t.Parallel()
	s := newTroubles(t)
	const refused = "<strong>The repository of f37-build can’t be made</strong> since "
	t.Run("on the pages of repositories and tags", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		for _, path := range []string{"/repos", "/repos/f37-build", "/repos/f37-build/1", "/tags/f37-build"} {
			s.page(path, refused, "closure: x86_64: &lt;b&gt;a&lt;/b&gt; requires b (and 1 more)", "<li>riscv64: c requires d</li>",
				"It is tried again when the tag changes, or by <code>distbot repo publish f37-build</code>")
		}
		s.page("/repos/f37", "The repository of f37 can’t be made", "the signer can&#39;t be reached", "It is tried again, the last time ")
		s.page("/repos", `data-state="refused"`, `data-state="failing"`)
		s.page("/tags", `data-state="refused"`)
		s.lacks("/tags/f37-build?event=2", "can’t be made")
	})
	t.Run("also while somebody goes back, until that is made", func(t *testing.T) {
		t.Parallel()
		s := newTroubles(t)
		s.exec("delete from repo_troubles where tag_id <> 2; insert into repo_holds (tag_id, generation_id, actor, reason) select tag_id, id, 'pat', '' from repo_generations where tag_id = 2 limit 1")
		s.page("/repos", `data-state="refused"`)
		s.page("/tags", `data-state="refused"`)
		s.lacks("/repos", `data-state="held"`)
		s.exec("delete from repo_troubles")
		s.page("/repos", `data-state="held"`)
	})
	t.Run("to builds that wait for it", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		const why = "can&#39;t be made since 2026-03-01 11:45 UTC: closure: x86_64: &lt;b&gt;a&lt;/b&gt; requires b"
		s.page("/queue", why)
		s.page("/builds/3", why)
		s.page("/api/v1/builds/3", "the repository of f37-build can't be made since 2026-03-01 11:45 UTC: closure")
	})
	t.Run("to programs", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		s.exec("update events set at = '2026-01-01T00:00:00Z' where id = 1")
		s.answersAre(t, map[string]string{"repos_trouble": "/api/v1/repos", "queue_trouble": "/api/v1/queue", "generations_closure": "/api/v1/repos/f37/generations?limit=2"})
		s.page("/metrics", "distbot_tags_troubled 2\n")
	})
	t.Run("until it is made", func(t *testing.T) {
		t.Parallel()
		s := newTroubles(t)
		s.exec("delete from repo_troubles")
		for _, path := range []string{"/repos", "/repos/f37-build", "/queue"} {
			s.lacks(path, "can’t be made", "can&#39;t be made")
		}
	})
}

func TestAGenerationTellsWhatItsRequirementsLack(t *testing.T) {
	t.Parallel()
	s := newTroubles(t)
	s.page("/repos/f37/3", `<strong class="num">2</strong> that nothing meets:`, "<li>x86_64: &lt;i&gt;libhello&lt;/i&gt; requires libworld</li>", `href="#closure"`)
	s.page("/repos/f37/2", "Everything that its packages require is there.")
	s.page("/repos/f37/4", "They could not be looked at: x86_64: external repository away: no repository")
	s.lacks("/repos/f37/1", "Requirements")
	s.page("/repos/f37", `<span class="chip warn">not closed</span>`)
}
