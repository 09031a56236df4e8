package diagnosis_test

import (
	"strings"
	"testing"

	"github.com/distbot/distbot/builders/diagnosis"
)

const annotated = `%global tool frob
Name: greet
Version: 1.2
Source0: https://example.org/%{name}/%{name}-%{version}.tar.gz
Source1: greet.conf
Patch0: 0001-%{name}-fix.patch
BuildRequires: gcc, make >= 4
BuildRequires: pkgconfig(%{tool}-core) >= 2
BuildRequires: (clang or gcc-toolset)
ExclusiveArch: s390x
%description
pkgconfig(frob-core)
%prep
%autosetup
%build
%cmake -DX=1
%{meson} setup
frobnicate --all | tee log
%install
frobnicate install
%files
%doc README.md
%{_bindir}/greet
%{_datadir}/%{name}/*.txt
%changelog
* Thu Jan 1 2026 frobnicate
`

func TestTheLineOfTheSpec(t *testing.T) {
	t.Parallel()
	missing := func(text string) diagnosis.Finding {
		return diagnosis.Finding{Kind: diagnosis.KindMissingRequires, Missing: []diagnosis.Requirement{{Text: text}}}
	}
	about := func(kind diagnosis.Kind, object string) diagnosis.Finding {
		return diagnosis.Finding{Kind: kind, Object: object, Phase: diagnosis.PhaseBuild}
	}
	for _, test := range []struct {
		name    string
		finding diagnosis.Finding
		line    int
	}{
		{"A requirement", missing("make >= 4"), 7},
		{"A requirement with a macro", missing("pkgconfig(frob-core) >= 2"), 8},
		{"A rich requirement", missing("(clang or gcc-toolset)"), 9},
		{"A requirement that it does not name", missing("libfrob"), 0},
		{"No requirement", missing(""), 0},
		{"A patch", about(diagnosis.KindPatchHunk, "0001-greet-fix.patch"), 6},
		{"Another patch", about(diagnosis.KindPatchHunk, "0002-greet-fix.patch"), 0},
		{"A source with a URL", about(diagnosis.KindBadSource, "greet-1.2.tar.gz"), 4},
		{"A source that is missing", about(diagnosis.KindMissingSource, "greet.conf"), 5},
		{"A patch that is missing", about(diagnosis.KindMissingSource, "0001-greet-fix.patch"), 6},
		{"A file", about(diagnosis.KindMissingFiles, "/usr/bin/greet"), 23},
		{"A pattern of files", about(diagnosis.KindMissingFiles, "/usr/share/greet/*.txt"), 24},
		{"Documentation", about(diagnosis.KindMissingFiles, "/builddir/build/BUILD/greet-1.2/README.md"), 22},
		{"Unpackaged files", about(diagnosis.KindUnpackagedFiles, ""), 21},
		{"A macro", about(diagnosis.KindUndefinedMacro, "%cmake"), 16},
		{"A macro in braces", about(diagnosis.KindUndefinedMacro, "%{meson}"), 17},
		{"A command of the phase", about(diagnosis.KindMissingCommand, "frobnicate"), 18},
		{"A command of no phase", about(diagnosis.KindMissingCommand, "tail"), 0},
		{"An architecture", about(diagnosis.KindWrongArch, ""), 10},
		{"What rpm names itself", diagnosis.Finding{Kind: diagnosis.KindBadSpec, SpecLine: 3}, 3},
		{"A line that rpm can't know", diagnosis.Finding{Kind: diagnosis.KindBadSpec, SpecLine: 300}, 0},
		{"Infrastructure", diagnosis.Finding{Kind: diagnosis.KindDiskFull, Infrastructure: true, SpecLine: 3}, 0},
		{"What has no line", about(diagnosis.KindCompileError, "greet.c"), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.finding.FindInSpec(annotated)
			if test.finding.SpecLine != test.line {
				t.Errorf("line %d, want %d: %q", test.finding.SpecLine, test.line, strings.Split(annotated, "\n")[max(test.line-1, 0)])
			}
		})
	}
}

// TestWordsAboutAnIncludedFile is about errors as rpm 4.18 prints them: it counts
// the lines of a file that a spec includes, and does not name the file.
func TestWordsAboutAnIncludedFile(t *testing.T) {
	t.Parallel()
	const spec = "Name: greet\nVersion: 1\n%include %{SOURCE1}\nRecommend: x\n%description\n"
	plain := strings.Replace(spec, "%include %{SOURCE1}\n", "\n", 1)
	for _, test := range []struct {
		name, spec, reason string
		said, want         int
	}{
		{"Of the included file", spec, "line 1: Unknown tag: a: b", 1, 0},
		{"Of the included file, on an empty line", plain[:len("Name: greet\nVersion: 1\n")] + "%include x\n\n", "line 4: Empty tag: x", 4, 0},
		{"Of the spec", spec, "line 4: Unknown tag: Recommend: x", 4, 4},
		{"Where nothing is included", plain, "line 1: Empty tag", 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			finding := diagnosis.Finding{Kind: diagnosis.KindBadSpec, Reason: test.reason, SpecLine: test.said}
			if finding.FindInSpec(test.spec); finding.SpecLine != test.want {
				t.Errorf("line %d, want %d", finding.SpecLine, test.want)
			}
		})
	}
}
