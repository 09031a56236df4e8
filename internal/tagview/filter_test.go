package tagview_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/distbot/distbot/internal/tagview"
)

// patterns are filters of real tags, and every construct that Python's re and
// the engine write, count or read differently.
func patterns() []string {
	return []string{
		"", "^foo", "foo", "foo$", "^(?!kernel$)", "^(?!(kernel|glibc)$)", "(?i)^FOO", "(?i:foo)bar", ".*", ".+-devel$", "^[a-f]", "^[^a-f]",
		`\bfoo\b`, `foo\B`, `foo\Z`, `foo\n?\Z`, "foo$\n?", `\Afoo`, `^python3?-`, `^(perl|python)-\w+$`, `^\d`, `\D+$`, `^\S+$`, `[\w-]+\Z`,
		`(?P<first>\w)(?P=first)`, `(?P<a>f)(o)\2`, `(f)(?P<a>o)\2`, `(f)(?P<a>o)(?P=a)`, `(\w)\1`, `((f)o)\1?`, `(?:f)(o)\1`, `fo{,2}$`, `fo{1,}$`, `fo{2}$`, `fo{x}`,
		`fo{,x}`, `[[]foo`, `[a-z-[aeiou]]`, `[a-z[]+$`, `[]f]oo`, `[^]f]oo`, `[\]f]oo`, `[\d.]+`, `[f\-]oo`, `\x66oo`, `\u0066oo`, `\U00000066oo`, `\146oo`, `\0`, `[\146]oo`,
		`(?#comment)foo`, `(?>fo+)o`, `(?<=f)oo`, `f(?<=f)oo`, `f(?<!g)oo`, `(?=foo)f`, `foo|bar`, `^foo|bar$`, `(foo|bar)$`, `(foo|)bar`, `(?s).oo`, `(?m)^foo$`, `(?ms)^f.o$`, `(?u)foo`, `(?im)^FOO$`,
		`f?o?o?$`, `f*?oo`, `(?i)É`, `[é]t`, `é.*`, `\.`, `\+`, `lib(?!c)`, `lib.*\+\+$`, `^(?!.*-debuginfo$)`, `foo\.`, `a{0}foo`, `^^foo$$`, `(?:)`, `()foo`, `(?i)[a-c]AR$`,
		// Look-behind of a fixed width.
		`foo(?<=f|o)`, `foo(?<=fo|oo)b`, `fo(?<=(?:fo|ba))o`, `foo(?<=\bfoo)`, `foo(?<=(?=f)foo)`, `foo(?<!a{2})`, `foo(?<=o{2})b`, `foo(?<=[fo]o\b)`, `(f)(?<=\1)oo`, `(fo)o(?<=\1o)`,
		`foo(?<=(?i:OO))`, `foo(?<=(?:)*oo)`, `foo(?<=a{0}o)`, `foo(?<=\x6f)`, `foo(?<=\157)`, `foo(?<=(?#x)o)`, `foo(?<=(?>oo))`, `foo(?<=o{2,2})`, `foo(?<=(o))`, `fo{x}(?<={x})`, `foo(?<=(?<=o)o)`,
		// What Python refuses.
		`foo(?<=o+)`, `(?<=a+)b`, `foo(?<=f|oo)`, `foo(?<!o*)`, `foo(?<=o?)`, `foo(?<=o*?)`, `foo(?<=o{1,2})`, `foo(?<=o{1,})`, `foo(?<=o{,2})`, `foo(?<=(?:f|oo)o)`, `(fo?)(?<=\1)o`, `foo(?<=(?P<x>o)(?P=x))`, `foo(?<=(o)\1)`,
		`foo(?<=(?<=o+)o)`, `(f\1)`, `(?P<x>f(?P=x))`, `foo(?<=[fo]o?)`, `foo(?<=(o)|)`, "^*foo", "foo$?", `foo\b{2}`, `foo\Z+`,
		"(", ")", "a)(b", "[a", "*a", "a**", "(?P<a>x)(?P<a>y)", "(?P=a)", `\1`, `(x)\2`, `\p{L}`, `\z`, `\G`, `\K`, `(?<name>x)`, `x(?i)y`, "(?P<1>x)", `a{2,1}`, `\x6`, `\u12`, `\8`, `[\8]`, `[\Z]`, "(?#", `\`, `[b-a]`, `(?z)`, `(?'a'x)`, `(?P>a)`, `\400`, `\U00110000`,
	}
}

func subjects() []string {
	return []string{
		"foo", "foobar", "bar", "Foo", "FOOBAR", "foo-devel", "foo\n", "foo\nbar", "bar\nfoo", "fo", "fooo", "f", "ff", "foof", "fof", "kernel", "kernel-rt", "glibc", "glibc2", "libc", "libfoo", "libstdc++",
		"python3-six", "python-six", "perl-x", "7zip", "", "a-]", "a]", "[foo", "]oo", "-oo", "été", "ét", "É", "foo.so", "+", ".", "fo{x}", "fo{,x}", "gcc-debuginfo", "x", "\x00", "Kar", "car", "CAR", "foobarbar", "foofoo", "oo",
	}
}

// python says what Python's re.match does: true, false, or null when it refuses
// the pattern.
const python = `
import json, re, sys, warnings
warnings.simplefilter("ignore")
asked = json.load(sys.stdin)
said = []
for pattern in asked["patterns"]:
    try:
        compiled = re.compile(pattern)
        said.append([compiled.match(s) is not None for s in asked["subjects"]])
    except (re.error, OverflowError):
        said.append(None)
json.dump(said, sys.stdout)
`

// askPython has Python match all subjects against all patterns.
func askPython(t *testing.T, patterns, subjects []string) [][]bool {
	t.Helper()
	asked, err := json.Marshal(map[string][]string{"patterns": patterns, "subjects": subjects})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("python3", "-c", python)
	command.Stdin = bytes.NewReader(asked)
	var complaint strings.Builder
	command.Stderr = &complaint
	text, err := command.Output()
	if err != nil {
		t.Fatalf("python3: %v %s (scripts/setup installs it)", err, complaint.String())
	}
	var said [][]bool
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	return said
}

func TestFilterAgreesWithPython(t *testing.T) {
	t.Parallel()
	patterns, subjects := patterns(), subjects()
	said := askPython(t, patterns, subjects)
	refused := 0
	for i, pattern := range patterns {
		filter, err := tagview.CompileFilter(pattern)
		if said[i] == nil {
			refused++
			if err == nil {
				t.Errorf("%q is taken, Python refuses it", pattern)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v, Python takes it", err)
			continue
		}
		for j, subject := range subjects {
			got, err := filter.Match(subject)
			if err != nil || got != said[i][j] {
				t.Errorf("%q matches %q: %v (%v), Python says %v", pattern, subject, got, err, said[i][j])
			}
		}
	}
	if refused < 20 || len(patterns)-refused < 60 {
		t.Errorf("Python refuses %d of %d patterns: is it Python 3?", refused, len(patterns))
	}
}

func TestFilterRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, pattern, says string }{
		{"what is too long", strings.Repeat("a", 1001), "pkg_filter has 1001 characters, at most 1000 are allowed"},
		{"what is not UTF-8", "a\xff", "pkg_filter is not UTF-8"},
		{"verbose patterns", "(?x) foo", `pkg_filter "(?x) foo": the flag x is not supported, i, m and s are`},
		{"conditional groups", "(a)(?(1)b|c)", `pkg_filter "(a)(?(1)b|c)": the extension "(?(1" is not known, or flags are not at the beginning`},
		{"possessive repetition", "(?>a)b++", `pkg_filter "(?>a)b++": possessive repetition, with a + after it, is not supported`},
		{"look-behind of any width", "(?<=a+)b", `pkg_filter "(?<=a+)b": look-behind must have a fixed width`},
		{"what only the engine refuses, with the pattern that was written", "(a)**", `pkg_filter "(a)**": invalid nested repetition operator`},
		{"an open parenthesis", "(foo", `pkg_filter "(foo": a parenthesis is not closed`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := tagview.CompileFilter(c.pattern); err == nil || err.Error() != c.says {
				t.Errorf("%v, want %s", err, c.says)
			}
		})
	}
}

// mayTake is the time limit of a match with room for a busy machine.
const mayTake = 5 * time.Second

func TestFilterGivesUpOnPatternsThatTakeForEver(t *testing.T) {
	t.Parallel()
	filter, err := tagview.CompileFilter(`^(a|aa)+$`)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err = filter.Match(strings.Repeat("a", 120) + "!")
	if err == nil || !strings.Contains(err.Error(), "takes too long") {
		t.Errorf("%v, want a refusal", err)
	}
	if took := time.Since(begin); took > mayTake {
		t.Errorf("took %v", took)
	}
}

func FuzzFilter(f *testing.F) {
	for _, pattern := range patterns() {
		f.Add(pattern, "foobar")
	}
	f.Add(`^(a|aa)+$`, strings.Repeat("a", 100)+"!")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		begin := time.Now()
		filter, err := tagview.CompileFilter(pattern)
		if err == nil {
			_, err = filter.Match(name)
		}
		if err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
		if took := time.Since(begin); took > mayTake {
			t.Errorf("%q takes %v for %q", pattern, took, name)
		}
	})
}

func TestSlowFilterNamesItsLink(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	slow := strings.Repeat("a", 120) + "!"
	m.do("tag f37-build\n tag f37\n tag f36\n link f37-build f37 0 filter=^a\n link f37 f36 0 filter=^(a|aa)+$\n list f36 " + slow +
		" alice\n build " + slow + " 1\n in f36 " + slow + "-1-1")
	tag, err := m.reader().Tag(t.Context(), "f37-build")
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"the package list": func() error {
			_, err := m.reader().Packages(t.Context(), tag.ID, tagview.PackageQuery{Inherit: true})
			return err
		},
		"the latest builds": func() error { _, err := m.reader().LatestBuildIDs(t.Context(), tag.ID); return err },
		"an explanation":    func() error { _, err := m.reader().Explain(t.Context(), "f37-build", slow); return err },
	} {
		t.Run("in "+name, func(t *testing.T) {
			t.Parallel()
			err := read()
			var broken *tagview.FilterError
			if !errors.As(err, &broken) || !errors.Is(err, tagview.ErrSlowFilter) {
				t.Fatalf("%v, want a FilterError", err)
			}
			want := tagview.FilterError{Child: "f37", Parent: "f36", Pattern: "^(a|aa)+$", Package: slow}
			if diff := cmp.Diff(want, *broken, cmpopts.IgnoreFields(want, "Err")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if text := err.Error(); !strings.Contains(text, "the link f37 -> f36 ") || !strings.HasSuffix(text, "distbot tag edit-inheritance f37 f36 --pkg-filter PATTERN") {
				t.Error(text)
			}
		})
	}
}

func TestCheckFilter(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.exec("insert into packages (name) values ('foo'), ($1)", strings.Repeat("a", 120)+"!")
	// Each of these takes long, none too long.
	m.exec("insert into packages (name) select repeat('b', 23) || n || '!' from generate_series(1, 3000) n")
	for _, c := range []struct{ name, pattern, says string }{
		{"takes none", "", ""},
		{"takes a quick one", "^(?!foo$)", ""},
		{"refuses what is no pattern", "(", `pkg_filter "(": a parenthesis is not closed`},
		{"refuses what takes too long for a name", "^(a|aa)+$", `pkg_filter "^(a|aa)+$" takes too long for "aaaa`},
		{"refuses what takes too long for all names", "^(b|bb)+$", `pkg_filter "^(b|bb)+$" takes too long`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := tagview.CheckFilter(t.Context(), m.pool, c.pattern)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.HasPrefix(err.Error(), c.says)) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if slow := strings.Contains(c.says, "too long"); errors.Is(err, tagview.ErrSlowFilter) != slow {
				t.Errorf("%v is slow: %v", err, !slow)
			}
		})
	}
}
