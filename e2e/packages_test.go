//go:build e2e

package e2e_test

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/distbot/distbot/testdata"
)

// files are those of a dist-git repository, by name and content.
type files map[string]string

// with returns the files with some replaced or added.
func (f files) with(changes files) files {
	merged := maps.Clone(f)
	maps.Copy(merged, changes)
	return merged
}

// replaced returns the files with a text of one of them replaced.
func (f files) replaced(t testing.TB, name, from, to string) files {
	t.Helper()
	if !strings.Contains(f[name], from) {
		t.Fatalf("%s has no %q to replace", name, from)
	}
	return f.with(files{name: strings.Replace(f[name], from, to, 1)})
}

func sortedNames(f map[string]string) []string { return slices.Sorted(maps.Keys(f)) }

// example returns the dist-git files of one of the demo's packages.
func example(t testing.TB, pkg string) files { return exampleFiles(t, pkg, "dist-git") }

func exampleFiles(t testing.TB, pkg, part string) files {
	t.Helper()
	root := path.Join("distgit", pkg, part)
	found := files{}
	err := fs.WalkDir(testdata.DistGit, root, func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := testdata.DistGit.ReadFile(p)
		found[strings.TrimPrefix(p, root+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// libgreet returns the C library's dist-git files; its tarball is put into the
// lookaside.
func libgreet(t testing.TB, l *lookaside) files {
	t.Helper()
	archive := tarball(t, "libgreet-1.2", exampleFiles(t, "libgreet", "upstream"))
	return example(t, "libgreet").with(files{"sources": l.put("libgreet", "libgreet-1.2.tar.gz", archive)})
}

// small is a package without a compiler: the fastest there is.
type small struct {
	name    string
	release int
	// build is shell that %build runs; source a file of the lookaside that is
	// packaged; sources the line that names it.
	build, source, sources string
	// big says that the file "big", which build makes, is packaged.
	big bool
}

// files are the package's dist-git files.
func (p small) files() files {
	var spec strings.Builder
	fmt.Fprintf(&spec, "Name: %s\nVersion: 1.0\nRelease: %d%%{?dist}\nSummary: A small package\nLicense: MIT\nBuildArch: noarch\n", p.name, max(p.release, 1))
	if p.source != "" {
		fmt.Fprintf(&spec, "Source0: %s\n", p.source)
	}
	fmt.Fprintf(&spec, "\n%%description\nIt holds one file.\n\n%%build\n%s\n\n%%install\nmkdir -p %%{buildroot}%%{_datadir}\n", p.build)
	if p.source != "" {
		fmt.Fprintf(&spec, "cp %%{SOURCE0} %%{buildroot}%%{_datadir}/%s\n", p.name)
	} else {
		fmt.Fprintf(&spec, "echo %%{version}-%%{release} >%%{buildroot}%%{_datadir}/%s\n", p.name)
	}
	if p.big {
		fmt.Fprintf(&spec, "cp big %%{buildroot}%%{_datadir}/%s\n", p.name)
	}
	fmt.Fprintf(&spec, "\n%%files\n%%{_datadir}/%s\n", p.name)
	f := files{p.name + ".spec": spec.String()}
	if p.sources != "" {
		f["sources"] = p.sources
	}
	return f
}
