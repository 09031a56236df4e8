package buildroot

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// dumped is one macro as %dump shows it: its level, its name and its body.
var dumped = regexp.MustCompile(`(?m)^ *-?\d+[:=] ([A-Za-z_][A-Za-z0-9_]*)(?:\([^)]*\))?\t`)

// defined asks the host's rpm what a file of macros defines. Nothing of it is
// expanded.
func defined(t testing.TB, text string) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "macros")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), rpmtest.Tool(t, "rpm"), "--macros="+path, "--eval", "%dump")
	cmd.Env = []string{"HOME=/nonexistent", "PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("rpm: %v\n%s", err, out)
	}
	macros := map[string]string{}
	list := string(out)
	at := dumped.FindAllStringSubmatchIndex(list, -1)
	for i, m := range at {
		end := strings.LastIndex(list, "======================== active")
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		macros[list[m[2]:m[3]]] = strings.TrimSuffix(list[m[1]:end], "\n")
	}
	return macros
}

// own are distbot's macros.
var own = map[string]string{
	"_topdir": "/builddir/build", "_buildhost": "distbot.invalid", "_dbpath": "/var/lib/rpm", "_disable_source_fetch": "1",
	"_rpmfilename":                       "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
	"use_source_date_epoch_as_buildtime": "1", "clamp_mtime_to_source_date_epoch": "1", "source_date_epoch_from_changelog": "0",
}

func TestMacros(t *testing.T) {
	t.Parallel()
	tag := map[string]string{"dist": ".fc37", "two": "%{expand:a\nb}\n", "braced": "{x}", "nothing": " ", "_topdir": "/elsewhere", "_dbpath": "/elsewhere"}
	want := maps.Clone(own)
	maps.Copy(want, map[string]string{"dist": ".fc37", "two": "%{expand:a\nb}", "braced": "x", "nothing": "%{nil}"})
	got := defined(t, Macros(tag))
	for name := range got {
		if _, ok := want[name]; !ok {
			delete(got, name) // built into rpm
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("macros as rpm reads them (-want +got)\n%s", diff)
	}
}

func TestCheckMacro(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value, want string }{
		{"A release", ".fc37", ""},
		{"Another macro", "%{?dist}.%(echo hi)%[1 + 1]", ""},
		{"Lone brackets", "a { b ( c ] d", ""},
		{"Escaped ones", `%%{ and \%{ \\ x`, ""},
		{"A backslash at the end", `/usr\`, "macro value: a line of its value ends with a backslash, after which rpm reads on: remove it"},
		{"A backslash at the end of a line", "a\\\nb", "macro value: a line of its value ends with a backslash, after which rpm reads on: remove it"},
		{"An open brace", "%{?dist", `macro value: a "%{" of its value is not closed: add the "}" that is missing`},
		{"An open command", "%(echo", `macro value: a "%(" of its value is not closed: add the ")" that is missing`},
		{"An open expression", "%[1", `macro value: a "%[" of its value is not closed: add the "]" that is missing`},
		{"An open brace in another", "%{?a:{}", `macro value: a "%{" of its value is not closed: add the "}" that is missing`},
		{"Braces around it that stay open", "{a{}", "macro value: its value begins with a brace that is not closed: add what is missing"},
		{"Braces around lines", "{a\nb}", `macro value: its value begins with a brace and has several lines, which rpm reads otherwise: begin it with "%{nil}"`},
		{"An open command in braces", "{%(}", `macro value: a "%(" of its value is not closed: add the ")" that is missing`},
		{"Braces around a part", "{a} b", `macro value: its value begins with a brace that ends before the value does, and rpm ignores the rest: begin it with "%{nil}"`},
		{"A NUL", "a\x00\n%_topdir /elsewhere", "macro value: its value has control characters"},
		{"One that is too long", strings.Repeat("x", 1<<13), "macro value: it has 8200 bytes, at most 8192 can be defined"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := CheckMacro("value", test.value); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			err := Check(builders.Order{Root: builders.Recipe{Tag: "f37-build", Arch: arch.Host(), Install: []string{"bash"}, Macros: map[string]string{"value": test.value}}})
			var failure *builders.Failure
			if (test.want != "") != errors.As(err, &failure) || failure != nil && failure.Reason != "tag f37-build: "+test.want {
				t.Errorf("an order with it: %v, want the same", err)
			}
		})
	}
}

// escaped are characters that rpm takes as they are, without the backslash.
var escaped = regexp.MustCompile(`(?s)\\(.)`)

// meant is the body of a value that passes.
func meant(value string) string {
	value = strings.TrimSpace(value)
	if inner, braced := strings.CutPrefix(value, "{"); braced {
		return strings.TrimRight(strings.TrimSuffix(inner, "}"), " \t")
	}
	if value == "" {
		return "%{nil}"
	}
	return escaped.ReplaceAllString(value, "$1")
}

// checkDefined checks that rpm reads what CheckMacro lets pass as it is meant,
// and that distbot's own hold whatever a tag sets.
func checkDefined(t testing.TB, value string) (accepted bool) {
	t.Helper()
	got := defined(t, Macros(map[string]string{"aaa": value, "aaa_next": "next"}))
	for name, body := range own {
		if got[name] != body {
			t.Errorf("value %.200q: %s is %q, want %q", value, name, got[name], body)
		}
	}
	if CheckMacro("aaa", value) != nil {
		return false
	}
	want := meant(value)
	if got["aaa"] != want || got["aaa_next"] != "next" {
		t.Errorf("value %.200q is read as %.200q, and what follows as %q", value, got["aaa"], got["aaa_next"])
	}
	return true
}

// TestMacrosOfRandomValues lets rpm read values made of what means something to
// it.
func TestMacrosOfRandomValues(t *testing.T) {
	t.Parallel()
	parts := []string{`\`, "%", "{", "}", "(", ")", "[", "]", "\n", " ", "x", "%{", "%(", "%[", "%%", "\n%_topdir /elsewhere", "#", "%{nil}", "\t"}
	r := rand.New(rand.NewPCG(1, 1))
	accepted := 0
	const values = 1000
	for range values {
		value := ""
		for range 1 + r.IntN(8) {
			value += parts[r.IntN(len(parts))]
		}
		if checkDefined(t, value) {
			accepted++
		}
	}
	if accepted < values/10 || accepted > values*9/10 {
		t.Errorf("%d of %d values pass: the values tell nothing", accepted, values)
	}
}

func FuzzMacros(f *testing.F) {
	for _, value := range []string{"x", `x\`, "%{x", "{x", "{x} y", "a\nb", strings.Repeat("x", 16_000) + "\n" + strings.Repeat("y", 400) + "\n%_topdir /elsewhere", "a\x00\n%_topdir /elsewhere"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) { checkDefined(t, value) })
}
