package distgit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// benchOrigin is a dist-git repository with as many commits as an old package
// has.
func benchOrigin(b *testing.B, commits int) (o *origin, head string) {
	b.Helper()
	o = newOrigin(b)
	var stream strings.Builder
	for i := range commits {
		spec := preamble(strings.Repeat("# a line of a spec\n", 200), fmt.Sprintf("# change %d", i))
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter C <c@example.org> %d +0000\ndata 1\nx\n", 1_600_000_000+i)
		fmt.Fprintf(&stream, "M 644 inline hello.spec\ndata %d\n%s\n", len(spec), spec)
		fmt.Fprintf(&stream, "M 644 inline fix-%d.patch\ndata 5\npatch\n", i%20)
	}
	command := exec.Command("git", "fast-import", "--quiet")
	command.Dir, command.Stdin = o.bare(), strings.NewReader(stream.String())
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("git fast-import: %v\n%s", err, out)
	}
	o.run(o.bare(), "gc", "-q")
	return o, o.run(o.bare(), "rev-parse", "main")
}

// BenchmarkMirror compares a mirror with the git command doing the same.
func BenchmarkMirror(b *testing.B) {
	o, head := benchOrigin(b, 500)
	remote := o.remote()
	over := o.serve(nil)

	b.Run("FirstFetch/file", func(b *testing.B) {
		for b.Loop() {
			if err := (&Mirrors{Dir: b.TempDir()}).Fetch(b.Context(), remote, Want{Commit: head}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("FirstFetch/http", func(b *testing.B) {
		for b.Loop() {
			if err := (&Mirrors{Dir: b.TempDir()}).Fetch(b.Context(), over, Want{Commit: head}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("FirstFetch/git-file", func(b *testing.B) {
		for b.Loop() {
			o.run(b.TempDir(), "clone", "-q", "--mirror", remote.URL, "m.git")
		}
	})
	b.Run("FirstFetch/git-http", func(b *testing.B) {
		for b.Loop() {
			o.run(b.TempDir(), "clone", "-q", "--mirror", over.URL, "m.git")
		}
	})

	m := &Mirrors{Dir: b.TempDir()}
	for _, each := range []Remote{remote, over} {
		if err := m.Fetch(b.Context(), each, Want{Commit: head}); err != nil {
			b.Fatal(err)
		}
	}
	path, err := remote.mirrorPath(m.Dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("FetchNothingNew/http", func(b *testing.B) {
		for b.Loop() {
			if err := m.Fetch(b.Context(), over); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("FetchNothingNew/git-http", func(b *testing.B) {
		clone := filepath.Join(b.TempDir(), "m.git")
		o.run(o.root, "clone", "-q", "--mirror", over.URL, clone)
		for b.Loop() {
			o.run(clone, "fetch", "-q", "--prune")
		}
	})
	b.Run("FetchHeldCommit", func(b *testing.B) {
		for b.Loop() {
			if err := m.Fetch(b.Context(), over, Want{Commit: head}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("TreeAndReadSpecFile", func(b *testing.B) {
		for b.Loop() {
			tree, err := m.Tree(b.Context(), remote, head)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := tree.ReadFile("hello.spec", 1<<20); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("TreeAndReadSpecFile/git", func(b *testing.B) {
		for b.Loop() {
			o.run(path, "ls-tree", "-r", "-l", head)
			o.run(path, "show", head+":hello.spec")
		}
	})
	b.Run("Export", func(b *testing.B) {
		tree, err := m.Tree(b.Context(), remote, head)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			root, err := os.OpenRoot(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			if err := tree.Export(b.Context(), root, ExportLimits{Files: 100, FileBytes: 1 << 20, TotalBytes: 1 << 20}); err != nil {
				b.Fatal(err)
			}
			_ = root.Close()
		}
	})
}

// BenchmarkFetchOneCommit is a push of one commit, and its fetch.
func BenchmarkFetchOneCommit(b *testing.B) {
	o := newOrigin(b)
	o.commit("first")
	o.push("refs/heads/main")
	remote, m := o.serve(nil), &Mirrors{Dir: b.TempDir()}
	for b.Loop() {
		b.StopTimer()
		commit := o.commit("next")
		o.push("refs/heads/main")
		b.StartTimer()
		if err := m.Fetch(b.Context(), remote, Want{Commit: commit}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadSpec(b *testing.B) {
	files, err := filepath.Glob("testdata/specs/*.spec")
	if err != nil || len(files) == 0 {
		b.Fatalf("no specs: %v", err)
	}
	var specs [][]byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		specs = append(specs, data)
	}
	b.Run("corpus", func(b *testing.B) {
		for b.Loop() {
			for i, data := range specs {
				_, _ = ReadSpec(filepath.Base(files[i]), data, SpecOptions{}) // some are wrong without dist
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(specs)), "µs/spec")
	})
	for name, text := range map[string]string{
		"explosion":      preamble("%define a0 x", explosion(40)+strings.Repeat("URL: %{a40}\n", 10_000)),
		"joined":         preamble("%{expand:" + strings.Repeat("\naaaaaaaa", 90_000) + "}"),
		"packages":       preamble(strings.Repeat("Requires: x\n", 49_000) + strings.Repeat("%package x\n", 49_000)),
		"lines-by-macro": preamble("%define l "+strings.Repeat("\\\nA: b", 5_000), strings.Repeat("%l\n", 1000)),
		"unclosed":       preamble(strings.Repeat("%{?x:%(", 5_000) + strings.Repeat(")}", 5_000)),
	} {
		b.Run("worst/"+name, func(b *testing.B) {
			for b.Loop() {
				_, _ = ReadSpec("hello.spec", []byte(text), SpecOptions{}) // bounded, right or wrong
			}
		})
	}
}

// BenchmarkHistory reads 1000 commits, each with a spec of its own and all of
// one version, and guesses the release, which is the most work there is.
func BenchmarkHistory(b *testing.B) {
	const commits = 1000
	o, head := benchOrigin(b, commits)
	m := &Mirrors{Dir: b.TempDir()}
	if err := m.Fetch(b.Context(), o.remote(), Want{Commit: head}); err != nil {
		b.Fatal(err)
	}
	spec, err := ReadSpec("hello.spec", []byte(autoSpec("1.0", "%autorelease")), SpecOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Read", func(b *testing.B) {
		for b.Loop() {
			if h, err := m.History(b.Context(), o.remote(), head, "hello.spec"); err != nil || len(h.Commits) != commits {
				b.Fatalf("%d commits, %v", len(h.Commits), err)
			}
		}
	})
	b.Run("Guess", func(b *testing.B) {
		for b.Loop() {
			if got := m.guessNVR(b.Context(), o.remote(), head, spec, SpecOptions{}); got != "hello-1.0-1000" {
				b.Fatalf("guessed %q", got)
			}
		}
	})
}
