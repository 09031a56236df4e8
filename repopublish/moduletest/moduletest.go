// Package moduletest makes the modular repositories of testdata/modules for
// tests, and asks the real dnf about repositories.
package moduletest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/repopublish/directory"
)

// Vectors are the recorded scenarios.
type Vectors struct {
	Repos map[string]struct {
		RPMs    []string `json:"rpms"`
		Modules *string  `json:"modules_yaml"`
	} `json:"repos"`
	Scenarios []Scenario `json:"scenarios"`
}

// Scenario is what dnf did.
type Scenario struct {
	ID    string `json:"id"`
	Steps []Step `json:"steps"`
	// RPMDB is what was installed in the end, each as NEVRA, blank, bar, blank
	// and label; nil where it was not looked at.
	RPMDB []string `json:"final_rpmdb"`
}

// Step is one command.
type Step struct {
	Repos  []string `json:"repos"`
	Args   string   `json:"args"`
	RC     int      `json:"rc"`
	Output []string `json:"output"`
}

// Dir is testdata/modules, seen from repopublish or a package below it.
func Dir(t testing.TB) string {
	t.Helper()
	for _, dir := range []string{"../testdata/modules", "../../testdata/modules"} {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	t.Fatal("testdata/modules is not where it should be")
	return ""
}

// Load reads the vectors.
func Load(t testing.TB) Vectors {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Dir(t), "dnf-scenarios.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v Vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Scenario is the one with that id.
func (v Vectors) Scenario(t testing.TB, id string) Scenario {
	t.Helper()
	i := slices.IndexFunc(v.Scenarios, func(s Scenario) bool { return s.ID == "dnf-"+id })
	if i < 0 {
		t.Fatalf("no scenario %s", id)
	}
	return v.Scenarios[i]
}

// Write makes a repository of the vectors and returns its directory.
func (v Vectors) Write(t testing.TB, name string) string {
	t.Helper()
	repo, ok := v.Repos[name]
	if !ok {
		t.Fatalf("no repository %s", name)
	}
	var modules string
	if repo.Modules != nil {
		modules = *repo.Modules
	}
	return WriteRPMs(t, modules, repo.RPMs...)
}

// WriteRPMs makes a repository of RPMs of the vectors, with module documents
// unless they are empty.
func WriteRPMs(t testing.TB, modules string, rpms ...string) string {
	t.Helper()
	out := t.TempDir()
	for _, rpm := range rpms {
		raw, err := os.ReadFile(filepath.Join(Dir(t), "rpms", rpm))
		if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(rpm, ".src.rpm") {
			continue // sources are named only
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(out, rpm), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	Create(t, out, modules)
	return out
}

// Create makes the repodata of a directory of RPMs, with module documents unless
// they are empty. Nothing checks them.
func Create(t testing.TB, out, modules string) {
	t.Helper()
	opts := directory.Options{Dir: out, AllowUnlisted: true}
	if modules != "" {
		opts.Modules = []byte(modules)
	}
	if _, err := directory.Create(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
}

// Client is a system that dnf installs into.
type Client struct{ root string }

// NewClient makes a system with nothing in it.
func NewClient(t testing.TB) Client {
	t.Helper()
	return Client{t.TempDir()}
}

// DNF runs dnf with repositories, each as NAME,DIRECTORY, for the platform el8,
// and returns its exit code and what it says.
func (c Client) DNF(t testing.TB, repos []string, args ...string) (int, string) {
	t.Helper()
	config := filepath.Join(c.root, "dnf.conf")
	if err := os.WriteFile(config, []byte("[main]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	line := []string{
		"--config=" + config, "--installroot=" + c.root, "--setopt=reposdir=/dev/null", "--setopt=varsdir=/dev/null", "--setopt=module_platform_id=platform:el8",
		"--releasever=8", "--nogpgcheck", "-y", "--setopt=install_weak_deps=0", "--setopt=persistdir=" + c.root + "/var/lib/dnf",
		"--setopt=cachedir=" + c.root + "/var/cache/dnf", "--setopt=logdir=" + c.root, "--setopt=tsflags=nodocs", "--setopt=metadata_expire=0", "--forcearch=x86_64",
	}
	for _, r := range repos {
		name, path, _ := strings.Cut(r, ",")
		line = append(line, "--repofrompath="+name+",file://"+path, "--repo="+name)
	}
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "dnf"), append(line, args...)...)
	cmd.Env = c.environment()
	out, err := cmd.CombinedOutput()
	return exitCode(t, err), string(out)
}

// environment is that of all commands: where Debian's rpm has its database
// depends on it.
func (c Client) environment() []string {
	return []string{"HOME=" + c.root, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "COLUMNS=200"}
}

// Installed are the packages in the system, each as NEVRA, blank, bar, blank and
// label, sorted.
func (c Client) Installed(t testing.TB) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "rpm"), "--root", c.root, "-qa", "--qf", "%{nevra} | %{modularitylabel}\n")
	cmd.Env = c.environment()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	return lines
}

func exitCode(t testing.TB, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && !errors.Is(t.Context().Err(), context.Canceled):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return 0
}

// Lie replaces a text of a repository's primary.xml, and describes the result in
// repomd.xml.
func Lie(t testing.TB, dir, before, after string) {
	t.Helper()
	LieIn(t, dir, "primary", before, after)
}

// LieIn is Lie for a document of any type.
func LieIn(t testing.TB, dir, kind, before, after string) {
	t.Helper()
	path := filepath.Join(dir, "repodata", "repomd.xml")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	md, err := repomd.ReadRepomd(f)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := md.Find(kind)
	if !ok {
		t.Fatal("no " + kind)
	}
	r, err := d.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(text), before) {
		t.Fatalf("%s.xml does not hold %q: %v", kind, before, err)
	}
	text = []byte(strings.ReplaceAll(string(text), before, after))
	sum := sha256.Sum256(text)
	lie := repomd.Data{Type: kind, Href: "repodata/lie-" + kind + ".xml", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(text))}
	if err := os.WriteFile(filepath.Join(dir, lie.Href), text, 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range md.Data {
		if md.Data[i].Type == kind {
			md.Data[i] = lie
		}
	}
	if err := os.WriteFile(path, md.XML(), 0o644); err != nil {
		t.Fatal(err)
	}
}
