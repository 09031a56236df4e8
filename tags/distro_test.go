package tags_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/tags"
)

const goodDistro = `# Fedora 37 for two machines
arches: [x86_64, riscv64]
external_repos:
  fedora: {url: "https://mirror.example.org/37/$arch"}
tags:
  f37:
    groups:
      build: [bash, gcc, "pkgconfig(zlib)", /usr/bin/make]
    extra:
      rpm.macro.dist: .fc37
      rpm.macro.fedora: 37
  f37-build:
    inherit: [f37, {parent: f37-extra, priority: 5}]
    external_repos: [fedora]
  f37-extra:
    arches: [x86_64]
targets:
  f37: {build_tag: f37-build, dest_tag: f37, branches: [f37, "1.10"]}
ignore_branches: [private/*, wip-*]
`

func TestReadDistro(t *testing.T) {
	t.Parallel()

	t.Run("reads a whole distribution", func(t *testing.T) {
		t.Parallel()
		d, err := tags.ReadDistro(strings.NewReader(goodDistro))
		if err != nil {
			t.Fatal(err)
		}
		var inherit []string
		for _, parent := range d.Tags["f37-build"].Inherit {
			inherit = append(inherit, fmt.Sprint(parent.Parent.Value, " ", parent.Priority))
		}
		if diff := cmp.Diff([]string{"f37 0", "f37-extra 5"}, inherit); diff != "" {
			t.Errorf("inheritance (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"rpm.macro.dist": ".fc37", "rpm.macro.fedora": "37"}, d.Tags["f37"].Extra); diff != "" {
			t.Errorf("extra (-want +got):\n%s", diff)
		}
		if got := d.ExternalRepos["fedora"].URL.Value; got != "https://mirror.example.org/37/$arch" {
			t.Errorf("external repository %q", got)
		}
	})

	t.Run("keeps 1.10 and yes as they are written", func(t *testing.T) {
		t.Parallel()
		d, err := tags.ReadDistro(strings.NewReader(`
arches: [x86_64]
tags:
  1.10: {extra: {rpm.macro.streams: 1.10, rpm.macro.answer: yes, rpm.macro.mode: 0755}}
targets:
  1.20: {build_tag: 1.10, dest_tag: 1.10, branches: [1.10, yes, 0755, 1e3]}
`))
		if err != nil {
			t.Fatal(err)
		}
		var branches []string
		for _, b := range d.Targets["1.20"].Branches {
			branches = append(branches, b.Value)
		}
		if diff := cmp.Diff([]string{"1.10", "yes", "0755", "1e3"}, branches); diff != "" {
			t.Errorf("branches (-want +got):\n%s", diff)
		}
		if got := d.Targets["1.20"].BuildTag.Value; got != "1.10" {
			t.Errorf("build tag %q, want 1.10", got)
		}
		if diff := cmp.Diff(map[string]string{"rpm.macro.streams": "1.10", "rpm.macro.answer": "yes", "rpm.macro.mode": "0755"}, d.Tags["1.10"].Extra); diff != "" {
			t.Errorf("extra (-want +got):\n%s", diff)
		}
	})

	t.Run("lets a tag be written once and used again", func(t *testing.T) {
		t.Parallel()
		d, err := tags.ReadDistro(strings.NewReader(`
arches: [x86_64]
tags:
  f37: &tag {groups: {build: [bash]}}
  f38: *tag
`))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Tags["f38"].Groups["build"]; len(got) != 1 || got[0].Value != "bash" {
			t.Errorf("f38 has the group %v, want that of f37", got)
		}
	})

	t.Run("reports a reader's error", func(t *testing.T) {
		t.Parallel()
		if _, err := tags.ReadDistro(iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("got error %v", err)
		}
	})
}

// edit is the good distribution with one text replaced.
func edit(t *testing.T, old, replacement string) string {
	t.Helper()
	if strings.Count(goodDistro, old) != 1 {
		t.Fatalf("%q is not once in the good file", old)
	}
	return strings.Replace(goodDistro, old, replacement, 1)
}

func TestReadDistroRefuses(t *testing.T) {
	t.Parallel()
	const extra = "  f37-extra:\n    arches: [x86_64]\n"
	for _, test := range []struct{ name, old, new, want string }{
		{"an unknown key at the top", "ignore_branches:", "ignored:", "line 19: field ignored not found"},
		{"an unknown key of a tag", "    groups:", "    group:", `line 7: unknown key "group"`},
		{"an unknown key of a parent", "priority: 5", "prio: 5", `line 13: unknown key "prio"`},
		{"an unknown key of a target", "dest_tag: f37,", "dest: f37,", `line 18: unknown key "dest"`},
		{"an unknown key of an external repository", `{url: "https`, `{mirror: "https`, `line 4: unknown key "mirror"`},
		{"a circle", extra, "  f37-extra:\n    inherit: [f37-build]\n", "line 13: tags inherit in a circle: f37-build → f37-extra → f37-build"},
		{"a tag that inherits from itself", extra, "  f37-extra:\n    inherit: [f37-extra]\n", "tags inherit in a circle: f37-extra → f37-extra"},
		{"an unknown parent", "inherit: [f37,", "inherit: [f36,", `line 13: tag f37-build inherits from "f36", which is not a tag of this file`},
		{"a parent named twice", "[f37, {parent: f37-extra", "[f37, {parent: f37", "line 13: tag f37-build inherits from f37 twice"},
		{"two parents of one priority", "priority: 5", "priority: 10", "line 13: tag f37-build: its parents f37 and f37-extra have the same priority 10"},
		{"a negative priority", "priority: 5", "priority: -5", "line 13: tag f37-build: priority -5 of f37-extra is not between 0 and 99999"},
		{"a priority that does not fit", "priority: 5", "priority: 4294967306", "priority 4294967306 of f37-extra is not between"},
		{"a priority that is no number", "priority: 5", "priority: high", "line 13: cannot unmarshal"},
		{"an unknown external repository", "external_repos: [fedora]", "external_repos: [epel]", `line 14: tag f37-build: external repository "epel" is not in external_repos`},
		{"an external repository named twice", "external_repos: [fedora]", "external_repos: [fedora, fedora]", "line 14: tag f37-build: external repository fedora is named twice"},
		{"an external repository without a URL", `{url: "https://mirror.example.org/37/$arch"}`, "{}", "line 4: external repository fedora: url must begin with"},
		{"an external repository of a strange scheme", `"https://mirror`, `"gopher://mirror`, "line 4: external repository fedora: url must begin with"},
		{"a tag without arches", "arches: [x86_64, riscv64]", "arches: []", "tag f37: no arches"},
		{"an arch that is none", "arches: [x86_64, riscv64]", "arches: [x86_64, ../etc]", `"../etc" is no architecture`},
		{"a tag's name that is a path", extra, "  ../f37:\n    arches: [x86_64]\n", `line 16: tag "../f37": names are letters`},
		{"a tag's name that is hidden", extra, "  .f37:\n    arches: [x86_64]\n", `tag ".f37": names are letters`},
		{"a tag's name that is an option", extra, "  -f37:\n    arches: [x86_64]\n", `tag "-f37": names are letters`},
		{"a tag's name that is too long", extra, "  " + strings.Repeat("f", 101) + ":\n    arches: [x86_64]\n", "at most 100"},
		{"a target's name with a slash", "  f37: {build_tag", "  f37/x: {build_tag", `line 18: target "f37/x": names are letters`},
		{"a group's name with a blank", "      build: [", "      \"my build\": [", `group "my build": names are letters`},
		{"a package that is an option", "build: [bash,", "build: [--installroot=/,", `line 8: tag f37: group build: "--installroot=/" names no package`},
		{"an empty package", "build: [bash,", `build: ["",`, `line 8: tag f37: group build: "" names no package`},
		{"a target of an unknown build tag", "build_tag: f37-build", "build_tag: f36-build", `line 18: target f37: build_tag "f36-build" is not a tag of this file`},
		{"a target without a destination", "dest_tag: f37, ", "", `line 18: target f37: dest_tag "" is not a tag of this file`},
		{"a target without branches", `branches: [f37, "1.10"]`, "branches: []", "line 18: target f37: no branches"},
		{"a glob that is none", "[private/*, wip-*]", `["[a"]`, `line 19: ignore_branches: "[a" is no glob`},
		{"a macro's name rpm would not take", "rpm.macro.dist:", "rpm.macro.d-x:", `tag f37: "d-x" is no name of a macro`},
		{"a macro of two lines", "rpm.macro.dist: .fc37", `rpm.macro.dist: "a\nb"`, "tag f37: the value of rpm.macro.dist has more than one line"},
		{"a list where a text belongs", "dest_tag: f37,", "dest_tag: [f37],", "line 18: a single value is expected here"},
		{"a text where a mapping belongs", extra, "  f37-extra: x86_64\n", "line 15: a mapping is expected here"},
		{"a key that is there twice", "  f37-build:\n", "  f37:\n", "line 12: mapping key \"f37\" already defined at line 6"},
		{"two documents", "ignore_branches:", "---\nignore_branches:", "more than one document"},
		{"what is no YAML", "arches: [x86_64, riscv64]", "arches: [x86_64, riscv64", "line"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := tags.ReadDistro(strings.NewReader(edit(t, test.old, test.new)))
			if err == nil {
				t.Fatalf("no error, want %q", test.want)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "tags: distro.yaml") || strings.Contains(err.Error(), "line 0") {
				t.Errorf("got error %q, want it to say %q", err, test.want)
			}
		})
	}

	t.Run("an empty file", func(t *testing.T) {
		t.Parallel()
		if _, err := tags.ReadDistro(strings.NewReader("")); err == nil {
			t.Error("no error")
		}
	})

	t.Run("every contradiction at once", func(t *testing.T) {
		t.Parallel()
		_, err := tags.ReadDistro(strings.NewReader("arches: [x86_64]\ntags:\n  a: {inherit: [b]}\ntargets:\n  t: {build_tag: c, dest_tag: a}\n"))
		if err == nil || !strings.Contains(err.Error(), `"b"`) || !strings.Contains(err.Error(), `"c"`) || !strings.Contains(err.Error(), "no branches") {
			t.Errorf("got error %v, want all three", err)
		}
	})

	t.Run("a file larger than 4 MiB", func(t *testing.T) {
		t.Parallel()
		if _, err := tags.ReadDistro(io.LimitReader(endless{}, 1<<40)); err == nil || !strings.Contains(err.Error(), "4 MiB") {
			t.Errorf("got error %v", err)
		}
	})

	t.Run("aliases that stand for billions of values", func(t *testing.T) {
		t.Parallel()
		var bomb strings.Builder
		bomb.WriteString("arches: [x86_64]\ntags:\n  t: &t\n    groups:\n      build: [")
		for i := range 20_000 {
			fmt.Fprintf(&bomb, "package%d, ", i)
		}
		bomb.WriteString("bash]\n")
		for i := range 100_000 {
			fmt.Fprintf(&bomb, "  t%d: *t\n", i)
		}
		if _, err := tags.ReadDistro(strings.NewReader(bomb.String())); err == nil || !strings.Contains(err.Error(), "aliases stand for more than") {
			t.Errorf("got error %.200v", err)
		}
	})

	t.Run("an alias that stands for itself", func(t *testing.T) {
		t.Parallel()
		if _, err := tags.ReadDistro(strings.NewReader("arches: [x86_64]\ntags: &tags\n  f37: {groups: *tags}\n")); err == nil {
			t.Error("no error")
		}
	})
}

// endless reads blanks for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func FuzzReadDistro(f *testing.F) {
	f.Add(goodDistro)
	f.Add("arches: [x86_64]\ntags:\n  f37: &tag {groups: {build: [bash]}}\n  f38: *tag\n")
	f.Add("tags: {a: {inherit: [{parent: a}]}}\n---\n")
	f.Fuzz(func(_ *testing.T, text string) {
		// It must come back, with or without an error.
		_, _ = tags.ReadDistro(strings.NewReader(text))
	})
}
