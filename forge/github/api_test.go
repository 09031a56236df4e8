package github

import (
	"errors"
	"testing"

	"github.com/distbot/distbot/forge"
)

func TestTheAPIIsFoundFromTheSite(t *testing.T) {
	t.Parallel()
	for site, want := range map[string]string{
		"":                          "https://api.github.com",
		"https://github.com/":       "https://api.github.com",
		"https://code.example.org":  "https://code.example.org/api/v3",
		"https://code.example.org/": "https://code.example.org/api/v3",
	} {
		f, err := New(Config{URL: site, Token: func() (string, error) { return "t", nil }})
		if err != nil {
			t.Fatal(err)
		}
		client, err := f.clientWith("t")
		if err != nil || client.BaseURL.String() != want+"/" {
			t.Errorf("the API of %q is %v (%v), want %s/", site, client, err, want)
		}
	}
}

func TestWithoutATokenNothingIsSent(t *testing.T) {
	t.Parallel()
	f, err := New(Config{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	repo := forge.Repository{FullName: "rpms/hello"}
	status := forge.Status{Context: "distbot/f37", State: forge.StatePending}
	err = f.SetStatus(t.Context(), repo, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", status)
	if _, retry := errors.AsType[*forge.RetryError](err); err == nil || retry {
		t.Errorf("SetStatus = %v, want an error about the token", err)
	}
	if user, password, err := f.CloneAuth(t.Context(), repo); user+password != "" || err != nil {
		t.Errorf("CloneAuth = %q, %q, %v, want nothing", user, password, err)
	}
}
