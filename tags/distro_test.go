package tags_test

import (
	"errors"
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
packages:
  f37: [hello, {package: zlib, owner: alice}]
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
			priority := "by its place"
			if parent.Priority != nil {
				priority = fmt.Sprint(*parent.Priority)
			}
			inherit = append(inherit, parent.Parent.Value+" "+priority)
		}
		if diff := cmp.Diff([]string{"f37 by its place", "f37-extra 5"}, inherit); diff != "" {
			t.Errorf("inheritance (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"rpm.macro.dist": `".fc37"`, "rpm.macro.fedora": `"37"`}, settings(d, "f37")); diff != "" {
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
		if diff := cmp.Diff(map[string]string{"rpm.macro.streams": `"1.10"`, "rpm.macro.answer": `"yes"`, "rpm.macro.mode": `"0755"`}, settings(d, "1.10")); diff != "" {
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
		if got := d.Tags["f38"].Groups["build"].Packages; len(got) != 1 || got[0].Name.Value != "bash" {
			t.Errorf("f38 has the group %v, want that of f37", got)
		}
	})

	t.Run("takes any value for a setting", func(t *testing.T) {
		t.Parallel()
		d, err := tags.ReadDistro(strings.NewReader(`
arches: [x86_64]
tags:
  f37:
    extra:
      mock.bootstrap_image: registry.example.org/fedora:37
      mock.use_bootstrap: true
      mock.yum.retries: 7
      mock.ratio: 1.50
      mock.huge: 123456789012345678901234567890
      mock.hex: 0x1F
      mock.nothing:
      mock.date: 2026-01-02
      mock.quoted: "7"
      noarch_arches: [x86_64, aarch64]
      repo.opts: {src: true, "debuginfo": [1, ~, {x: no}]}
      rpm.macro.number: !!int 37
      "a <key> with blanks": <b>
`))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{
			"mock.bootstrap_image": `"registry.example.org/fedora:37"`, "mock.use_bootstrap": "true", "mock.yum.retries": "7", "mock.ratio": "1.50",
			"mock.huge": "123456789012345678901234567890", "mock.hex": "31", "mock.nothing": "null", "mock.date": `"2026-01-02"`, "mock.quoted": `"7"`,
			"noarch_arches": `["x86_64","aarch64"]`, "repo.opts": `{"src":true,"debuginfo":[1,null,{"x":"no"}]}`, "rpm.macro.number": "37",
			"a <key> with blanks": `"\u003cb\u003e"`,
		}, settings(d, "f37")); diff != "" {
			t.Errorf("extra (-want +got):\n%s", diff)
		}
	})

	t.Run("reports a reader's error", func(t *testing.T) {
		t.Parallel()
		if _, err := tags.ReadDistro(iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("got error %v", err)
		}
	})
}

// settings are a tag's extra settings as JSON.
func settings(d *tags.Distro, tag string) map[string]string {
	values := map[string]string{}
	for key, setting := range d.Tags[tag].Extra {
		values[key] = string(setting.Value)
	}
	return values
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
		{"an unknown key at the top", "ignore_branches:", "ignored:", `line 21: unknown key "ignored": expected one of arches, external_repos, tags, packages, targets, ignore_branches`},
		{"an unknown key of a tag", "    groups:", "    group:", `line 7: unknown key "group"`},
		{"an unknown key of a parent", "priority: 5", "prio: 5", `line 13: unknown key "prio"`},
		{"an unknown key of a target", "dest_tag: f37,", "dest: f37,", `line 20: unknown key "dest"`},
		{"an unknown key of an external repository", `{url: "https`, `{mirror: "https`, `line 4: unknown key "mirror"`},
		{"a circle", extra, "  f37-extra:\n    inherit: [f37-build]\n", "line 16: tags inherit in a circle: f37-build → f37-extra → f37-build"},
		{"a tag that inherits from itself", extra, "  f37-extra:\n    inherit: [f37-extra]\n", "line 16: tags inherit in a circle: f37-extra → f37-extra"},
		{"an unknown parent", "inherit: [f37,", "inherit: [f36,", `line 13: tag f37-build inherits from "f36", which is not a tag of this file`},
		{"a parent named twice", "[f37, {parent: f37-extra", "[f37, {parent: f37", "line 13: tag f37-build inherits from f37 twice"},
		{"two parents of one priority", "priority: 5", "priority: 10", "line 13: tag f37-build: its parents f37 and f37-extra have the same priority 10"},
		{"a priority that does not fit", "priority: 5", "priority: 4294967306", "line 13: tags.f37-build.inherit.priority: a whole number between -2147483648 and 2147483647 is expected, not `4294967306`"},
		{"a priority that is no number", "priority: 5", "priority: high", "line 13: tags.f37-build.inherit.priority: a whole number between -2147483648 and 2147483647 is expected, not `high`"},
		{"a priority that is a list", "priority: 5", "priority: [5]", "line 13: tags.f37-build.inherit.priority: a whole number between -2147483648 and 2147483647 is expected, not a list"},
		{"a maxdepth that is negative", "priority: 5", "maxdepth: -1", "line 13: tags.f37-build.inherit.maxdepth: a whole number between 0 and 2147483647 is expected, not `-1`"},
		{"a maxdepth that does not fit", "priority: 5", "maxdepth: 1e9", "line 13: tags.f37-build.inherit.maxdepth: a whole number between 0 and 2147483647 is expected, not `1e9`"},
		{"a flag that is neither", "priority: 5", "noconfig: maybe", "line 13: tags.f37-build.inherit.noconfig: true or false is expected, not `maybe`"},
		{"a broken pkg_filter", "priority: 5", `pkg_filter: "^(?!kernel"`, "line 13: tag f37-build: f37-extra: pkg_filter \"^(?!kernel\": "},
		{"an over-long pkg_filter", "priority: 5", "pkg_filter: " + strings.Repeat("a", 10_000), "line 13: tag f37-build: f37-extra: pkg_filter has 10000 characters"},
		{"external repositories of one priority", "external_repos: [fedora]", "external_repos: [{name: a, url: \"file:///a\", priority: 20}, fedora]", "line 14: tag f37-build: its external repositories a and fedora have the same priority 20"},
		{"an external repository of a tag with a strange URL", "external_repos: [fedora]", "external_repos: [{name: fedora, url: \"ftp://x\"}]", "line 14: external repository fedora: url must begin with"},
		{"an unknown external repository", "external_repos: [fedora]", "external_repos: [epel]", `line 14: tag f37-build: external repository "epel" is not in external_repos`},
		{"an external repository named twice", "external_repos: [fedora]", "external_repos: [fedora, fedora]", "line 14: tag f37-build: external repository fedora is named twice"},
		{"an external repository without a URL", `{url: "https://mirror.example.org/37/$arch"}`, "{}", "line 4: external repository fedora: url must begin with"},
		{"an external repository of a strange scheme", `"https://mirror`, `"gopher://mirror`, "line 4: external repository fedora: url must begin with"},
		{"a tag without arches", "arches: [x86_64, riscv64]", "arches: []", "tag f37: no arches"},
		{"an arch that is none", "arches: [x86_64, riscv64]", "arches: [x86_64, ../etc]", `"../etc" is no architecture`},
		{"a tag's name that is a path", extra, "  ../f37:\n    arches: [x86_64]\n", `line 15: tag "../f37": names are letters`},
		{"a tag's name that is hidden", extra, "  .f37:\n    arches: [x86_64]\n", `tag ".f37": names are letters`},
		{"a tag's name that is an option", extra, "  -f37:\n    arches: [x86_64]\n", `tag "-f37": names are letters`},
		{"a tag's name that is too long", extra, "  " + strings.Repeat("f", 257) + ":\n    arches: [x86_64]\n", "at most 255"},
		{"a target's name with a slash", "  f37: {build_tag", "  f37/x: {build_tag", `line 20: target "f37/x": names are letters`},
		{"a group's name with a blank", "      build: [", "      \"my build\": [", `group "my build": names are letters`},
		{"a package that is an option", "build: [bash,", "build: [--installroot=/,", `line 8: tag f37: group build: "--installroot=/" names no package`},
		{"an empty package", "build: [bash,", `build: ["",`, `line 8: tag f37: group build: "" names no package`},
		{"a target of an unknown build tag", "build_tag: f37-build", "build_tag: f36-build", `line 20: target f37: build_tag "f36-build" is not a tag of this file`},
		{"a target without a destination", "dest_tag: f37, ", "", `line 20: target f37: dest_tag "" is not a tag of this file`},
		{"a target without branches", `, branches: [f37, "1.10"]`, "", "line 20: target f37: no branches"},
		{"a glob that is none", "[private/*, wip-*]", `["[a"]`, `line 21: ignore_branches: "[a" is no glob`},
		{"a macro's name rpm would not take", "rpm.macro.dist:", "rpm.macro.d-x:", `tag f37: "d-x" is no name of a macro`},
		{"a macro of two lines", "rpm.macro.dist: .fc37", `rpm.macro.dist: "a\nb"`, "tag f37: the value of rpm.macro.dist has more than one line"},
		{"a macro that is a list", "rpm.macro.dist: .fc37", "rpm.macro.dist: [.fc37]", "line 10: tag f37: rpm.macro.dist must be a single value"},
		{"a setting that JSON does not have", "rpm.macro.dist: .fc37", "mock.lag: .inf", "line 10: JSON has no infinite numbers"},
		{"a setting of a foreign type", "rpm.macro.dist: .fc37", "mock.lag: !lag x", `line 10: JSON has no values of the type "!lag"`},
		{"a setting that is no number", "rpm.macro.dist: .fc37", "mock.lag: !!int x", `line 10: "x" is no int`},
		{"a setting with a NUL far inside", "rpm.macro.dist: .fc37", `mock.x: [{"a\0": 1}]`, "line 10: tag f37: the value of mock.x has a control character"},
		{"a setting that is too long", "rpm.macro.dist: .fc37", "mock.x: " + strings.Repeat("x", 70_000), "line 10: tag f37: the value of mock.x has more than 65536 bytes"},
		{"a setting that is nested too deeply", "rpm.macro.dist: .fc37", "mock.x: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "line 10: extra settings may be nested 100 levels deep"},
		{"a key that is twice in a setting", "rpm.macro.dist: .fc37", "mock.x: {a: 1, a: 2}", "line 10: mapping key \"a\" already defined at line 10"},
		{"a setting that is set and blocked", "    extra:\n", "    extra_blocked: [rpm.macro.dist]\n    extra:\n", "line 9: tag f37: rpm.macro.dist is in extra and in extra_blocked"},
		{"a setting blocked twice", "    extra:\n", "    extra_blocked: [a, a]\n    extra:\n", "line 9: tag f37: extra_blocked names a twice"},
		{"an unknown type of a group's package", "build: [bash,", "build: [{name: bash, type: needed},", `line 8: tag f37: group build: type must be one of mandatory, default, optional, conditional, not "needed"`},
		{"a package twice in a group, differently", "build: [bash,", "build: [{name: bash, type: optional}, bash,", "line 8: tag f37: group build: bash is in it twice, each time differently"},
		{"an unknown key of a group", "      build: [bash, gcc, \"pkgconfig(zlib)\", /usr/bin/make]", "      build: {package: [bash]}", `line 8: unknown key "package": expected one of display_name`},
		{"an unknown key of a group's package", "build: [bash,", "build: [{name: bash, typ: optional},", `line 8: unknown key "typ": expected one of name, type, requires, basearchonly, blocked`},
		{"an inherited group that is described", "      build: [bash, gcc, \"pkgconfig(zlib)\", /usr/bin/make]", "      build: {inherited: true, default: true}", "line 8: tag f37: group build is inherited, so only packages and requires can be said of it here"},
		{"a group required twice", "      build: [bash, gcc, \"pkgconfig(zlib)\", /usr/bin/make]", "      build: {requires: [core, core]}", "line 8: tag f37: group build requires core twice"},
		{"packages of an unknown tag", "  f37: [hello,", "  f36: [hello,", `line 18: packages: "f36" is not a tag of this file`},
		{"a package listed twice", "  f37: [hello,", "  f37: [hello, hello,", "line 18: packages of f37: hello is listed twice"},
		{"a package's name that is a path", "  f37: [hello,", "  f37: [../hello,", `line 18: package "../hello": names are letters`},
		{"an owner with a blank", "owner: alice", `owner: "al ice"`, `line 18: packages of f37: zlib: "al ice" is no name of a user`},
		{"an unknown key of a package", "owner: alice", "owners: alice", `line 18: unknown key "owners": expected one of package, owner, extra_arches, blocked`},
		{"a package's arch that is none", "owner: alice", "extra_arches: [\"a b\"]", `line 18: packages of f37: zlib: "a b" is no architecture`},
		{"a package list with nothing", "  f37: [hello, {package: zlib, owner: alice}]", "  f37:", "line 18: packages of f37: write [] for none"},
		{"a text where a list belongs", "ignore_branches: [private/*, wip-*]", "ignore_branches: wip-*", "line 21: ignore_branches: a list is expected, not `wip-*`"},
		{"a long text where a list belongs", "ignore_branches: [private/*, wip-*]", "ignore_branches: \"\\e" + strings.Repeat("x", 100) + "\"", "line 21: ignore_branches: a list is expected, not `\\x1b" + strings.Repeat("x", 35) + "…`"},
		{"a maxdepth beyond 64 bits", "priority: 5", "maxdepth: 9223372036854775808", "line 13: tags.f37-build.inherit.maxdepth: a whole number between 0 and 2147483647 is expected, not `9223372036854775808`"},
		{"a mapping as a key", "ignore_branches: [private/*, wip-*]", "? {a: b}\n: c", "line 21: a single value is expected as a key"},
		{"a list where a text belongs", "dest_tag: f37,", "dest_tag: [f37],", "line 20: targets.f37.dest_tag: a single value is expected, not a list"},
		{"a text where a mapping belongs", extra, "  f37-extra: x86_64\n", "line 15: tags.f37-extra: a mapping is expected, not `x86_64`"},
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

	t.Run("mistakes of the YAML beside contradictions, in the order of lines", func(t *testing.T) {
		t.Parallel()
		_, err := tags.ReadDistro(strings.NewReader("arches: [x86_64]\ntags:\n  a: {inherit: [b], lock: true}\n  c: {perm: [x]}\n  c: {}\ntargets:\n  t: {build_tag: d, dest_tag: a, branches: [t]}\n"))
		var wrong *tags.DistroError
		if !errors.As(err, &wrong) {
			t.Fatalf("got error %v, want a *tags.DistroError", err)
		}
		if diff := cmp.Diff([]string{
			`line 3: unknown key "lock": expected one of arches, perm, locked, inherit, external_repos, groups, extra, extra_blocked`,
			`line 3: tag a inherits from "b", which is not a tag of this file`,
			"line 4: tags.c.perm: a single value is expected, not a list",
			`line 5: mapping key "c" already defined at line 4`,
			`line 7: target t: build_tag "d" is not a tag of this file`,
		}, wrong.Problems); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
	})

	t.Run("more mistakes than anybody reads", func(t *testing.T) {
		t.Parallel()
		_, err := tags.ReadDistro(strings.NewReader("arches: [x86_64]\ntags:\n  a: {inherit: [" + strings.Repeat("b, ", 10_000) + "]}\n"))
		if err == nil || len(err.Error()) > 100_000 || !strings.Contains(err.Error(), "more mistakes") {
			t.Errorf("got error of %d bytes: %.200v", len(fmt.Sprint(err)), err)
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
	f.Add("arches: [x86_64]\ntags: {a: {arches: inherit, groups: {g: {packages: [{name: x, type: optional}]}}, extra: {k: [1, {a: ~}]}}}\npackages: {a: [{package: x}]}\n")
	f.Fuzz(func(_ *testing.T, text string) {
		// It must come back, with or without an error.
		_, _ = tags.ReadDistro(strings.NewReader(text))
	})
}
