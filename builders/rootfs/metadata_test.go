package rootfs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/sandbox"
)

// shape is a package of a repository, without files. Relations are separated by
// commas.
type shape struct {
	version, release                          string // default 1
	summary                                   string
	provides, requires, obsoletes, recommends string
	conflicts                                 string
}

// or is text, or what stands for none.
func or(text, none string) string {
	if text == "" {
		return none
	}
	return text
}

// packed makes the packages of shapes, by their names.
func packed(t testing.TB, shapes map[string]shape) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for name, s := range shapes {
		meta := rpmpack.RPMMetaData{
			Name: name, Version: or(s.version, "1"), Release: or(s.release, "1"), Arch: "noarch", Summary: or(s.summary, "A test"),
		}
		for list, text := range map[*rpmpack.Relations]string{
			&meta.Provides: s.provides, &meta.Requires: s.requires, &meta.Obsoletes: s.obsoletes, &meta.Recommends: s.recommends, &meta.Conflicts: s.conflicts,
		} {
			for part := range strings.SplitSeq(text, ",") {
				if part != "" {
					if err := list.Set(part); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		files[name+".noarch.rpm"] = rpmtest.Pack(t, meta, nil)
	}
	return files
}

// held lists the packages of a base root with the digests of their headers.
func (b *bundle) held(t testing.TB, root *base) []builders.Installed {
	t.Helper()
	view, mounts := sandbox.HostView()
	var out, notes bytes.Buffer
	result, err := b.driver.config.Runner.Run(t.Context(), sandbox.Spec{
		Root: view, Env: []string{"HOME=/home", "PATH=/usr/bin", "LC_ALL=C"},
		Mounts: append(mounts, sandbox.Mount{Source: root.dir, Target: "/buildroot", ReadOnly: true},
			sandbox.Mount{Type: sandbox.TypeFile, Target: "/home/.rpmmacros", Data: []byte(rpmMacros)}),
		Args: []string{"/usr/bin/rpm", "--root", "/buildroot", "-qa", "--qf", buildlog.InstalledFormat}, Stdout: &out, Stderr: &notes,
	})
	if err != nil || result.ExitCode != 0 {
		t.Fatalf("%+v, %v: %s", result, err, notes.String())
	}
	return buildlog.ReadInstalled(out.String())
}

// TestRootsFollowWhatDNFWouldInstall publishes again and again, and compares
// the root that is given out with one that nothing was kept for.
func TestRootsFollowWhatDNFWouldInstall(t *testing.T) {
	t.Parallel()
	b := fresh(t, nil)
	install := append([]string{"app"}, smallGroup...)
	tag := map[string]shape{
		"app": {requires: "cap", recommends: "extra"},
		"lib": {provides: "cap"},
		"aux": {requires: "nowhere"},
	}
	lower := map[string]shape{"lib": {version: "0.5", provides: "cap"}}
	var last *base
	for number, step := range []struct {
		name   string
		change func()
		reused bool
		holds  string // of tag and lower
	}{
		{"At first", func() {}, false, "app-1 lib-1"},
		{"An unrelated package comes", func() { tag["other"] = shape{requires: "lib"} }, true, "app-1 lib-1"},
		{"A newer unrelated package comes", func() { tag["other"] = shape{version: "2"} }, true, "app-1 lib-1"},
		{"One comes that conflicts with a member", func() { tag["hater"] = shape{conflicts: "lib"} }, true, "app-1 lib-1"},
		{"One comes that a member recommends", func() { tag["extra"] = shape{} }, true, "app-1 lib-1"},
		{"A newer member comes", func() { tag["lib"] = shape{version: "2", provides: "cap"} }, false, "app-1 lib-2"},
		{"A member is built again under its name", func() { tag["lib"] = shape{version: "2", provides: "cap", summary: "Other bytes"} }, false, "app-1 lib-2"},
		{"One comes that replaces a member", func() { tag["libng"] = shape{provides: "cap", obsoletes: "lib"} }, false, "app-1 libng-1"},
		{"It goes again", func() { delete(tag, "libng") }, false, "app-1 lib-2"},
		{"A member asks for more", func() { tag["app"] = shape{version: "1.1", requires: "cap,other", recommends: "extra"} }, false, "app-1.1 lib-2 other-2"},
		{"A member is removed, one of a parent takes its place", func() { delete(tag, "lib") }, false, "app-1.1 lib-0.5 other-2"},
		{"One comes that meets a requirement as well", func() { tag["acap"] = shape{version: "9", provides: "cap"} }, false, "acap-9 app-1.1 other-2"},
		{"Unrelated ones go", func() { delete(tag, "hater"); delete(tag, "aux") }, true, "acap-9 app-1.1 other-2"},
	} {
		step.change()
		recipe := b.recipe(install)
		recipe.Repos = append(recipe.Repos, drivertest.Generation(t, "tag", int64(number), packed(t, tag)), drivertest.Repository(t, "parent", packed(t, lower)))
		root := b.take(t, recipe)
		if reused := last != nil && root.dir == last.dir; reused != step.reused {
			t.Errorf("%s: root is the same: %v, want %v", step.name, reused, step.reused)
		}
		last = root
		held := b.held(t, root)
		other := fresh(t, nil)
		want := other.held(t, other.take(t, recipe))
		if diff := cmp.Diff(want, held); diff != "" {
			t.Errorf("%s: the root holds not what dnf installs now (-dnf +root)\n%s", step.name, diff)
		}
		var names []string
		for _, one := range held {
			if name, ours := strings.CutSuffix(one.NEVRA, "-1.noarch"); ours && !strings.HasPrefix(name, "distbot-") {
				names = append(names, strings.Replace(name, "-0:", "-", 1)) // rpmpack writes epoch 0
			}
		}
		if got := strings.Join(names, " "); got != step.holds {
			t.Errorf("%s: the root holds %s, want %s", step.name, got, step.holds)
		}
	}
}

// TestRequirementsComeFromTheContentOfNow builds in a root that was installed
// from an older content.
func TestRequirementsComeFromTheContentOfNow(t *testing.T) {
	t.Parallel()
	b := fresh(t, nil)
	b.group = srpmGroup
	dir := drivertest.Checkout(t, map[string]string{
		"package.spec": strings.Replace(drivertest.SpecText("user", "%files\n"), "BuildArch:", "BuildRequires: tool\nBuildArch:", 1),
	})
	order, before, err := b.build(t, dir, drivertest.Generation(t, "tag", 1, packed(t, map[string]shape{"tool": {}})))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(drivertest.Log(t, order, "root.log"), "# installing a base root") { // its source package's task did
		t.Error("the second task of one content installs its base root, too")
	}
	order, after, err := b.build(t, dir, drivertest.Generation(t, "tag", 2, packed(t, map[string]shape{"tool": {version: "2"}})))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(drivertest.Log(t, order, "root.log"), "# installing a base root") || len(b.keys(t)) != 1 {
		t.Errorf("%d base roots, want that the first is used again", len(b.keys(t)))
	}
	if before.RepoKey == after.RepoKey {
		t.Error("both contents have one key")
	}
	tool := func(outcome builders.Outcome) string {
		i := slices.IndexFunc(outcome.Installed, func(i builders.Installed) bool { return strings.HasPrefix(i.NEVRA, "tool-") })
		if i < 0 || outcome.Installed[i].Repo != "tag" || len(outcome.Installed[i].SHA256) != 64 {
			t.Fatalf("tool is not in the buildroot, or came from nowhere: %v", outcome.Installed)
		}
		return outcome.Installed[i].NEVRA
	}
	if tool(before) != "tool-0:1-1.noarch" || tool(after) != "tool-0:2-1.noarch" {
		t.Errorf("builds got %s and %s, want tool-1-1 and tool-2-1", tool(before), tool(after))
	}
}

// TestResolutionsThatTellNothing reads answers of which no key can be made.
func TestResolutionsThatTellNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, answer, want, wrong string }{
		{"Packages in any order", `{"install": [["b-1-1.noarch", "sha256", "22"], ["a-1-1.noarch", "sha512", "11"]], "remove": []}`, "a-1-1.noarch sha512 11,b-1-1.noarch sha256 22", ""},
		{"A digest that can be forged", `{"install": [["a-1-1.noarch", "sha1", "11"]], "remove": []}`, "", ""},
		{"No digest", `{"install": [["a-1-1.noarch", null, null]], "remove": []}`, "", ""},
		{"A package that goes", `{"install": [["a-1-1.noarch", "sha256", "11"]], "remove": ["b-1-1.noarch"]}`, "", ""},
		{"No packages", `{"install": [], "remove": []}`, "", "dnf would install nothing"},
		{"Half an answer", `{"install": [["a-1-`, "", "read what dnf would install"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, answerDir), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, answerDir, packageFile), []byte(test.answer), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := readResolution(dir)
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("got %v, want %s", err, test.wrong)
				}
				return
			}
			if err != nil || strings.Join(got, ",") != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
	if _, err := readResolution(t.TempDir()); err == nil || !strings.Contains(err.Error(), "dnf did not say") {
		t.Errorf("got %v of no answer", err)
	}
}

// TestARootOfWeakDigestsIsKnownByContent: what dnf answers is no key there.
func TestARootOfWeakDigestsIsKnownByContent(t *testing.T) {
	t.Parallel()
	b := fresh(t, nil)
	take := func(number int64, extra string) *base {
		tag := drivertest.Generation(t, "tag", number, packed(t, map[string]shape{"app": {}, extra: {}}))
		weaken(t, strings.TrimPrefix(tag.URL, "file://"))
		recipe := b.recipe([]string{"app"})
		recipe.Repos = []builders.Repo{tag, b.base}
		root := must(b.driver.bases.get(t.Context(), recipe, diagnosis.NewLog("root.log", t.Output(), nil)))(t)
		t.Cleanup(root.release)
		return root
	}
	first := take(1, "one")
	if again := take(2, "one"); again.dir != first.dir {
		t.Error("another root of the same content")
	}
	if other := take(3, "two"); other.dir == first.dir {
		t.Error("the same root of another content, although its packages are not known by a strong digest")
	}
}

// weaken makes createrepo_c describe a repository by SHA-1.
func weaken(t testing.TB, dir string) {
	t.Helper()
	for _, path := range must(filepath.Glob(filepath.Join(dir, "*.rpm")))(t) { // whose time is in primary.xml
		if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "createrepo_c"), "-q", "--no-database", "--checksum=sha1", "--repomd-checksum=sha256", "--revision=1", "--set-timestamp-to-revision", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
