package modulemd_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// awkward are texts that are hard to read or to write.
var awkward = []string{
	"a", "demo", "1", "1.10", "2.", ".5", "yes", "TRUE", "FALSE", "true", "null", "~", "a: b", "a:b", "- x", "-x", "-", "#x", "a #b", "a#b", "ü", "☺", "😀",
	"a\nb", "a\n\nb\n", "\n", "a\n b", "a \nb", "a\n\n", " lead", "trail ", "tab\t", "\ta", "'", `"`, `a"b'c`, "\\", "[a]", "a]", "{", "}", "%", "@", "`", "!t", "&a", "*a",
	"?", "? x", "?x", ":", ": x", ":x", "---", "--- a", "...", "=", "<<", "|", ">", "0x1F", "0x", "0o7", "0o8", "+.inf", "-.inf", ".nan", ".inf", "1e5", "1.e5", "1.5e+5", "1.5e+-5", "+1", "-1", "--1", "12:30", "1_0",
	"\u00a0", "\u0085x", "\u2028x", "x\u2029", "\ufeffx", "\u007f", "a,b", "a, b", ",", "x\r\ny", "\ue000", "\u001b", "a  b",
	strings.Repeat("word ", 40) + "end", strings.Repeat("x", 200), strings.Repeat("long-word-", 20) + " " + strings.Repeat("wörter ", 20) + "end",
	strings.Repeat("line\n", 5), strings.Repeat("two  blanks ", 15) + "end", strings.Repeat("it's 'so' ", 20) + ": x",
}

// random makes documents for the oracle.
type random struct{ *rand.Rand }

func (r random) text() string { return awkward[r.IntN(len(awkward))] }

// quote is JSON, which is YAML.
func quote(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (r random) texts() []string {
	out := []string{}
	for range r.IntN(4) {
		out = append(out, r.text())
	}
	return out
}

// set is a list, or what may stand for one. An empty string would be an empty
// list, but libmodulemd 2.14 reads a list of an empty string.
func (r random) set() any {
	switch r.IntN(8) {
	case 0:
		return r.text()
	case 1:
		return []any{[]string{"nested"}}
	}
	return r.texts()
}

// value is any value; lists and mappings within are small.
func (r random) value(depth int) any {
	switch n := r.IntN(8); {
	case n == 0 && depth > 0:
		list := []any{}
		for range r.IntN(3) {
			list = append(list, r.value(depth-1))
		}
		return list
	case n == 1 && depth > 0:
		m := map[string]any{}
		for range r.IntN(3) {
			m[r.text()] = r.value(depth - 1)
		}
		return m
	}
	return r.text()
}

// some is v, or now and then something else.
func (r random) some(v any) any {
	switch r.IntN(40) {
	case 0:
		return r.value(1)
	case 1:
		return nil
	}
	return v
}

func (r random) streams() map[string]any {
	m := map[string]any{}
	for range r.IntN(3) {
		m[r.text()] = r.some(r.set())
	}
	return m
}

func (r random) number() any {
	return []any{"0", "1", "007", "+5", "-1", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1.5", "x", " 3", "3 ", "0x10", "--5", "+-5", "- 5"}[r.IntN(17)]
}

// order is a number for buildorder. libmodulemd 2.14 reads -1 for the largest.
func (r random) order() any {
	if n := r.number(); n != "9223372036854775807" && n != "18446744073709551615" {
		return n
	}
	return "-3"
}

func (r random) boolean() any {
	return []any{"true", "false", "true", "false", "yes", "TRUE"}[r.IntN(6)]
}

// maybe adds a key with a probability of one in n.
func (r random) maybe(m map[string]any, n int, key string, v any) {
	if r.IntN(n) == 0 {
		m[key] = r.some(v)
	}
}

func (r random) component() map[string]any {
	c := map[string]any{}
	for _, key := range []string{"rationale", "name", "repository", "cache", "ref"} {
		r.maybe(c, 3, key, r.text())
	}
	for _, key := range []string{"buildroot", "srpm-buildroot", "buildonly"} {
		r.maybe(c, 6, key, r.boolean())
	}
	r.maybe(c, 8, "buildorder", r.order())
	r.maybe(c, 12, "buildafter", []string{"x"})
	r.maybe(c, 6, "arches", []string{"x86_64"})
	r.maybe(c, 6, "multilib", r.set())
	r.maybe(c, 20, "surprise", r.value(2))
	return c
}

// stream is a random stream document of the format, mostly valid.
func (r random) stream(format int) string {
	d := map[string]any{"name": r.some("demo"), "stream": r.some(r.text()), "summary": r.some(r.text()), "description": r.some(r.text()), "license": r.some(map[string]any{"module": []string{"MIT"}, "content": r.set()})}
	r.maybe(d, 2, "version", r.number())
	r.maybe(d, 2, "context", r.text())
	r.maybe(d, 3, "arch", r.text())
	r.maybe(d, 4, "static_context", r.boolean())
	r.maybe(d, 3, "xmd", r.value(4))
	r.maybe(d, 6, "servicelevels", map[string]any{r.text(): map[string]any{"eol": []string{"2030-01-02", "2030-1-2", "2030-13-01", "never", "2030-01-02-x", "2030-01-2x"}[r.IntN(6)]}, "x": map[string]any{}})
	if format == 1 {
		r.maybe(d, 3, "dependencies", map[string]any{"requires": map[string]any{r.text(): r.text()}, "buildrequires": map[string]any{r.text(): r.text()}})
		r.maybe(d, 6, "eol", "2030-01-02")
	} else {
		r.maybe(d, 2, "dependencies", []any{map[string]any{"requires": r.streams(), "buildrequires": r.streams()}, map[string]any{}})
		r.maybe(d, 6, "demodularized", map[string]any{"rpms": r.set()})
	}
	r.maybe(d, 4, "references", map[string]any{"community": r.text(), "tracker": r.text(), r.text(): r.text()})
	r.maybe(d, 3, "profiles", map[string]any{r.text(): map[string]any{"rpms": r.set(), "description": r.text()}, r.text(): map[string]any{"default": r.boolean()}})
	r.maybe(d, 4, "api", map[string]any{"rpms": r.set()})
	r.maybe(d, 4, "filter", map[string]any{"rpms": r.set(), r.text(): r.value(2)})
	r.maybe(d, 6, "buildopts", map[string]any{"rpms": map[string]any{"macros": r.text(), "whitelist": r.set()}, "arches": []string{"x86_64", "aarch64"}})
	r.maybe(d, 3, "components", map[string]any{"rpms": map[string]any{r.text(): r.component(), "x": r.component()}, "modules": map[string]any{r.text(): map[string]any{"ref": r.text(), "buildorder": r.order()}}})
	r.maybe(d, 3, "artifacts", map[string]any{"rpms": []string{"a-0:1-1.noarch", []string{"b-1:2-3.src", "a-1-1.noarch", "gcc-c++-0:8.3-1.module+el8+1+abc.x86_64"}[r.IntN(3)]}})
	r.maybe(d, 10, "surprise", r.value(3))
	return r.document("modulemd", format, d)
}

func (r random) document(kind string, version int, data any) string {
	m := map[string]any{"document": kind, "version": version, "data": r.some(data)}
	if r.IntN(60) == 0 {
		m["extra"] = r.value(1)
	}
	return "---\n" + quote(m) + "\n...\n"
}

func (r random) defaults() string {
	profiles := func() map[string]any { return map[string]any{r.text(): r.set(), "1": r.set()} }
	d := map[string]any{"module": r.some("demo")}
	r.maybe(d, 2, "stream", r.text())
	r.maybe(d, 2, "modified", r.number())
	r.maybe(d, 2, "profiles", profiles())
	r.maybe(d, 3, "intents", map[string]any{r.text(): map[string]any{"stream": r.text(), "profiles": profiles()}})
	r.maybe(d, 10, "surprise", r.value(2))
	return r.document("modulemd-defaults", 1, d)
}

func (r random) obsoletes() string {
	times := []string{"2020-01-02T03:04Z", "2020-02-29T23:59Z", "2021-01-01T00:00Z", "2020-01-02T03:04:05Z", "2020-01-02 03:04Z", "soon"}
	d := map[string]any{"module": "demo", "stream": r.text(), "message": r.text(), "modified": times[r.IntN(len(times))]}
	r.maybe(d, 3, "context", r.text())
	r.maybe(d, 3, "eol_date", times[r.IntN(len(times))])
	r.maybe(d, 4, "reset", r.boolean())
	r.maybe(d, 3, "obsoleted_by", map[string]any{"module": r.text(), "stream": r.text()})
	return r.document("modulemd-obsoletes", 1, d)
}

func (r random) translations() string {
	d := map[string]any{"module": "demo", "stream": r.text(), "modified": r.number()}
	// One language: the library writes several in an order of its own.
	r.maybe(d, 1, "translations", map[string]any{r.text(): map[string]any{"summary": r.text(), "description": r.text(), "profiles": map[string]any{"p": r.text()}}})
	return r.document("modulemd-translations", 1, d)
}

func (r random) maybeOf(m map[string]any, key string, v func() any) {
	if r.IntN(3) > 0 {
		m[key] = v()
	}
}

func (r random) profilesOf() map[string]any {
	m := map[string]any{}
	for range r.IntN(3) {
		m[fmt.Sprint(r.IntN(3))] = [][]string{{}, {"p"}, {"p", "p"}, {"p", "q"}, {"p"}}[r.IntN(5)]
	}
	return m
}

// mutate changes a text at one or two places.
func (r random) mutate(text string) string {
	bits := []string{" ", "\n", "\t", ":", ": ", "- ", "#", " #", "'", `"`, "[", "]", "{", "}", ",", "&a ", "*a", "!t ", "!!str ", "|", ">", "?", "? ", "%", "@", "`", "---\n", "...\n", "--- ", "\r", "\r\n", "\u0085", "\u2028", "\ufeff", "\x07", "\x7f", "ü", "😀", "<<: ", "=", "\\", "\n\n", "  ", "~", "0"}
	for range 1 + r.IntN(2) {
		at := r.IntN(len(text) + 1)
		switch r.IntN(5) {
		case 0: // leave out some bytes
			text = text[:at] + text[min(len(text), at+1+r.IntN(4)):]
		case 1: // leave out a line
			lines := strings.SplitAfter(text, "\n")
			i := r.IntN(len(lines))
			text = strings.Join(append(lines[:i:i], lines[i+1:]...), "")
		case 2: // a line twice
			lines := strings.SplitAfter(text, "\n")
			i := r.IntN(len(lines))
			text = strings.Join(append(lines[:i+1:i+1], lines[i:]...), "")
		default:
			text = text[:at] + bits[r.IntN(len(bits))] + text[at:]
		}
	}
	return text
}
