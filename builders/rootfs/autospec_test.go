package rootfs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
)

// source makes the source package of the newest commit.
func (b *bundle) source(t testing.TB, p *drivertest.Past, files map[string]string) (builders.Order, error) {
	t.Helper()
	order := b.order(t, srpmGroup)
	_, err := b.driver.SRPM(t.Context(), p.Order(t, order, files))
	return order, err
}

func TestReleaseAndChangelogFromHistory(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)

	t.Run("They are counted and listed, and the binary package has them too", func(t *testing.T) {
		t.Parallel()
		p := drivertest.NewPast()
		p.Commit("Initial import", map[string]string{p.Spec: drivertest.AutoSpec("1.0", "%autorelease")})
		p.Commit("Fix the build", map[string]string{p.Spec: drivertest.AutoSpec("1.0", "%autorelease") + "\n"})
		included := map[string]string{p.Spec: "%include %{_sourcedir}/version.inc\n" + drivertest.AutoSpec("%{ver}", "%autorelease"), "version.inc": "%global ver 2.0\n"}
		p.Commit("Update to 2.0\n\n... (rhbz#1)\n- 100% tested", included)
		broken := map[string]string{p.Spec: "%if\n" + drivertest.AutoSpec("1.0", "%autorelease")}
		p.Commit("A mistake", broken)
		now := map[string]string{p.Spec: drivertest.AutoSpec("2.0", "%autorelease -b 10 -e rc1")}
		p.Commit("Mend it\n\n[skip changelog]", now)
		p.Commit("Rebuilt for %{gcc}", now)
		order, err := b.source(t, p, now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"computed-2.0-13.rc1.fc37.src.rpm"}, drivertest.Names(t, order.ResultDir)); diff != "" {
			t.Fatalf("source packages (-want +got):\n%s", diff)
		}
		srpm := filepath.Join(order.ResultDir, "computed-2.0-13.rc1.fc37.src.rpm")
		binary := b.order(t, srpmGroup)
		if _, err := b.driver.Build(t.Context(), builders.BuildOrder{Order: binary, SRPM: srpm, Arch: "noarch"}); err != nil {
			t.Fatal(err)
		}
		want := `* Mon Nov 20 2023 Ann Author <ann@example.org> - 2.0-13.rc1
- Rebuilt for %{gcc}
* Sat Nov 18 2023 Ann Author <ann@example.org>
- A mistake
* Fri Nov 17 2023 Ann Author <ann@example.org> - 2.0-1
- Update to 2.0 (rhbz#1)
- 100% tested
* Thu Nov 16 2023 Ann Author <ann@example.org> - 1.0-2
- Fix the build
* Wed Nov 15 2023 Ann Author <ann@example.org> - 1.0-1
- Initial import
`
		for _, path := range []string{srpm, filepath.Join(binary.ResultDir, "computed-2.0-13.rc1.fc37.noarch.rpm")} {
			if diff := cmp.Diff(want, drivertest.Query(t, drivertest.ChangelogFormat, path)); diff != "" {
				t.Errorf("changelog of %s (-want +got):\n%s", filepath.Base(path), diff)
			}
		}
		if log := drivertest.Log(t, order, "root.log"); !strings.Contains(log, "release 13.rc1, of 6 commits and 6 specs\n") {
			t.Errorf("root.log does not tell the release:\n%s", log)
		}
	})
	t.Run("A spec that can't be parsed is refused in rpm's words", func(t *testing.T) {
		t.Parallel()
		p := drivertest.NewPast()
		bad := map[string]string{p.Spec: "%if\n" + drivertest.AutoSpec("1.0", "%autorelease")}
		p.Commit("Initial import", bad)
		_, err := b.source(t, p, bad)
		failure := drivertest.FailureOf(t, err)
		if failure.Infrastructure || failure.Phase != builders.PhaseSRPM || !strings.HasPrefix(failure.Reason, "package.spec: ") || !strings.Contains(failure.Reason, "%if") {
			t.Errorf("failure %+v, want the spec's in phase srpm", failure)
		}
	})
}

func TestAHostileHistoryIsHarmless(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)

	t.Run("Texts of commits are text", func(t *testing.T) {
		t.Parallel()
		p := drivertest.NewPast()
		spec := map[string]string{p.Spec: drivertest.AutoSpec("1.0", "%autorelease")}
		messages := []string{
			"%(touch /tmp/x; echo expanded)%{lua:print('expanded')}%{expand:%%(echo expanded)}",
			"Subject\n* Mon Jan 01 2024 Mallory <m@example.org> - 9-9\n%changelog\n%prep\nexit 1",
			strings.Repeat("x", 72) + "%(echo expanded)",
			strings.Repeat("word ", 14) + "%if 0",
			strings.Repeat("word ", 14) + "%endif",
			strings.Repeat("word ", 14) + "# a comment",
			"Ends with a backslash \\\n\n- and another \\",
			"One percent sign at the end %",
			"Control\x1b[2J\x07 \xff\xfe characters",
			"%global release 99\n\n...%define version 99\n- %undefine name",
			strings.Repeat("%", 999),
			"",
		}
		for i, message := range messages {
			p.Commit(message, spec)
			p.Commits[0].Author = "A%(echo expanded)\n%prep <a@example.org>"
			if i%2 == 0 {
				p.Commits[0].Author = "Ann \x1b[31m%{lua:print('expanded')} <>"
			}
		}
		order, err := b.source(t, p, spec)
		if err != nil {
			t.Fatal(err)
		}
		srpm := filepath.Join(order.ResultDir, fmt.Sprintf("computed-1.0-%d.fc37.src.rpm", len(messages)))
		got := drivertest.Query(t, drivertest.ChangelogFormat, srpm)
		if n := strings.Count("\n"+got, "\n* "); n != len(messages) {
			t.Errorf("%d entries, want %d:\n%s", n, len(messages), got)
		}
		for _, want := range []string{
			"\n- %(touch /tmp/x; echo\n  expanded)%{lua:print('expanded')}%{expand:%%(echo expanded)}\n",
			"\n- Subject * Mon Jan 01 2024 Mallory <m@example.org> - 9-9 %changelog\n  %prep exit 1\n",
			"\n  %(echo expanded)\n", " %if\n  0\n", " %endif\n", " # a\n  comment\n",
			"A%(echo expanded) %prep <a@example.org> - 1.0-2\n", "\n- One percent sign at the end %\n",
			"\n- %global release 99 %define version 99\n- %undefine name\n", "\n- and another \\",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("the changelog lacks %q:\n%s", want, got)
			}
		}
		if n := strings.Count(strings.ReplaceAll(got, "\n  ", ""), "%"); n < 999 {
			t.Errorf("%d percent signs, want all of the message of 999", n)
		}
		binary := b.order(t, srpmGroup)
		if _, err := b.driver.Build(t.Context(), builders.BuildOrder{Order: binary, SRPM: srpm, Arch: "noarch"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("Old specs that print, fork, read each other and leave macros behind count as they are", func(t *testing.T) {
		t.Parallel()
		address, connections := listener(t)
		host, port, _ := strings.Cut(address, ":")
		p := drivertest.NewPast()
		p.Commit("Import", map[string]string{p.Spec: drivertest.AutoSpec("1.0", "%autorelease")})
		p.Commit("Print", map[string]string{p.Spec: "%{lua:os.execute('echo; echo 0 version 9 9; printf \"0\\\\tversion\\\\t9\\\\tE_S_P0_B\\\\n\"')}\n" + drivertest.AutoSpec("1.0", "%autorelease")})
		p.Commit("Leave macros", map[string]string{p.Spec: "%{lua:leftover = 1}%{expand:%(echo '%version 7' >> ~/.rpmmacros; rm -rf ~/history/* /distbot-in/* 2>&1)}\n" + drivertest.AutoSpec("1.0", "%autorelease")})
		p.Commit("Look", map[string]string{p.Spec: "%{lua:if leftover then print('%error leftover') end}\n%(exec 3<>/dev/tcp/" + host + "/" + port + ")\n" + drivertest.AutoSpec("1.0", "%autorelease")})
		now := map[string]string{p.Spec: drivertest.AutoSpec("1.0", "%autorelease") + "\n"}
		p.Commit("Now", now)
		order, err := b.source(t, p, now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"computed-1.0-5.fc37.src.rpm"}, drivertest.Names(t, order.ResultDir)); diff != "" {
			t.Errorf("source packages (-want +got):\n%s", diff)
		}
		if n := connections.Load(); n > 0 {
			t.Errorf("%d connections were made", n)
		}
	})
	t.Run("A spec that kills its evaluation fails the package", func(t *testing.T) {
		t.Parallel()
		p := drivertest.NewPast()
		p.Commit("Import", map[string]string{p.Spec: "%(kill -9 -1)\n" + drivertest.AutoSpec("1.0", "%autorelease")})
		now := map[string]string{p.Spec: drivertest.AutoSpec("1.0", "%autorelease") + "\n"}
		p.Commit("Now", now)
		_, err := b.source(t, p, now)
		failure := drivertest.FailureOf(t, err)
		if failure.Infrastructure || failure.Phase != builders.PhaseSRPM || !strings.HasPrefix(failure.Reason, "the specs of the package's history can't be evaluated") {
			t.Errorf("failure %+v, want the package's", failure)
		}
	})
	t.Run("A history that is cut is refused", func(t *testing.T) {
		t.Parallel()
		p := drivertest.NewPast()
		now := map[string]string{p.Spec: drivertest.AutoSpec("1.0", "%autorelease")}
		p.Commit("Now", now)
		p.Commits[0].Parents = []string{"gone"}
		_, err := b.source(t, p, now)
		if failure := drivertest.FailureOf(t, err); !strings.Contains(failure.Reason, "the parent gone of commit c1 does not follow it") {
			t.Errorf("failure %+v, want that a commit is missing", failure)
		}
	})
}
