//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/e2e/giteatest"
)

// system is a Gitea and the installation that works for it.
type system struct {
	*distbot
	gitea     *giteatest.Gitea
	lookaside *lookaside
	// bot is the account that reports.
	bot giteatest.User
}

// hookEvents are those docs/configuration.md tells an administrator to choose.
var hookEvents = []string{"push", "create", "delete", "pull_request"}

// newSystem starts a Gitea, a lookaside and distbot. forgeURL is Gitea's own,
// unless a proxy stands before it.
func newSystem(t testing.TB, name string, gitea *giteatest.Gitea, forgeURL string, targets ...target) *system {
	t.Helper()
	s := &system{gitea: gitea, lookaside: newLookaside(t), bot: gitea.CreateUser(t, "bot")}
	gitea.CreateOrg(t, "rpms")
	s.distbot = install(t, setup{
		name: name, lookaside: s.lookaside.url(), targets: targets,
		forges: fmt.Sprintf("  - {name: gitea, kind: forgejo, url: %q, token_file: token, webhook_secret_files: [webhook.secret]}\n", forgeURL),
	})
	writeFile(t, s.path("token"), s.bot.Token+"\n", 0o600)
	s.start(t)
	return s
}

// repo makes the repository of a package, with a hook, and a clone of it.
func (s *system) repo(t testing.TB, pkg string) (giteatest.Repo, *giteatest.Clone) {
	t.Helper()
	repo := s.gitea.CreateRepo(t, "rpms", pkg)
	s.gitea.AddCollaborator(t, repo, s.bot, "write")
	s.gitea.CreateHook(t, repo, s.hookURL("gitea"), s.secret, hookEvents...)
	return repo, s.gitea.Clone(t, s.gitea.Admin, repo)
}

// pushTo commits files, pushes them to a branch and returns the commit.
func pushTo(t testing.TB, clone *giteatest.Clone, branch string, f files) (commit string) {
	t.Helper()
	commit = clone.Commit(t, "Change", f)
	clone.Push(t, branch)
	return commit
}

// states are what the contexts of a commit should come to.
type states map[string]string

// built are the states of a build of an architecture that went well. Of a noarch
// build the machine's own architecture is left out, which is a success.
func built(target, arch string) states {
	want := states{"distbot/" + target: "success", "distbot/" + target + "/srpm": "success", "distbot/" + target + "/" + arch: "success"}
	if arch == "noarch" {
		want["distbot/"+target+"/"+hostArch()] = "success" // skipped
	}
	return want
}

// expect waits until a commit's contexts have come to the states, and checks
// what Gitea was told on the way.
func (s *system) expect(t testing.TB, repo giteatest.Repo, commit string, want states) map[string]giteatest.Status {
	t.Helper()
	var got map[string]giteatest.Status
	eventually(t, fmt.Sprintf("end of all statuses of %s@%s", repo, commit), func() (string, bool) {
		got = s.gitea.Statuses(t, repo, commit)
		reached := states{}
		for context, status := range got {
			reached[context] = status.State
			if status.State != "pending" && status.State != want[context] {
				t.Fatalf("%s of %s came to %s (%s), want %q", context, repo, status.State, status.Description, want[context])
			}
		}
		return fmt.Sprint(got), maps.Equal(reached, want)
	})
	s.checkHistory(t, repo, commit, want)
	return got
}

// checkHistory checks that each context ended exactly once, with nothing after
// it, and was pending before when something was built for it.
func (s *system) checkHistory(t testing.TB, repo giteatest.Repo, commit string, want states) {
	t.Helper()
	byContext := map[string][]giteatest.Status{}
	for _, status := range s.gitea.StatusHistory(t, repo, commit) {
		byContext[status.Context] = append(byContext[status.Context], status)
		if n := utf8.RuneCountInString(status.Description); n > 140 || n == 0 {
			t.Errorf("%s of %s has a description of %d characters: %s", status.Context, repo, n, status.Description)
		}
	}
	if diff := cmp.Diff(sortedNames(want), slices.Sorted(maps.Keys(byContext))); diff != "" {
		t.Errorf("contexts of %s@%s (-want +got):\n%s", repo, commit, diff)
	}
	for context, history := range byContext {
		var finals []string
		for _, status := range history {
			if status.State != "pending" {
				finals = append(finals, status.State)
			}
		}
		if diff := cmp.Diff([]string{want[context]}, finals); diff != "" {
			t.Errorf("%s of %s@%s ended so (-want +got):\n%s\nall: %v", context, repo, commit, diff, history)
		}
		if last := history[len(history)-1]; last.State != want[context] {
			t.Errorf("%s of %s@%s: %s (%s) came after the end", context, repo, commit, last.State, last.Description)
		}
	}
}

// contains fails the test unless text has part in it.
func contains(t testing.TB, what, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%s is %q, which lacks %q", what, text, part)
	}
}

// settled waits until every delivery of a repository was dealt with, n of them
// at least, and returns how: "EVENT REF STATE". Ignored ones have no ref.
func (s *system) settled(t testing.TB, repo giteatest.Repo, n int) []string {
	t.Helper()
	var got []string
	eventually(t, fmt.Sprintf("end of %d deliveries of %s", n, repo), func() (string, bool) {
		got = s.column(t, `select event || ' ' || ref || ' ' || state from deliveries
			where convert_from(body, 'UTF8')::json -> 'repository' ->> 'full_name' = $1 order by id`, string(repo))
		open := slices.ContainsFunc(got, func(line string) bool { return strings.HasSuffix(line, " received") })
		return strings.Join(got, ", "), len(got) >= n && !open
	})
	return got
}

// column reads a column of text from the database.
func (d *distbot) column(t testing.TB, sql string, args ...any) []string {
	t.Helper()
	rows, err := d.pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var column []string
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		column = append(column, value)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return column
}
