package drivertest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

func (x *exercise) builds(t *testing.T) {
	// In turn: the second finds what the first left for it.
	srpm := x.srpm(t, Demo(t, x.DistGit, "greet-motd"))
	order := x.order(t)
	var phases []builders.Phase
	order.Phase = func(phase builders.Phase) { phases = append(phases, phase) }
	outcome, err := x.driver.Build(t.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: "noarch"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"greet-motd-2.0-3.fc37.noarch.rpm"}, Names(t, order.ResultDir)); diff != "" {
		t.Errorf("packages (-want +got)\n%s", diff)
	}
	want := []builders.Phase{builders.PhaseBuildroot, builders.PhasePrep, builders.PhaseBuild, builders.PhaseInstall, builders.PhaseFiles}
	if strings.Contains(Log(t, order, "build.log"), "\nExecuting(%clean)") { // mock leaves it out
		want = append(want, builders.PhasePost)
	}
	if diff := cmp.Diff(want, phases); diff != "" {
		t.Errorf("phases (-want +got)\n%s", diff)
	}
	if log := Log(t, order, "build.log"); !strings.Contains(log, "Executing(%install)") || strings.Contains(log, "Alien") {
		t.Errorf("build.log is not rpmbuild's output:\n%s", log)
	}
	if Log(t, order, "root.log") == "" {
		t.Error("root.log is empty")
	}
	x.checkInstalled(t, outcome, "make-")
	for _, name := range Names(t, order.ResultDir) {
		checkReproducible(t, order, filepath.Join(order.ResultDir, name))
	}
	checkReproducible(t, order, srpm)

	compiled := Order(t, BuildGroup, x.Base)
	text := strings.Replace(SpecText("arrow", "%build\necho 'int main(void) { return 0; }' > arrow.c\ngcc -O2 -o arrow arrow.c\n"+
		"%install\ninstall -D arrow %{buildroot}/usr/bin/arrow\n%check\n./arrow\n%files\n/usr/bin/arrow\n"), "BuildArch: noarch\n", "", 1)
	srpm = x.srpm(t, Checkout(t, map[string]string{"arrow.spec": text}))
	if outcome, err = x.driver.Build(t.Context(), builders.BuildOrder{Order: compiled, SRPM: srpm, Arch: arch.Host()}); err != nil {
		t.Fatal(err)
	}
	x.checkInstalled(t, outcome, "gcc-")
	if names, want := Names(t, compiled.ResultDir), "arrow-1-1.fc37."+arch.Host()+".rpm"; !slices.Contains(names, want) {
		t.Errorf("packages %q, want %s among them", names, want)
	}
}

func checkReproducible(t *testing.T, order builders.Order, path string) {
	t.Helper()
	pkg, _, err := rpmfile.ReadFile(path)
	if err != nil || pkg.BuildHost != "distbot.invalid" || pkg.BuildTime != order.Epoch.Unix() {
		t.Errorf("%s was built on %q at %d, %v; want distbot.invalid at the commit's time", filepath.Base(path), pkg.BuildHost, pkg.BuildTime, err)
	}
}

// checkInstalled checks that the buildroot is known and holds a package.
func (x *exercise) checkInstalled(t *testing.T, outcome builders.Outcome, prefix string) {
	t.Helper()
	if x.lacks(builders.LackBuildroot) {
		if outcome.RepoKey != "" || outcome.Installed != nil {
			t.Errorf("outcome %+v of a driver without buildroots", outcome)
		}
		return
	}
	if len(outcome.Installed) < 50 || !slices.ContainsFunc(outcome.Installed, func(i builders.Installed) bool {
		return strings.HasPrefix(i.NEVRA, prefix) && len(i.Digest) == 64
	}) {
		t.Errorf("buildroot of %d packages, want %s with its digest among more than 50", len(outcome.Installed), prefix)
	}
}

// empty is a package of a repository, with nothing in it.
func empty(t *testing.T, name string) map[string][]byte {
	return map[string][]byte{
		name + "-1-1.noarch.rpm": rpmtest.Pack(t, rpmpack.RPMMetaData{Name: name, Version: "1", Release: "1", Arch: "noarch"}, nil),
	}
}

func (x *exercise) repoKey(t *testing.T) {
	if x.lacks(builders.LackBuildroot) {
		return // checkInstalled says that there is none
	}
	content := empty(t, "first-thing")
	repo := Repository(t, "f37-build", content)
	requires := func(name string) string {
		return Checkout(t, map[string]string{"needs.spec": strings.Replace(SpecText("needs", "%files\n"), "BuildArch:", "BuildRequires: "+name+"\nBuildArch:", 1)})
	}
	first, second := requires("first-thing"), requires("second-thing")
	_, before, err := x.build(t, first, repo)
	if err != nil {
		t.Fatal(err)
	}
	x.checkInstalled(t, before, "first-thing-")
	_, same, err := x.build(t, first, Generation(t, "f37-build", 2, content))
	if err != nil {
		t.Fatal(err)
	}
	if before.RepoKey == "" || same.RepoKey != before.RepoKey {
		t.Errorf("keys %q and %q of one content", before.RepoKey, same.RepoKey)
	}
	if diff := cmp.Diff(before.Installed, same.Installed); diff != "" {
		t.Errorf("buildroots of one content differ:\n%s", diff)
	}
	// The same directory, another content.
	dir := strings.TrimPrefix(repo.URL, "file://")
	other := strings.TrimPrefix(Repository(t, "other", empty(t, "second-thing")).URL, "file://")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := LinkTree(other, dir); err != nil {
		t.Fatal(err)
	}
	_, after, err := x.build(t, second, repo)
	if err != nil {
		t.Fatal(err)
	}
	x.checkInstalled(t, after, "second-thing-")
	if after.RepoKey == before.RepoKey {
		t.Errorf("the key of another content is %q, too", after.RepoKey)
	}
}

func (x *exercise) results(t *testing.T) {
	order, _, err := x.build(t, spec(t, "tidy", "%build\ntouch left.txt\n%install\n%files\n%package extra\nSummary: More\n%description extra\nMore.\n%files extra\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tidy-1-1.fc37.noarch.rpm", "tidy-extra-1-1.fc37.noarch.rpm"}, Names(t, order.ResultDir)); diff != "" {
		t.Errorf("results (-want +got)\n%s", diff)
	}
	for _, name := range Names(t, order.ResultDir) {
		if info, err := os.Lstat(filepath.Join(order.ResultDir, name)); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v; want a regular file", name, info.Mode(), err)
		}
	}
}

func (x *exercise) macros(t *testing.T) {
	order := x.order(t)
	order.Root.Macros = map[string]string{"dist": ".el9", "two_lines": "%{expand:echo one\necho two}", "_buildhost": "elsewhere", "odd_one": "a{{b}}{#c#}"}
	dir := Checkout(t, map[string]string{"macros.spec": SpecText("macros", "%prep\n%two_lines\ntest %{_buildhost} = distbot.invalid\ntest '%odd_one' = 'a{{b}''}{''#c#}'\n%files\n")})
	if _, err := x.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: "macros.spec"}); err != nil {
		t.Fatal(err)
	}
	again := x.order(t)
	again.Root.Macros = order.Root.Macros
	srpm := filepath.Join(order.ResultDir, "macros-1-1.el9.src.rpm")
	if _, err := x.driver.Build(t.Context(), builders.BuildOrder{Order: again, SRPM: srpm, Arch: "noarch"}); err != nil {
		t.Fatal(err)
	}
	if log := Log(t, again, "build.log"); !strings.Contains(log, "\none\n") || !strings.Contains(log, "\ntwo\n") {
		t.Errorf("build.log lacks the output of the macro:\n%s", log)
	}
}
