package bootstrap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const bashControl = `Package: bash
Version: 5.2.15-2+b13
Architecture: amd64
Pre-Depends: libc6 (>= 2.36), libtinfo6 (>= 6)
Depends: base-files (>= 2.1.12), debianutils (>= 5.6-0.1) | which:any
Provides: sh, bash-builtins (= 5.2)
Homepage: http://tiswww.case.edu/php/chet/bash/bashtop.html
Description: GNU Bourne Again SHell
 Bash is an sh-compatible command language interpreter.
 .
 Second paragraph.
`

func TestParseControl(t *testing.T) {
	t.Parallel()
	got, err := parseControl([]byte(bashControl))
	if err != nil {
		t.Fatal(err)
	}
	want := control{
		Name: "bash", Version: evr{Version: "5.2.15", Release: "deb.2+b13"}, Arch: "amd64",
		Summary: "GNU Bourne Again SHell", Homepage: "http://tiswww.case.edu/php/chet/bash/bashtop.html",
		Depends: []relation{
			{{Name: "libc6", Op: ">=", Version: "2.36"}},
			{{Name: "libtinfo6", Op: ">=", Version: "6"}},
			{{Name: "base-files", Op: ">=", Version: "2.1.12"}},
			{{Name: "debianutils", Op: ">=", Version: "5.6-0.1"}, {Name: "which"}},
		},
		Provides: []relation{{{Name: "sh"}}, {{Name: "bash-builtins", Op: "=", Version: "5.2"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("control (-want +got):\n%s", diff)
	}
}

func TestParseControlRefuses(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string][2]string{
		"a macro in the name":         {"Package: bash", "Package: %{lua:x}"},
		"a path in the name":          {"Package: bash", "Package: ../x"},
		"no name":                     {"Package: bash", "X: y"},
		"a macro in the version":      {"Version: 5.2.15-2+b13", "Version: 1%{x}"},
		"a macro in a dependency":     {"libtinfo6 (>= 6)", "libtinfo6 (>= %{x})"},
		"a newline in a dependency":   {"libtinfo6 (>= 6)", "lib\n x"},
		"an architecture with spaces": {"Architecture: amd64", "Architecture: a b"},
		"a line without colon":        {"Provides: sh", "Provides sh"},
		"a continuation at the start": {"Package: bash", " Package: bash"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(bashControl, replace[0], replace[1], 1)
			if text == bashControl {
				t.Fatalf("%q is not in the control file", replace[0])
			}
			if got, err := parseControl([]byte(text)); err == nil {
				t.Errorf("parseControl accepted it: %+v", got)
			}
		})
	}
}

// Whatever is accepted may stand in a spec: no line of it is the package's.
func FuzzParseControl(f *testing.F) {
	f.Add([]byte(bashControl))
	f.Add([]byte("Package: a0\nVersion: 1\nArchitecture: all\nDescription: %if\\\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseControl(data)
		if err != nil {
			return
		}
		spec := rpmSpec{Name: c.Name, EVR: c.Version, Summary: c.Summary, URL: c.Homepage, Provides: c.provides(nil, "")}
		for line := range strings.Lines(spec.String()) {
			if !plainSpecLine(line) {
				t.Errorf("spec has the line %q", line)
			}
		}
	})
}

// plainSpecLine reports whether a line is one this package writes, without a
// macro that would be expanded.
func plainSpecLine(line string) bool {
	line = strings.TrimSuffix(line, "\n")
	if strings.HasSuffix(line, `\`) || strings.Contains(line, "\r") {
		return false
	}
	switch line {
	case "", "%description", "%files", "%defattr(-,root,root,-)", "Part of the base distribution made by distbot bootstrap.":
		return true
	}
	tag, _, ok := strings.Cut(line, ": ")
	return ok && !strings.ContainsAny(tag, "%# ") && !strings.Contains(strings.ReplaceAll(line, "%%", ""), "%")
}
