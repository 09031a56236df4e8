package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/distbot/distbot/builders"
)

func srpmOrder(order builders.Order, dir, spec string) builders.SRPMOrder {
	return builders.SRPMOrder{Order: order, SourceDir: dir, Spec: spec}
}

func TestOrdersThatCannotBeDone(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, test := range []struct {
		name   string
		change func(*builders.Recipe)
		reason string
	}{
		{"Another architecture", func(r *builders.Recipe) { r.Arch = "vax" }, "this host builds for " + hostArch() + ", the task is for vax"},
		{"No packages", func(r *builders.Recipe) { r.Install = nil }, "tag f37-build names no packages for its buildroots"},
		{"An option as a package", func(r *builders.Recipe) { r.Install = []string{"--nobest"} }, `tag f37-build: "--nobest" is no name of a package`},
		{"Two repositories of one name", func(r *builders.Recipe) { r.Repos = append(r.Repos, r.Repos[0]) }, `tag f37-build: repositories need names of their own, "base" is not`},
		{"A relative repository", func(r *builders.Recipe) { r.Repos[0].URL = "file://base" }, "tag f37-build: the URL of repository base is neither file:///, http:// nor https://"},
		{"A macro that is none", func(r *builders.Recipe) { r.Macros = map[string]string{"a b": "c"} }, `tag f37-build: "a b" is no name of a macro`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			order := b.order(t, smallGroup)
			test.change(&order.Root)
			_, err := b.driver.SRPM(t.Context(), srpmOrder(order, t.TempDir(), "x.spec"))
			failure := failureOf(t, err)
			if failure.Reason != test.reason || failure.Infrastructure || failure.Phase != builders.PhaseBuildroot {
				t.Errorf("failure %+v, want %q", failure, test.reason)
			}
		})
	}
}

func TestMacrosText(t *testing.T) {
	t.Parallel()
	text := macrosText(map[string]string{"dist": ".fc37", "two": "%{expand:a\nb}\n", "_topdir": "/elsewhere"})
	for _, want := range []string{"%dist .fc37\n", "%two %{expand:a\\\nb}\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("macros lack %q:\n%s", want, text)
		}
	}
	if strings.LastIndex(text, "%_topdir /builddir/build\n") < strings.Index(text, "%_topdir /elsewhere\n") {
		t.Errorf("a tag's macro wins over the driver's:\n%s", text)
	}
}

func TestFindDNF(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		files map[string]string // name and what it links to, empty for a file
		want  string
	}{
		{"Debian and EL", map[string]string{"dnf": "dnf-3", "dnf-3": ""}, "dnf-3"},
		{"Fedora 41 with dnf 4", map[string]string{"dnf": "dnf5", "dnf5": "", "dnf-3": ""}, "dnf-3"},
		{"Fedora 41", map[string]string{"dnf": "dnf5", "dnf5": ""}, ""},
		{"A dnf of one file", map[string]string{"dnf": ""}, "dnf"},
		{"Nothing", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, target := range test.files {
				var err error
				if target == "" {
					err = os.WriteFile(filepath.Join(dir, name), nil, 0o755)
				} else {
					err = os.Symlink(target, filepath.Join(dir, name))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			got, err := findDNF(dir)
			if test.want == "" {
				if !errors.Is(err, errNoDNF) || !strings.Contains(err.Error(), "scripts/setup") {
					t.Errorf("got %q, %v, want that dnf is missing", got, err)
				}
				return
			}
			if err != nil || got != filepath.Join(dir, test.want) {
				t.Errorf("got %q, %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	if got, want := oneLine("a\n\tb \x1b[31mc\u202e\xff\u2028d"), "a b [31mc \uFFFD d"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := oneLine(strings.Repeat("ä", 1000)); utf8.RuneCountInString(got) != maxReason || !strings.HasSuffix(got, "ä…") {
		t.Errorf("got %d characters, want %d", utf8.RuneCountInString(got), maxReason)
	}
}

func TestTheBuilddepPluginIsMissing(t *testing.T) {
	t.Parallel()
	// As dnf 4.14 says it.
	failure := dnfFailure("No such command: builddep. Please use /usr/bin/dnf --help\nIt could be a DNF plugin command, try: \"dnf install 'dnf-command(builddep)'\"\n")
	if !failure.Infrastructure || !strings.Contains(failure.Reason, "run scripts/setup") {
		t.Errorf("failure %+v, want advice for the operator", failure)
	}
}
