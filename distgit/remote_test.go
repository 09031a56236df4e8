package distgit

import (
	"errors"
	"strings"
	"testing"
)

func TestRemoteURL(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		base, url string
		want      string // empty when it is refused
	}{
		{"https://forge.example", "https://forge.example/rpms/a.git", "https://forge.example/rpms/a.git"},
		{"https://forge.example/", "https://FORGE.example:443/rpms/a", "https://FORGE.example:443/rpms/a"},
		{"https://forge.example/git", "https://forge.example/git/rpms/a", "https://forge.example/git/rpms/a"},
		{"http://127.0.0.1:3000", "http://127.0.0.1:3000/rpms/a.git", "http://127.0.0.1:3000/rpms/a.git"},
		{"/srv/git", "/srv/git/rpms/a.git", "file:///srv/git/rpms/a.git"},
		{"file:///srv/git", "/srv/git/rpms/a.git", "file:///srv/git/rpms/a.git"},

		{"https://forge.example", "http://forge.example/rpms/a", ""},
		{"https://forge.example", "https://forge.example.evil.example/rpms/a", ""},
		{"https://forge.example", "https://forge.example@evil.example/rpms/a", ""},
		{"https://forge.example", "https://user:secret@forge.example/rpms/a", ""},
		{"https://forge.example", "https://forge.example:8443/rpms/a", ""},
		{"https://forge.example", "https://forge.example./rpms/a", ""},
		{"https://forge.example", "https://evil.example/https://forge.example/a", ""},
		{"https://forge.example/git", "https://forge.example/gitx/a", ""},
		{"https://forge.example/git", "https://forge.example/git/../a", ""},
		{"https://forge.example/git", "https://forge.example/git/%2e%2e/a", ""},
		{"https://forge.example/git", "https://forge.example/git", ""},
		{"https://forge.example", "https://forge.example/a?x=y", ""},
		{"https://forge.example", "https://forge.example/a#x", ""},
		{"https://forge.example", "https://forge.example/a%00b", ""},
		{"https://forge.example", "https://forge.example/a%0ab", ""},
		{"https://forge.example", "file:///etc", ""},
		{"https://forge.example", "/etc", ""},
		{"https://forge.example", "ext::sh -c touch% /x", ""},
		{"https://forge.example", "ssh://forge.example/a", ""},
		{"https://forge.example", "git://forge.example/a", ""},
		{"https://forge.example", "git@forge.example:a", ""},
		{"https://forge.example", "--upload-pack=touch /x", ""},
		{"https://forge.example", "", ""},
		{"", "https://forge.example/a", ""},
		{"/srv/git", "/srv/git/../other", ""},
		{"/srv/git", "/srv/gitother/a", ""},
		{"/srv/git", "file://host/srv/git/a", ""},
		{"/srv/git", "srv/git/a", ""},
	} {
		got, err := Remote{Forge: "f", ID: "1", Base: test.base, URL: test.url}.fetchURL()
		switch {
		case test.want == "" && !errors.Is(err, ErrNotAllowed):
			t.Errorf("base %q, URL %q: %v, %v; want ErrNotAllowed", test.base, test.url, got, err)
		case test.want == "" && strings.Contains(err.Error(), "secret"):
			t.Errorf("base %q, URL %q: the error repeats a password: %v", test.base, test.url, err)
		case test.want != "" && (err != nil || got.String() != test.want):
			t.Errorf("base %q, URL %q: %v, %v; want %q", test.base, test.url, got, err, test.want)
		}
	}
}

func TestMirrorPath(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ forge, id, want string }{
		{"gitea", "42", "/m/gitea/42.git"},
		{"local", "rpms/hello", "/m/local/rpms%2Fhello.git"},
		{"local", "rpms/gtk+-2~x", "/m/local/rpms%2Fgtk+-2~x.git"},
		{"", "1", ""},
		{"..", "1", ""},
		{"a/b", "1", ""},
		{"f", "", ""},
		{"f", "..", ""},
		{"f", "../x", ""},
		{"f", "a/../b", ""},
		{"f", "a/.hidden", ""},
		{"f", "a//b", ""},
		{"f", "a/", ""},
		{"f", "/a", ""},
		{"f", "-a", ""},
		{"f", "a%2Fb", ""},
		{"f", "a b", ""},
		{"f", "a\nb", ""},
		{"f", strings.Repeat("a", 300), ""},
	} {
		got, err := Remote{Forge: test.forge, ID: test.id}.mirrorPath("/m")
		if got != test.want || (test.want == "") != errors.Is(err, ErrNotAllowed) {
			t.Errorf("forge %q, id %.20q: %q, %v; want %q", test.forge, test.id, got, err, test.want)
		}
	}
}
