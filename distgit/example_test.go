package distgit_test

import (
	"context"
	"fmt"

	"github.com/distbot/distbot/distgit"
)

// A package is read at a commit without running anything of it.
func Example() {
	ctx := context.Background()
	mirrors := &distgit.Mirrors{Dir: "/var/lib/distbot/mirrors"}
	lookaside := &distgit.Lookaside{Base: "https://src.example.org/repo/pkgs", Cache: "/var/lib/distbot/sources"}
	remote := distgit.Remote{
		Forge: "gitea", ID: "42",
		Base: "https://git.example.org", URL: "https://git.example.org/rpms/hello.git",
	}
	const commit = "0123456789abcdef0123456789abcdef01234567"

	read := func() (nvr string, err error) {
		if err := mirrors.Fetch(ctx, remote, distgit.Want{Commit: commit}); err != nil {
			return "", err
		}
		tree, err := mirrors.Tree(ctx, remote, commit)
		if err != nil {
			return "", err
		}
		name, err := distgit.FindSpec(tree)
		if err != nil {
			return "", err
		}
		text, err := tree.ReadFile(name, 2<<20)
		if err != nil {
			return "", err
		}
		spec, err := distgit.ReadSpec(name, text, distgit.SpecOptions{Macros: map[string]string{"dist": ".fc37"}})
		if err != nil {
			return "", err
		}
		list, err := tree.ReadFile(distgit.SourcesFile, 1<<20)
		if err != nil {
			return "", err
		}
		sources, err := distgit.ParseSources(list)
		if err != nil {
			return "", err
		}
		for _, source := range sources {
			if _, err := lookaside.Fetch(ctx, "hello", source); err != nil {
				return "", err
			}
		}
		nvr, known := spec.NVR()
		if !known {
			return "to be computed by rpm: " + spec.Release.Reason, nil
		}
		return nvr, nil
	}
	fmt.Println(read())
}

func ExampleReadSpec() {
	spec, err := distgit.ReadSpec("hello.spec", []byte(`
Name:    hello
Version: 2.12
Release: 3%{?dist}
URL:     %(hostname)
Source0: https://example.org/%{name}-%{version}.tar.gz
`), distgit.SpecOptions{Macros: map[string]string{"dist": ".fc37"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	nvr, _ := spec.NVR()
	fmt.Println(nvr)
	fmt.Println(spec.Sources[0].FileName())
	fmt.Printf("line %d: %s\n", spec.URL.Line, spec.URL.Reason)
	// Output:
	// hello-2.12-3.fc37
	// hello-2.12.tar.gz true
	// line 5: %( ) runs a shell command
}

func ExampleReadSpec_errors() {
	_, err := distgit.ReadSpec("hello.spec", []byte("Name: hello\nVersion: 1-2\nRelease: 1\n"), distgit.SpecOptions{})
	fmt.Println(err)
	// Output:
	// distgit: hello.spec:2: Version "1-2" has a character other than letters, digits and ._+~^
}
