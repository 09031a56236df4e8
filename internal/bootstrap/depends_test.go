package bootstrap

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequires(t *testing.T) {
	t.Parallel()
	mustParse := func(name, version, depends, provides string) control {
		c, err := parseControl([]byte("Package: " + name + "\nVersion: " + version + "\nArchitecture: all\nDepends: " + depends + "\nProvides: " + provides + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := newCatalog([]control{
		mustParse("gawk", "1:5.2-2", "", "awk"),
		mustParse("mawk", "1.3-1", "", "awk"),
		mustParse("gcc-12", "12.2-1", "", ""),
		mustParse("cpp-12", "1:12.2-1", "", ""),
	})
	for _, tt := range []struct {
		name, depends string
		extra         []string
		want          []string
	}{
		{"a version is dropped", "cpp-12 (>= 12)", nil, []string{"cpp-12"}},
		{"an exact version is kept", "cpp-12 (= 1:12.2-1)", nil, []string{"cpp-12 = 1:12.2-deb.1"}},
		{"an exact version that is not in the set is dropped", "cpp-12 (= 11-1)", nil, []string{"cpp-12"}},
		{"the first alternative in the set is taken", "nothing | mawk | gawk", nil, []string{"mawk"}},
		{"a virtual package becomes its first owner", "awk", nil, []string{"gawk"}},
		{"what is not in the set is left out", "nothing, gcc-12", nil, []string{"gcc-12"}},
		{"a package does not require itself", "gcc (>= 1)", nil, nil},
		{"extra names are added if they are in the set", "", []string{"gcc-12", "absent", macrosName}, []string{macrosName, "gcc-12"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := c.requires(mustParse("gcc", "12-1", tt.depends, ""), tt.extra)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("requires (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProvides(t *testing.T) {
	t.Parallel()
	p, err := parseControl([]byte("Package: libc6-dev\nVersion: 1:2.36-9\nArchitecture: amd64\nProvides: libc-dev, libc6-dev (= 1)\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"glibc-devel = 2.36-deb.9", "glibc-devel(x86-64) = 2.36-deb.9", "libc-dev", "rtld(GNU_HASH)"}
	if diff := cmp.Diff(want, p.provides([]string{"glibc-devel", "rtld(GNU_HASH)"}, "(x86-64)")); diff != "" {
		t.Errorf("provides (-want +got):\n%s", diff)
	}
}
