package distgit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// preamble is a spec that has all it needs, before the given lines.
func preamble(lines ...string) string {
	return "Name: hello\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n" + strings.Join(lines, "\n") + "\n"
}

func TestReadSpec(t *testing.T) {
	t.Parallel()
	text := preamble(
		"Epoch: 03",
		"URL: https://example.org/%{name}",
		"BuildRequires: gcc, pkgconfig(a) >= 1.2",
		"BuildRequires: %{unknown}",
		"Requires(post): /bin/sh",
		"%bcond_without docs",
		"%global commit abc",
		"%define greet() hi %1",
		"%include other.inc",
		"%package -n libhello",
		"Summary: The library",
		"BuildArch: noarch",
		"%package devel",
		"%description",
		"%autochangelog",
	)
	spec, err := ReadSpec("hello.spec", []byte(text), SpecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Spec{
		File: "hello.spec",
		Name: known("hello", 1), Version: known("1", 2), Release: known("1", 3), Summary: known("s", 4), License: known("MIT", 5),
		Epoch: Value{Raw: "03", Text: "3", Evaluated: true, Line: 6},
		URL:   Value{Raw: "https://example.org/%{name}", Text: "https://example.org/hello", Evaluated: true, Line: 7},
		Main: Package{Name: known("hello", 1), Tags: []Tag{
			{Name: "name", Value: known("hello", 1)},
			{Name: "version", Value: known("1", 2)},
			{Name: "release", Value: known("1", 3)},
			{Name: "summary", Value: known("s", 4)},
			{Name: "license", Value: known("MIT", 5)},
			{Name: "epoch", Value: Value{Raw: "03", Text: "3", Evaluated: true, Line: 6}},
			{Name: "url", Value: Value{Raw: "https://example.org/%{name}", Text: "https://example.org/hello", Evaluated: true, Line: 7}},
			{Name: "buildrequires", Value: known("gcc, pkgconfig(a) >= 1.2", 8)},
			{Name: "buildrequires", Value: Value{Raw: "%{unknown}", Reason: "macro unknown is not known here", Line: 9}},
			{Name: "requires", Qualifier: "post", Value: known("/bin/sh", 10)},
		}},
		Packages: []Package{
			{Name: Value{Raw: "-n libhello", Text: "libhello", Evaluated: true, Line: 15}, Tags: []Tag{
				{Name: "summary", Value: known("The library", 16)},
				{Name: "buildarch", Value: known("noarch", 17)},
			}},
			{Name: Value{Raw: "devel", Text: "hello-devel", Evaluated: true, Line: 18}},
		},
		BConds: []BCond{{Name: "docs", Enabled: true, Known: true, Line: 11}},
		Macros: []Macro{
			{Name: "commit", Global: true, Body: "abc", Line: 12},
			{Name: "greet", Parametric: true, Body: "hi %1", Line: 13},
		},
		Sections: []Section{
			{Name: "package", Args: "-n libhello", Line: 15}, {Name: "package", Args: "devel", Line: 18}, {Name: "description", Line: 19},
		},
		Unresolved:    []Unresolved{{Line: 14, Text: "%include other.inc", Reason: "%include reads another file"}},
		AutoChangelog: true,
	}
	if diff := cmp.Diff(want, spec); diff != "" {
		t.Errorf("ReadSpec (-want +got):\n%s", diff)
	}
}

// known is a Value that is as written.
func known(text string, line int) Value {
	return Value{Raw: text, Text: text, Evaluated: true, Line: line}
}

func TestReadSpecErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"an empty file", "", "hello.spec:1: no Name tag in the main package (and 2 more)"},
		{"no Version", "Name: hello\nRelease: 1\n", "hello.spec:1: no Version tag in the main package"},
		{"a Version of a sub-package only", "Name: hello\nRelease: 1\n%package x\nVersion: 1\n", "hello.spec:1: no Version tag in the main package"},
		{"a Version in a branch that is not read", "Name: hello\n%if 0\nVersion: 1\n%endif\nRelease: 1\n", "hello.spec:1: no Version tag in the main package"},
		{"a NUL byte", "Name: hello\nVer\x00sion: 1\n", "hello.spec:2: the line has a NUL byte"},
		{"an %if that is not closed", preamble("%if 1", "%if 0", "%endif"), "hello.spec:6: %if without %endif"},
		{"an %endif too many", preamble("%endif"), "hello.spec:6: %endif without %if"},
		{"an %else too many", preamble("%if 1", "%else", "%else", "%endif"), "hello.spec:8: %else after %else"},
		{"an %elif after %else", preamble("%if 1", "%else", "%elif 1", "%endif"), "hello.spec:8: %elif after %else"},
		{"a macro that is not closed", preamble("URL: %{name", "%description"), "hello.spec:6: unclosed macro or bad line continuation"},
		{"a backslash at the end", preamble("URL: a") + `Source0: \`, "hello.spec:7: unclosed macro or bad line continuation"},
		{"a name with a slash", "Name: ../hello\nVersion: 1\nRelease: 1\n", `hello.spec:1: Name "../hello" must begin with a letter, a digit or _`},
		{"a name with a blank", "Name: hel lo\nVersion: 1\nRelease: 1\n", `hello.spec:1: Name "hel lo" is more than one word`},
		{"a name with a quote", "Name: hel'lo\nVersion: 1\nRelease: 1\n", `hello.spec:1: Name "hel'lo" has a character other than letters, digits and ._+-`},
		{"a version with a dash", "Name: hello\nVersion: 1-2\nRelease: 1\n", `hello.spec:2: Version "1-2" has a character other than letters, digits and ._+~^`},
		{"a version with two dots", "Name: hello\nVersion: 1..2\nRelease: 1\n", `hello.spec:2: Version "1..2" has two dots in a row`},
		{"a version of a dot", "Name: hello\nVersion: .\nRelease: 1\n", `hello.spec:2: Version ".": version and release must not begin with a dot, they name directories`},
		{"a release that begins with a dot", "Name: hello\nVersion: 1\nRelease: .5\n", `hello.spec:3: Release ".5": version and release must not begin with a dot, they name directories`},
		{"a release by a macro with a dash", "%global r 1-2\nName: hello\nVersion: 1\nRelease: %{r}\n", `hello.spec:4: Release "1-2" has a character other than letters, digits and ._+~^`},
		{"an empty release", "Name: hello\nVersion: 1\nRelease:\n", "hello.spec:3: Release is empty"},
		{"a long version", "Name: hello\nVersion: " + strings.Repeat("1", 129) + "\nRelease: 1\n", "hello.spec:2: Version has more than 128 characters"},
		{"an epoch that is no number", preamble("Epoch: -1"), `hello.spec:6: Epoch "-1" is not a whole number below 2^32`},
		{"a huge epoch", preamble("Epoch: 4294967296"), `hello.spec:6: Epoch "4294967296" is not a whole number below 2^32`},
		{"a tag twice", preamble("Version: 2"), "hello.spec:6: Version is given twice, first at line 2"},
		{"another name than the file's", "Name: world\nVersion: 1\nRelease: 1\n", "hello.spec:1: Name is world, but the file is called hello.spec"},
		{"a huge source number", preamble("Source99999999999: a"), "hello.spec:6: the number of the source is too big"},
		{"a long line", preamble("URL: " + strings.Repeat("a", maxSpecLineBytes)), "hello.spec:6: the line has more than 65536 bytes"},
		{"a long macro", preamble("%{expand:" + strings.Repeat("\n"+strings.Repeat("a", 60000), 20)), "hello.spec:6: the macro that opens here has more than 1048576 bytes"},
		{"many lines", strings.Repeat("\n", maxSpecLines+1), "hello.spec:100001: the file has more than 100000 lines"},
		{"a big file", strings.Repeat("#", maxSpecBytes+1), "hello.spec:1: the file has more than 2097152 bytes"},
		{"a deep nesting", preamble(strings.Repeat("%if 1\n", maxConditionDepth+1) + strings.Repeat("%endif\n", maxConditionDepth)), "hello.spec:262: %if inside %if, more than 256 deep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			spec, err := ReadSpec("hello.spec", []byte(test.text), SpecOptions{})
			var wrong *SpecError
			if !errors.As(err, &wrong) || err.Error() != "distgit: "+test.want || spec == nil {
				t.Errorf("ReadSpec:\n got %v\nwant distgit: %s", err, test.want)
			}
		})
	}
}

func TestReadSpecLetsASubPackageBeginItsVersionWithADot(t *testing.T) {
	t.Parallel()
	if _, err := ReadSpec("hello.spec", []byte(preamble("%package devel", "Version: .5", "Summary: s")), SpecOptions{}); err != nil {
		t.Errorf("ReadSpec: %v; only the main package's version names a directory", err)
	}
}

// TestReadSpecDoesNotGuess holds what must not be evaluated, and why.
func TestReadSpecDoesNotGuess(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, lines, reason string }{
		{"shell", "URL: %(echo u)", "%( ) runs a shell command"},
		{"Lua", "URL: %{lua:print('u')}", "%{lua…} is a function"},
		{"an expression", "URL: %[1 + 1]", "%[ ] is an expression"},
		{"an expression function", "URL: %{expr:1 + 1}", "%{expr…} is a function"},
		{"a macro of the buildroot", "URL: %{_bindir}", "macro _bindir is not known here"},
		{"a macro that may be defined", "URL: u%{?_isa}", "macro _isa is not known here"},
		{"a tag that is not set yet", "URL: %{epoch}", "macro epoch is not defined here"},
		{"a macro that calls itself", "%define loop %{loop}\nURL: %{loop}", "macros call each other more than 32 deep"},
		{"a macro by shell", "%global day %(date)\nURL: %{day}", "%( ) runs a shell command"},
		{"a function", "%define f() x\nURL: %f y", "macro f is a function"},
		{"arguments outside of a function", "URL: %*", "arguments of a macro function"},
		{"a macro under a condition", "%if 0%{?fedora}\n%global x 1\n%endif\nURL: %{x}", "macro x is defined under the condition at line 6"},
		{"a macro behind an unknown one", "%{?fedora:%global x 1}\nURL: %{x}", "macro x is defined in a part that is not followed"},
		{"a macro after Lua", "%global x 1\n%{lua:rpm.define('x 2')}\nURL: %{x}", "macro x may be changed by %{lua:…} at line 7"},
		{"a macro after Lua in another definition", "%global x 1\n%{?y:%global z %{lua:rpm.define('x 2')}}\nURL: %{x}", "macro x may be changed by line 7"},
		{"a macro after an included file", "%global x 1\n%include f\nURL: %{x}", "macro x may be changed by %include at line 7"},
		{"a macro after a macro of the buildroot", "%global x 1\n%forgemeta\nURL: %{x}", "macro x may be changed by line 7"},
		{"a macro after one in a comment", "%global x 1\n#%forgemeta\nURL: %{x}", "macro x may be changed by line 7"},
		{"a macro that was undefined", "%global x 1\n%undefine x\nURL: %{x}", "macro x was undefined again"},
		{"a body in braces", "%define x {a}\nURL: %{x}", "macro x has its body in braces"},
		{"both branches of a condition", "%if 0%{?fedora}\nURL: a\n%else\nURL: b\n%endif", "set under a condition that is not decided without rpm (line 7, 9)"},
		{"a bare word in a condition", "%if fedora\nURL: a\n%endif", "set under a condition that is not decided without rpm (line 7)"},
		{"an architecture that is not given", "%ifarch x86_64\nURL: a\n%endif", "set under a condition that is not decided without rpm (line 7)"},
		{"text that is not UTF-8", "URL: J\xf6rg", "it is not UTF-8"},
		{"an expansion that explodes", "%define a0 x\n" + explosion(30) + "URL: %{a30}", "too much macro expansion"},
		{"an expansion that explodes to nothing", "%define a0 %{nil}\n" + explosion(30) + "URL: %{a30}", "too much macro expansion"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			spec, err := ReadSpec("hello.spec", []byte(preamble(test.lines)), SpecOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if spec.URL.Evaluated || spec.URL.Text != "" || spec.URL.Reason != test.reason {
				t.Errorf("URL is %+v, want the reason %q", spec.URL, test.reason)
			}
			if nvr, ok := spec.NVR(); nvr != "hello-1-1" || !ok {
				t.Errorf("NVR = %q, %t: what came before must not suffer", nvr, ok)
			}
		})
	}
}

// explosion defines a1 … aN, each of two of the one before.
func explosion(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "%%define a%d %%{a%d}%%{a%d}\n", i+1, i, i)
	}
	return text.String()
}

func TestReadSpecOptions(t *testing.T) {
	t.Parallel()
	text := preamble(
		"%bcond_with gui", "%bcond_without docs",
		"URL: %{?dist}%{with gui}%{with docs}%{?rhel:el}",
		"%ifarch riscv64", "Patch0: riscv.patch", "%endif",
	)
	spec, err := ReadSpec("hello.spec", []byte(text), SpecOptions{
		Macros:    map[string]string{"dist": ".el9", "_with_gui": "1", "_without_docs": "1"},
		Undefined: []string{"rhel"},
		Arch:      "riscv64",
	})
	if err != nil {
		t.Fatal(err)
	}
	if spec.URL.Text != ".el910" {
		t.Errorf("URL is %+v, want .el910", spec.URL)
	}
	if len(spec.Patches) != 1 || spec.Patches[0].Conditional {
		t.Errorf("Patches are %+v, want one that is certain", spec.Patches)
	}
}

func TestReadSpecAutoRelease(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"%autorelease", "%{autorelease}", "%autorelease -b 3 -e pre", "%{?autorelease}", "%{autorelease -n}"} {
		spec, err := ReadSpec("a.spec", []byte("Name: a\nVersion: 1\nRelease: "+release+"\n"), SpecOptions{})
		if err != nil || !spec.AutoRelease || spec.AutoChangelog || spec.Release.Evaluated || spec.Release.Reason != "rpmautospec computes it" {
			t.Errorf("Release: %s: %+v, %v", release, spec.Release, err)
		}
	}
	spec, err := ReadSpec("a.spec", []byte("Name: a\nVersion: 1\nRelease: 1\n%changelog\n%autochangelog\n"), SpecOptions{})
	if err != nil || spec.AutoRelease || !spec.AutoChangelog {
		t.Errorf("%%autochangelog: AutoRelease %t, AutoChangelog %t, %v", spec.AutoRelease, spec.AutoChangelog, err)
	}
}

// TestSourceNumbersAgreeWithRPM asks rpm for the macros SOURCEn and PATCHn.
func TestSourceNumbersAgreeWithRPM(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/specs/sourcenumbers.spec")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := ReadSpec("sourcenumbers.spec", data, SpecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var asked, want strings.Builder
	for _, list := range []struct {
		macro string
		files []Source
	}{{"SOURCE", spec.Sources}, {"PATCH", spec.Patches}} {
		for _, file := range list.files {
			name, _ := file.FileName()
			fmt.Fprintf(&asked, " %%{%s%d}", list.macro, file.Number)
			fmt.Fprintf(&want, " %s", name)
		}
	}
	file := filepath.Join(t.TempDir(), "sourcenumbers.spec")
	text := strings.Replace(string(data), "%description\nx", "URL:"+strings.ReplaceAll(asked.String(), " ", ",")+"\n%description\nx", 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	answer := askRPM(t, home, file)
	var got strings.Builder
	for _, path := range strings.Split(strings.TrimPrefix(answer.URL, ","), ",") {
		got.WriteString(" " + filepath.Base(path))
	}
	if diff := cmp.Diff(got.String(), want.String()); diff != "" {
		t.Errorf("sources by their numbers (-rpm +ReadSpec):\n%s", diff)
	}
}

func TestSpecNumbersUnderConditions(t *testing.T) {
	t.Parallel()
	spec, err := ReadSpec("hello.spec", []byte(preamble(
		"Source: zero", "%if 0%{?rhel}", "Source: maybe", "%endif", "Source: after", "Source9: nine", "Source: ten")), SpecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, source := range spec.Sources {
		got[source.Raw] = source.Number
	}
	if diff := cmp.Diff(map[string]int{"zero": 0, "maybe": 1, "after": -1, "nine": 9, "ten": 10}, got); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
}

func TestSpecWords(t *testing.T) {
	t.Parallel()
	spec, err := ReadSpec("hello.spec", []byte(preamble(
		"ExclusiveArch: x86_64  aarch64", "ExclusiveArch: riscv64", "ExcludeArch: %{ix86}", "%if 0%{?x}", "BuildArch: noarch", "%endif")), SpecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if words, ok := spec.Main.Words("exclusivearch"); !ok || !cmp.Equal(words, []string{"x86_64", "aarch64", "riscv64"}) {
		t.Errorf("ExclusiveArch: %q, %t", words, ok)
	}
	for _, tag := range []string{"excludearch", "buildarch"} {
		if words, ok := spec.Main.Words(tag); ok || words != nil {
			t.Errorf("%s: %q, %t; want not known", tag, words, ok)
		}
	}
	if words, ok := spec.Main.Words("obsoletes"); !ok || words != nil {
		t.Errorf("a tag that is not there: %q, %t; want nothing, known", words, ok)
	}
}

func FuzzReadSpec(f *testing.F) {
	files, err := filepath.Glob("testdata/specs/*.spec")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(preamble(explosion(40), "URL: %{a40}")))
	f.Add([]byte("%{?a:%{!?b:%global c %{expand:%%define d %(%["))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := ReadSpec("hello.spec", data, SpecOptions{Macros: map[string]string{"dist": ".fc37"}, Undefined: []string{"rhel"}})
		var wrong *SpecError
		if err != nil && (!errors.As(err, &wrong) || len(wrong.Problems) == 0 || wrong.Error() == "") {
			t.Errorf("error %#v", err)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, tag := range spec.Main.Tags {
			if tag.Evaluated == (tag.Reason != "") || !tag.Evaluated && tag.Text != "" || tag.Line < 1 || tag.Line > lines {
				t.Errorf("tag %+v", tag)
			}
		}
		if nvr, ok := spec.NVR(); ok && strings.ContainsAny(nvr, "/ \n%\x00") {
			t.Errorf("NVR %q", nvr)
		}
	})
}
