package drivertest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
)

func (x *exercise) history(t *testing.T) {
	p := NewPast()
	p.Commit("Initial import", map[string]string{p.Spec: AutoSpec("1.0", "%autorelease")})
	included := map[string]string{p.Spec: "%include %{_sourcedir}/version.inc\n" + AutoSpec("%{ver}", "%autorelease"), "version.inc": "%global ver 2.0\n"}
	p.Commit("Update to 2.0", included)
	// What an old spec leaves behind must not count for later ones.
	p.Commit("Leave macros", map[string]string{p.Spec: "%(echo '%version 7' >> ~/.rpmmacros; echo '%dist .bad' >> ~/.rpmmacros)\n" + AutoSpec("2.0", "%autorelease")})
	now := map[string]string{p.Spec: AutoSpec("2.0", "%autorelease"), "other": "file\n"}
	p.Commit("100% %(echo done)", now)
	order := x.order(t)
	if _, err := x.driver.SRPM(t.Context(), p.Order(t, order, now)); err != nil {
		t.Fatal(err)
	}
	const name = "computed-2.0-3.fc37.src.rpm"
	if diff := cmp.Diff([]string{name}, Names(t, order.ResultDir)); diff != "" {
		t.Fatalf("source packages (-want +got):\n%s", diff)
	}
	want := `* Sat Nov 18 2023 Ann Author <ann@example.org> - 2.0-3
- 100% %(echo done)
* Fri Nov 17 2023 Ann Author <ann@example.org> - 2.0-2
- Leave macros
* Thu Nov 16 2023 Ann Author <ann@example.org> - 2.0-1
- Update to 2.0
* Wed Nov 15 2023 Ann Author <ann@example.org> - 1.0-1
- Initial import
`
	if diff := cmp.Diff(want, Query(t, ChangelogFormat, filepath.Join(order.ResultDir, name))); diff != "" {
		t.Errorf("changelog (-want +got):\n%s", diff)
	}
	if log := Log(t, order, "root.log"); !strings.Contains(log, "release 3, of 4 commits and ") {
		t.Errorf("root.log does not tell the release:\n%s", log)
	}
	checkReproducible(t, order, filepath.Join(order.ResultDir, name))

	bad := map[string]string{p.Spec: "%if\n" + AutoSpec("1.0", "%autorelease")}
	p.Commit("A mistake", bad)
	_, err := x.driver.SRPM(t.Context(), p.Order(t, x.order(t), bad))
	checkFailure(t, err, builders.PhaseSRPM, "package.spec: ")
	p.Commits[0].Parents = []string{"gone"}
	_, err = x.driver.SRPM(t.Context(), p.Order(t, x.order(t), bad))
	if failure := FailureOf(t, err); !strings.Contains(failure.Reason, "the parent gone of commit c5 does not follow it") {
		t.Errorf("failure %+v of a history that is cut", failure)
	}
}
