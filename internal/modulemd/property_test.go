package modulemd_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/distbot/distbot/internal/modulemd"
)

// styled writes random stream documents in the styles that people and programs
// write lists and mappings in.
type styled struct{ *rand.Rand }

func (r styled) pick(choices ...string) string { return choices[r.IntN(len(choices))] }

// item writes a string in some style.
func (r styled) item(s string) string {
	return r.pick(s, s, s, "'"+s+"'", `"`+s+`"`)
}

// list writes "key: items" at the indentation.
func (r styled) list(indent, key string, items []string) string {
	quotedKey := r.pick(key, key, "'"+key+"'", `"`+key+`"`)
	if len(items) == 1 && r.IntN(4) == 0 {
		return indent + quotedKey + ": " + r.item(items[0]) + r.pick("", " # one") + "\n"
	}
	if len(items) == 0 || r.IntN(3) == 0 {
		s := indent + quotedKey + ":" + r.pick(" ", "  ") + "[" + r.pick("", " ")
		for i, item := range items {
			if i > 0 {
				s += r.pick(",", ", ", " , ", ",\n"+indent+"    ", ", # after\n"+indent+"   # more, [\n"+indent+"  ")
			}
			s += r.item(item)
		}
		if len(items) > 0 {
			s += r.pick("", " ", ",", ", ", "\n"+indent+"  ")
		}
		return s + "]" + r.pick("", " # all") + "\n"
	}
	s := indent + quotedKey + ":" + r.pick("", " ", " # "+key) + "\n"
	deeper := indent + r.pick("", "  ", "   ")
	for _, item := range items {
		s += r.pick("", "", "", deeper+"# before "+item+"\n", "\n", "# - "+item+"\n")
		s += deeper + "-" + r.pick(" ", "  ") + r.item(item) + r.pick("", "", " ", " # "+item) + "\n"
	}
	return s
}

// profiles writes profiles at the indentation.
func (r styled) profiles(indent string, profiles map[string][]string) string {
	names := make([]string, 0, len(profiles))
	for name := range profiles {
		names = append(names, name)
	}
	slices.Sort(names)
	if r.IntN(5) == 0 {
		s := indent + "profiles: {"
		for i, name := range names {
			if i > 0 {
				s += r.pick(", ", ",\n"+indent+"  ")
			}
			s += r.item(name) + ": {" + r.pick("", `description: "a, b: [c]", `) + "rpms: [" + strings.Join(profiles[name], r.pick(", ", ",")) + "]" + r.pick("", ", default: true") + "}"
		}
		return s + "}\n"
	}
	s := indent + "profiles:" + r.pick("", " # some") + "\n"
	for _, name := range names {
		s += r.pick("", "", indent+"  # about "+name+"\n", "\n")
		s += indent + "  " + r.item(name) + ":\n"
		s += r.pick("", indent+"    description: >-\n"+indent+"      a long\n\n"+indent+"      text\n", indent+"    default: true\n")
		s += r.list(indent+"    ", "rpms", profiles[name])
		s += r.pick("", "", indent+"    remark: 'it''s'\n")
	}
	return s
}

func (r styled) names(n int, prefix, suffix string) []string {
	items := make([]string, 0, n)
	for i := range n {
		items = append(items, fmt.Sprintf("%s%d%s", prefix, i, suffix))
	}
	r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return items
}

// document writes a document of random profiles and artifacts.
func (r styled) document() string {
	profiles := map[string][]string{}
	for _, name := range r.names(1+r.IntN(4), "profile", "") {
		profiles[name] = r.names(r.IntN(5), r.pick("rpm", "gcc-c++", "ünïcode"), "")
	}
	parts := []string{
		r.profiles("  ", profiles),
		"  artifacts:" + r.pick("", " # NEVRAs") + "\n" + r.list("    ", "rpms", r.names(1+r.IntN(6), "rpm", "-0:1-1.noarch")),
		"  api:\n    rpms: [rpm0, rpm1] # stays\n",
		"  surprise: |\n    rpms:\n    - rpm0\n    # not a comment\n",
		"# a comment between\n",
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	text := strings.TrimSuffix(stream(), "\n...\n") + "\n" + strings.Join(parts, "")
	if r.IntN(2) == 0 {
		text += "...\n" + r.pick("", "# the end\n")
	}
	if r.IntN(4) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// TestEditChangesOnlyWhatWasAsked edits random documents. A reader of YAML that
// knows nothing of modules finds the same before and after, but for what was
// left out; and the text is what it was without some of its bytes.
func TestEditChangesOnlyWhatWasAsked(t *testing.T) {
	t.Parallel()
	changed := 0
	for seed := range uint64(3000) {
		r := styled{rand.New(rand.NewPCG(seed, 1))}
		text := r.document()
		s := readOne(t, text)
		gone := map[string]bool{}
		keep := func(name string) bool {
			if _, ok := gone[name]; !ok {
				gone[name] = r.IntN(2) == 0
			}
			return !gone[name]
		}
		edit := modulemd.Edit{}
		if r.IntN(4) > 0 {
			edit.KeepRPM = func(profile, rpm string) bool { return keep(profile + " " + rpm) }
		}
		if r.IntN(2) == 0 {
			edit.KeepEmptied = func(profile string) bool { return keep(profile) }
		}
		if r.IntN(4) > 0 {
			edit.KeepArtifact = keep
		}
		got, err := s.Edit(edit)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if string(got.Text) == text {
			continue
		}
		changed++
		want := expected(decode(t, []byte(text)), edit)
		if after := decode(t, got.Text); !reflect.DeepEqual(want, after) {
			t.Fatalf("seed %d: after the edit:\n%v\nwant\n%v\nbefore:\n%s\nafter:\n%s", seed, after, want, text, got.Text)
		}
		if !isTextWithout(text, string(got.Text)) {
			t.Fatalf("seed %d: the new text has other bytes than the old\nbefore:\n%s\nafter:\n%s", seed, text, got.Text)
		}
		if again := readOne(t, string(got.Text)); len(modulemd.Differences(got, again)) > 0 {
			t.Fatalf("seed %d: the document is not what its text says", seed)
		}
	}
	if changed < 1500 {
		t.Errorf("only %d of 3000 edits changed anything", changed)
	}
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return v
}

// expected leaves out of a decoded document what the edit does.
func expected(doc map[string]any, edit modulemd.Edit) map[string]any {
	data := doc["data"].(map[string]any)
	without := func(v any, keep func(string) bool) (kept []any, had int) {
		kept = []any{}
		items, ok := v.([]any)
		if s, one := v.(string); one && !ok {
			items = []any{s}
		}
		for _, item := range items {
			if keep(item.(string)) {
				kept = append(kept, item)
			}
		}
		return kept, len(items)
	}
	if artifacts := data["artifacts"].(map[string]any); edit.KeepArtifact != nil {
		if kept, had := without(artifacts["rpms"], edit.KeepArtifact); len(kept) < had {
			artifacts["rpms"] = kept
		}
	}
	profiles := data["profiles"].(map[string]any)
	for name, p := range profiles {
		if edit.KeepRPM == nil {
			continue
		}
		p := p.(map[string]any)
		kept, had := without(p["rpms"], func(rpm string) bool { return edit.KeepRPM(name, rpm) })
		if len(kept) == had {
			continue
		}
		p["rpms"] = kept
		if len(kept) == 0 && edit.KeepEmptied != nil && !edit.KeepEmptied(name) {
			delete(profiles, name)
		}
	}
	return doc
}

// isTextWithout reports whether after is before without some bytes, and with
// "[]" or "{}" where a list or mapping was.
func isTextWithout(before, after string) bool {
	// Empty lists of the text itself may be taken away, too: what is left is
	// still before without some bytes.
	for _, empty := range []string{" []", " {}", "[]", "{}"} {
		after = strings.ReplaceAll(after, empty, "")
	}
	for _, c := range []byte(after) {
		i := strings.IndexByte(before, c)
		if i < 0 {
			return false
		}
		before = before[i+1:]
	}
	return true
}
