package modulemd_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
)

func texts(findings []modulemd.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.String())
	}
	return out
}

func TestCheck(t *testing.T) {
	t.Parallel()
	with := func(s, lines string) string { return strings.Replace(s, "...\n", lines+"...\n", 1) }
	for name, c := range map[string]struct {
		documents []string
		want      []string
	}{
		"nothing is wrong": {documents: []string{
			with(module("demo", "1", 1, "c"), "  profiles: {p: {rpms: [demo]}}\n  artifacts: {rpms: [demo-0:1-1.x86_64, demo-0:1-1.src, demo-0:1-1.noarch, demo-0:1-1.i686]}\n"),
			"---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: demo, stream: 1, profiles: {1: [p]}}\n",
		}},
		"neither context nor architecture": {
			[]string{strings.Replace(strings.Replace(module("demo", "1", 1, "c"), "  context: c\n", "", 1), "  arch: x86_64\n", "", 1)},
			[]string{
				"1: warning: modulemd demo:1:1: no context; Satellite and Pulp refuse the document [no-context]",
				"1: warning: modulemd demo:1:1: no architecture; Satellite and Pulp refuse the document [no-arch]",
			},
		},
		"strange artifacts": {
			[]string{with(module("demo", "1", 1, "c"), "  artifacts: {rpms: ['-0:1-1.noarch', demo-0:1-1.aarch64]}\n")},
			[]string{
				`1: warning: modulemd demo:1:1:c:x86_64: artifact "-0:1-1.noarch": no RPM can have that name [artifact]`,
				`1: warning: modulemd demo:1:1:c:x86_64: artifact "demo-0:1-1.aarch64" is not for x86_64 [arch]`,
			},
		},
		"profiles of absent RPMs": {
			[]string{with(module("demo", "1", 1, "c"), "  profiles: {p: {rpms: [demo, gone, lost]}}\n  artifacts: {rpms: [demo-0:1-1.x86_64]}\n")},
			[]string{`1: warning: modulemd demo:1:1:c:x86_64: profile "p" names gone and lost, not among the artifacts of the stream; dnf cannot install the profile unless another repository has it [profile-rpm]`},
		},
		"requirements": {
			[]string{module("demo", "1", 1, "c", "platform: [el8]", "a: [x-y]", "b: [-1]"), module("b", "1", 1, "c")},
			[]string{
				"1: note: modulemd demo:1:1:c:x86_64: requires a:x-y, of which no document is here [requires]",
				"1: note: modulemd demo:1:1:c:x86_64: requires b:-1, of which no document is here [requires]",
				"1: warning: modulemd demo:1:1:c:x86_64: requires a:x-y; libdnf reads a stream with '-' inside as one that is excluded [dash-stream]",
			},
		},
		"defaults": {
			[]string{
				"---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: demo, stream: 3, profiles: {1: [p, gone], 2: [p]}}\n",
				with(module("demo", "1", 1, "c"), "  profiles: {p: {}, gone: {}}\n"),
				with(module("demo", "1", 2, "c"), "  profiles: {p: {}}\n"),
			},
			[]string{
				`1: note: modulemd-defaults demo: the default stream "3" has no document here [default-stream]`,
				`1: error: modulemd-defaults demo: the default profile "gone" of stream "1" does not exist in demo:1:2:c:x86_64; dnf fails to install the module [default-profile]`,
			},
		},
		"documents of no stream": {
			[]string{
				"---\ndocument: modulemd-obsoletes\nversion: 1\ndata: {module: demo, stream: 1, message: m, modified: 2020-01-01T00:00Z}\n",
				"---\ndocument: modulemd-translations\nversion: 1\ndata: {module: demo, stream: 1, modified: 1}\n",
			},
			[]string{
				"1: note: modulemd-obsoletes demo:1: no document of that stream is here [orphan]",
				"5: note: modulemd-translations demo:1: no document of that stream is here [orphan]",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := texts(readIndex(t, c.documents...).Check())
			slices.Sort(got)
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// part is a repository of the given documents.
func part(t *testing.T, name string, documents ...string) modulemd.Part {
	t.Helper()
	return modulemd.Part{Name: name, Index: readIndex(t, documents...)}
}

func TestClashes(t *testing.T) {
	t.Parallel()
	defaults := func(modified int, rest string) string {
		return fmt.Sprintf("---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: demo, modified: %d%s}\n", modified, rest)
	}
	for name, c := range map[string]struct {
		parts []modulemd.Part
		want  []string
	}{
		"entries are united": {
			parts: []modulemd.Part{part(t, "a", defaults(1, ", stream: 1, profiles: {1: [p, q]}")), part(t, "b", defaults(1, ", profiles: {2: [p], 1: [q, p]}"))},
		},
		"the newer wins": {
			parts: []modulemd.Part{part(t, "a", defaults(1, ", stream: 1, profiles: {1: [p]}")), part(t, "b", defaults(2, ", stream: 2, profiles: {1: [q]}"))},
		},
		"other profiles of the same age": {
			[]modulemd.Part{part(t, "a", defaults(1, ", profiles: {1: [p]}")), part(t, "b", defaults(1, ", profiles: {1: [p, q]}"))},
			[]string{`b:1: fatal: modulemd-defaults demo: the default profiles of stream "1" is "p" in "a" and "p, q" in "b", both modified 1; dnf loses the defaults of all modules [defaults-clash]`},
		},
		"another stream of the same age": {
			[]modulemd.Part{part(t, "a", defaults(1, ", stream: 1")), part(t, "b", defaults(1, ", stream: 2"))},
			[]string{`b:1: error: modulemd-defaults demo: the default stream is "1" in "a" and "2" in "b", both modified 1; the module has no default stream then [default-stream-clash]`},
		},
		"an older entry that counts as newer": {
			[]modulemd.Part{part(t, "a", defaults(1, ", profiles: {1: [p]}")), part(t, "b", defaults(2, "")), part(t, "c", defaults(2, ", profiles: {1: [q]}"))},
			[]string{`c:1: fatal: modulemd-defaults demo: the default profiles of stream "1" is "p" in "a" and "q" in "c"; united with the document of "b", which is modified 2, the first counts as new as the second; dnf loses the defaults of all modules [defaults-clash]`},
		},
		"intents": {
			[]modulemd.Part{part(t, "a", defaults(1, ", intents: {x: {stream: 1, profiles: {1: [p]}}}")), part(t, "b", defaults(1, ", intents: {x: {stream: 2, profiles: {1: []}}}"))},
			[]string{
				`b:1: fatal: modulemd-defaults demo: the default profiles of stream "1" in intent "x" is "p" in "a" and "" in "b", both modified 1; dnf loses the defaults of all modules [defaults-clash]`,
				`b:1: fatal: modulemd-defaults demo: the default stream in intent "x" is "1" in "a" and "2" in "b", both modified 1; dnf loses the defaults of all modules [defaults-clash]`,
			},
		},
		"streams": {
			[]modulemd.Part{
				part(t, "full", stream("  artifacts: {rpms: [a-0:1-1.noarch, b-0:1-1.noarch]}")),
				part(t, "slim", stream("  artifacts: {rpms: [a-0:1-1.noarch]}")),
				part(t, "forged", stream("  api: {rpms: [a]}")),
			},
			[]string{
				`slim:1: note: modulemd demo:1.10:20200101:00000000:x86_64: the documents of "full" and "slim" have the same N:S:V:C:A but differ in artifacts.rpms; dnf uses both [duplicate-stream]`,
				`forged:1: warning: modulemd demo:1.10:20200101:00000000:x86_64: the documents of "full" and "forged" have the same N:S:V:C:A but differ in api and artifacts.rpms; dnf uses both [duplicate-stream]`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, texts(modulemd.Clashes(c.parts))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestClashesAreThoseOfSomeOrder merges random defaults in every order: there is
// a clash if, and only if, an order fails.
func TestClashesAreThoseOfSomeOrder(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	failing := 0
	for range 3000 {
		var parts []modulemd.Part
		for i := range 2 + random.IntN(3) {
			d := &modulemd.Defaults{Module: "demo", Modified: uint64(1 + random.IntN(2)), Profiles: map[string][]string{}}
			if random.IntN(2) == 0 {
				d.Stream = string("12"[random.IntN(2)])
			}
			for _, s := range []string{"1", "2"} {
				if random.IntN(2) == 0 {
					d.Profiles[s] = []string{string("pq"[random.IntN(2)])}
				}
			}
			x := modulemd.NewIndex(nil, []*modulemd.Defaults{d}, nil, nil)
			parts = append(parts, modulemd.Part{Name: string(rune('a' + i)), Index: x})
		}
		fails, loses := false, false
		for order := range permutations(len(parts)) {
			ordered := make([]modulemd.Part, len(parts))
			for i, j := range order {
				ordered[i] = parts[j]
			}
			x, err := modulemd.Merge(ordered, modulemd.MergeOptions{})
			fails = fails || err != nil
			loses = loses || err == nil && len(x.Findings) > 0
		}
		clashes := modulemd.Clashes(parts)
		isFatal := slices.ContainsFunc(clashes, func(f modulemd.Finding) bool { return f.Severity == modulemd.Fatal })
		isError := slices.ContainsFunc(clashes, func(f modulemd.Finding) bool { return f.Severity == modulemd.Error })
		if isFatal != fails || !fails && isError != loses {
			t.Fatalf("clashes %v; an order fails: %v, loses the default stream: %v; %v", clashes, fails, loses, describeDefaults(parts))
		}
		if fails {
			failing++
		}
	}
	if failing == 0 || failing == 3000 {
		t.Errorf("%d of 3000 failed; that proves nothing", failing)
	}
}

func describeDefaults(parts []modulemd.Part) []string {
	var out []string
	for _, p := range parts {
		d := p.Index.Defaults[0]
		out = append(out, fmt.Sprintf("%s: modified %d stream %q profiles %v", p.Name, d.Modified, d.Stream, d.Profiles))
	}
	return out
}

// permutations yields every order of 0…n-1.
func permutations(n int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		order := make([]int, 0, n)
		var extend func() bool
		extend = func() bool {
			if len(order) == n {
				return yield(order)
			}
			for i := range n {
				if slices.Contains(order, i) {
					continue
				}
				order = append(order, i)
				if !extend() {
					return false
				}
				order = order[:len(order)-1]
			}
			return true
		}
		extend()
	}
}
