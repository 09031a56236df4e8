package drivertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/autospec"
)

// Past is a history that grows by commits.
type Past struct{ autospec.History }

// NewPast is a history of package.spec without a commit.
func NewPast() *Past {
	return &Past{autospec.History{Spec: "package.spec", Blobs: map[string][]byte{}, Trees: map[string][]autospec.File{}}}
}

// Commit adds a commit of these files after the newest one, a day later.
func (p *Past) Commit(message string, files map[string]string) {
	n := len(p.Commits) + 1
	c := autospec.Commit{
		ID: fmt.Sprintf("c%d", n), Tree: fmt.Sprintf("t%d", n), Author: "Ann Author <ann@example.org>",
		Time: 1_700_000_000 + int64(n)*86_400, Message: message,
	}
	if n > 1 {
		c.Parents = []string{fmt.Sprintf("c%d", n-1)}
	}
	for name, text := range files {
		blob := "blob of " + text
		p.Blobs[blob] = []byte(text)
		switch name {
		case p.Spec:
			c.SpecBlob = blob
		case "changelog":
			c.ChangelogBlob = blob
		default:
			p.Trees[c.Tree] = append(p.Trees[c.Tree], autospec.File{Name: name, Blob: blob})
		}
	}
	p.Commits = append([]autospec.Commit{c}, p.Commits...)
}

// AutoSpec is a spec whose release and changelog are computed.
func AutoSpec(version, release string) string {
	text := strings.Replace(SpecText("computed", "%files\n"), "Version: 1\n", "Version: "+version+"\n", 1)
	text = strings.Replace(text, "Release: 1%{?dist}\n", "Release: "+release+"\n", 1)
	return text + "%changelog\n%autochangelog\n"
}

// Order completes an order for the source package of the newest commit, which
// holds these files.
func (p *Past) Order(t testing.TB, order builders.Order, files map[string]string) builders.SRPMOrder {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.json")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := p.Encode(file); err != nil {
		t.Fatal(err)
	}
	return builders.SRPMOrder{Order: order, SourceDir: Checkout(t, files), Spec: p.Spec, History: path}
}

// Query asks rpm about a package.
func Query(t testing.TB, format, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "rpm", "-qp", "--dbpath", t.TempDir(), "--qf", format, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// ChangelogFormat asks Query for all entries of a changelog.
const ChangelogFormat = `[* %{CHANGELOGTIME:day} %{CHANGELOGNAME}\n%{CHANGELOGTEXT}\n]`
