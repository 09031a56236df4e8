package solv

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	packages := []Package{
		pkg(t, "greet-devel-1.2-1.fc37.x86_64", "Provides: pkgconfig(greet) = 1.2, greet-devel(x86-64) = 1.2-1.fc37, cmake(Greet) = 1.2", "Requires: greet"),
		pkg(t, "greet-devel-1.1-1.fc37.x86_64", "Provides: pkgconfig(greet) = 1.1"),
		pkg(t, "greet-1.2-1.fc37.x86_64", "Provides: libgreet.so.1()(64bit), libgreet.so.1(GREET_1.0)(64bit), libgreet.so.1(GREET_1.2)(64bit)", "Files: /usr/sbin/greet, /etc/greet.conf"),
		pkg(t, "greet-1.2-1.fc37.i686", "Provides: libgreet.so.1"),
		pkg(t, "compat-greet-0.9-1.fc37.x86_64", "Provides: libgreet.so.0()(64bit)"),
		pkg(t, "onlyarm-2-1.aarch64"),
		pkg(t, "sources-2-1.src"),
		pkg(t, "banned-3-1.noarch"),
		pkg(t, "SDL2-devel-2.0-1.x86_64", "Provides: pkgconfig(sdl2) = 2.0"),
		pkg(t, "qt5-qtbase-devel-5.15-1.x86_64", "Provides: pkgconfig(Qt5Core) = 5.15, cmake(Qt5Core) = 5.15"),
		pkg(t, "perl-Foo-Bar-1:2.0-1.noarch", "Provides: perl(Foo::Bar) = 2.0"),
		pkg(t, "python3-requests-2.28-1.noarch", "Provides: python3dist(requests) = 2.28, python3.11dist(requests) = 2.28"),
		pkg(t, "libyaml-0.2-1.x86_64"),
		pkg(t, "libyaml-devel-0.2-1.x86_64", "Provides: pkgconfig(yaml-0.1) = 0.2"),
		pkg(t, "zlib-devel-1.2-1.x86_64"),
		pkg(t, "gcc-c++-12-1.x86_64", "Files: /usr/bin/g++"),
		pkg(t, "gcc-12-1.x86_64"),
		pkg(t, "vim-9-1.x86_64"),
	}
	backwards := slices.Clone(packages)
	slices.Reverse(backwards)
	for requirement, want := range map[string][]string{
		// The same name.
		"greet-devel >= 2":        {"greet-devel 1.2-1.fc37 is there, >= 2 is needed"},
		"greet-devel > 1:1":       {"greet-devel 1.2-1.fc37 is there, > 1:1 is needed"},
		"pkgconfig(greet) >= 1.3": {"pkgconfig(greet) 1.2 is there (greet-devel-1.2-1.fc37.x86_64), >= 1.3 is needed"},
		"onlyarm":                 {"onlyarm-2-1.aarch64 is there, but not for x86_64"},
		"sources":                 {"sources-2-1.src is there, but is a source package"},
		"banned":                  {"banned-3-1.noarch is there, but is excluded"},
		"banned >= 4":             {"banned-3-1.noarch is there, but is excluded"},
		// Libraries.
		"libgreet.so.2()(64bit)":          {"libgreet.so.1()(64bit) is there (greet-1.2-1.fc37.x86_64)", "libgreet.so.0()(64bit) is there (compat-greet-0.9-1.fc37.x86_64)", "libgreet.so.1 is there (greet-1.2-1.fc37.i686)"},
		"libgreet.so.1(GREET_1.4)(64bit)": {"libgreet.so.1(GREET_1.2)(64bit) is there (greet-1.2-1.fc37.x86_64)", "libgreet.so.0()(64bit) is there (compat-greet-0.9-1.fc37.x86_64)", "libgreet.so.1 is there (greet-1.2-1.fc37.i686)"},
		// Case, namespaces, spelling.
		"sdl2-devel":               {"SDL2-devel-2.0-1.x86_64 is there"},
		"pkgconfig(SDL2)":          {"pkgconfig(sdl2) is there (SDL2-devel-2.0-1.x86_64)"},
		"cmake(SDL2)":              {"pkgconfig(sdl2) is there (SDL2-devel-2.0-1.x86_64)"},
		"python3.12dist(requests)": {"python3.11dist(requests) is there (python3-requests-2.28-1.noarch)"},
		"zlib_devel":               {"zlib-devel-1.2-1.x86_64 is there"},
		"greet-devel(aarch-64)":    {"greet-devel-1.2-1.fc37.x86_64 is there", "greet-1.2-1.fc37.x86_64 is there"},
		// Decoration.
		"yaml-devel":        {"libyaml-devel-0.2-1.x86_64 is there", "libyaml-0.2-1.x86_64 is there"},
		"zlib-dev":          {"zlib-devel-1.2-1.x86_64 is there"},
		"zlib":              {"zlib-devel-1.2-1.x86_64 is there"},
		"pkgconfig(zlib)":   {"zlib-devel-1.2-1.x86_64 is there"},
		"perl-Foo":          nil,
		"python-requests":   {"python3-requests-2.28-1.noarch is there"},
		"perl(Foo-Bar)":     {"perl(Foo::Bar) is there (perl-Foo-Bar-1:2.0-1.noarch)"},
		"rubygem(Foo::Bar)": {"perl(Foo::Bar) is there (perl-Foo-Bar-1:2.0-1.noarch)"},
		// Files.
		"/usr/bin/greet":      {"/usr/sbin/greet is there (greet-1.2-1.fc37.x86_64)"},
		"/usr/bin/zlib-devel": {"zlib-devel-1.2-1.x86_64 is there"},
		"/etc/gret.conf":      {"/etc/greet.conf is there (greet-1.2-1.fc37.x86_64)"},
		// Letters.
		"greet-devle":        {"greet-devel-1.2-1.fc37.x86_64 is there"},
		"pkgconfig(Qt6Core)": {"pkgconfig(Qt5Core) is there (qt5-qtbase-devel-5.15-1.x86_64)"},
		"gcc-c+":             {"gcc-c++-12-1.x86_64 is there"},
		// Short ones, whose first letter must be right.
		"vmi": {"vim-9-1.x86_64 is there"},
		"gc":  {"gcc-12-1.x86_64 is there"},
		"cgc": nil,
		// Nothing.
		"nothing-like-it": nil,
		"x":               nil,
		// What is provided.
		"greet-devel":           nil,
		"greet-devel >= 1.1":    nil,
		"/usr/sbin/greet":       nil,
		"(greet or sdl2-devel)": nil,
		"(greet or nothing)":    nil,
		// Rich ones.
		"(greet and greet-devel >= 3)":          {"greet-devel 1.2-1.fc37 is there, >= 3 is needed"},
		"(zlib-dev if greet)":                   {"zlib-devel-1.2-1.x86_64 is there"},
		"(pkgconfig(greet) >= 3 or sdl2-devel)": {"pkgconfig(greet) 1.2 is there (greet-devel-1.2-1.fc37.x86_64), >= 3 is needed", "SDL2-devel-2.0-1.x86_64 is there"},
	} {
		t.Run(requirement, func(t *testing.T) {
			t.Parallel()
			for _, packages := range [][]Package{packages, backwards} {
				p := pool(t, packages...)
				p.Exclude(func(_ string, n rpmfile.NEVRA) bool { return n.Name == "banned" })
				for range 2 {
					// The second time, from the same index.
					got, err := p.Nearest(t.Context(), requirement)
					if diff := cmp.Diff(want, got); err != nil || diff != "" {
						t.Errorf("%v (-want +got)\n%s", err, diff)
					}
				}
			}
		})
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b  string
		bound int
		want  int
	}{
		{"", "", 2, 0},
		{"abc", "abc", 0, 0},
		{"abc", "abd", 2, 1},
		{"abc", "ab", 2, 1},
		{"abc", "acb", 2, 1},
		{"abc", "bca", 2, 2},
		{"abcdef", "uvwxyz", 2, 3},
		{"abc", "abcdef", 2, 3},
		{"kitten", "sitting", 5, 3},
		{"ca", "abc", 5, 3},
	} {
		if got := distance(tt.a, tt.b, tt.bound); got != tt.want {
			t.Errorf("distance of %q and %q within %d: got %d, want %d", tt.a, tt.b, tt.bound, got, tt.want)
		}
	}
}
