package forgetest

import (
	"strings"
	"testing"

	"github.com/distbot/distbot/forge"
)

func exerciseCloneURL(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Parallel()
	f := setup(t)
	t.Run("it is the configured forge's and holds no credentials", func(t *testing.T) {
		t.Parallel()
		got := f.Forge.CloneURL(f.Event.Repository)
		if got != f.CloneURL {
			t.Errorf("CloneURL = %q, want %q", got, f.CloneURL)
		}
		if strings.Contains(got, "@") || f.token() != "" && strings.Contains(got, f.token()) {
			t.Errorf("CloneURL = %q holds credentials", got)
		}
	})
	t.Run("what a delivery says does not count", func(t *testing.T) {
		t.Parallel()
		got := f.Forge.CloneURL(forge.Repository{
			ID: f.Event.Repository.ID, FullName: f.Event.Repository.FullName, CloneURL: "https://evil.example/x.git",
		})
		if got != f.CloneURL {
			t.Errorf("CloneURL = %q, want %q", got, f.CloneURL)
		}
	})
	t.Run("the password is the token and the user is not", func(t *testing.T) {
		t.Parallel()
		if f.Server != nil {
			f.Server.AddCommit(f.Event.Repository.FullName, commitA)
		}
		user, password, err := f.Forge.CloneAuth(t.Context(), f.Event.Repository)
		want := f.token()
		if err != nil || password != want || user == want && want != "" {
			t.Errorf("CloneAuth = %q, %q, %v, want password %q", user, password, err, want)
		}
	})
	for _, spoofed := range f.SpoofedCloneURLs {
		t.Run("a delivery that names "+spoofed+" is malformed", func(t *testing.T) {
			t.Parallel()
			r := f.WithRepository(t, f.Event.Repository.FullName, spoofed)
			got, err := f.Forge.Parse(r.Header, r.Body)
			if !isMalformed(err) {
				t.Errorf("Parse = %+v, %v, want *forge.MalformedError", got, err)
			}
		})
	}
	for _, name := range []string{
		"", "/", ".", "..", "../x", "rpms/..", "rpms/../../etc", "/rpms/hello", "rpms//hello", "rpms/hello/", "-x/hello",
		"rpms/-hello", "rpms/he llo", "rpms/hello\x00", "rpms/hello\n", "rpms/hello%2e", "rpms/hello?x", "rpms/hello#x",
		"rpms\\hello", "rpms/hello.git", "rpms/h:x", "rpms/@", "rpms/" + strings.Repeat("x", 300), strings.Repeat("x/", 20) + "x",
	} {
		t.Run("a repository called "+name+" is malformed", func(t *testing.T) {
			t.Parallel()
			cloneURL := strings.Replace(f.CloneURL, f.Event.Repository.FullName, name, 1)
			r := f.WithRepository(t, name, cloneURL)
			got, err := f.Forge.Parse(r.Header, r.Body)
			if !isMalformed(err) {
				t.Errorf("Parse = %+v, %v, want *forge.MalformedError", got, err)
			}
		})
	}
}
