package tags_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

func rawJSON(values map[string]string) map[string]json.RawMessage {
	raw := map[string]json.RawMessage{}
	for key, value := range values {
		raw[key] = json.RawMessage(value)
	}
	return raw
}

// chance makes random changes of the tag model.
type chance struct{ *rand.Rand }

func pick[T any](c chance, list ...T) T { return list[c.IntN(len(list))] }

func (c chance) flag() bool { return c.IntN(2) == 0 }

// maybe is a value or nil.
func maybe[T any](c chance, value T) *T {
	if c.flag() {
		return nil
	}
	return &value
}

func (c chance) tag() string { return fmt.Sprintf("t%d", c.IntN(6)) }
func (c chance) group() string {
	return pick(c, "build", "srpm-build", "1.0", "yes", strings.Repeat("g", 200))
}

func (c chance) pkg() string {
	return pick(c, "bash", "kernel", "null", "0x1F", "+x", "a.b-c_d", strings.Repeat("p", 150))
}

func (c chance) user() string {
	return pick(c, "distbot", "admin", "o'neil", "host/b.example.org", "true")
}

func (c chance) arches() string {
	return pick(c, "", "x86_64", "riscv64 x86_64", "x86_64 x86_64", "noarch", "i686 noarch src")
}

// text is a text that YAML could misread.
func (c chance) text() string {
	if c.IntN(3) > 0 {
		return pick(c, "plain", "~", "- x", "#no comment", " blanks ", "a: b", "{x}", "'", `"`, "two\nlines\n", "\n", "\ttab", "1e3", "2026-01-02",
			"yes", "!tag", "&a", "*a", "%x", "@x", "`x", "|", ">", "?", "\u0085", "\u2028", "\ufeff", "é", "<<", "=", strings.Repeat("long ", 60))
	}
	letters := []rune("ab -:#,[]{}&*!|>'\"%@`\\\n\t\r\x01\x7f\u00a0é\U0001f600")
	var out strings.Builder
	for range c.IntN(12) {
		out.WriteRune(pick(c, letters...))
	}
	return out.String()
}

// json is a JSON value.
func (c chance) json(depth int) string {
	if depth == 0 || c.IntN(3) > 0 {
		quoted, _ := json.Marshal(c.text()) // a text always has JSON
		return pick(c, string(quoted), "null", "true", "false", "0", "-1.50", "1e400", "12345678901234567890123", "1E+2", "\"\"")
	}
	var parts []string
	for i := range c.IntN(4) {
		parts = append(parts, c.json(depth-1))
		if depth%2 == 0 {
			quoted, _ := json.Marshal(fmt.Sprint(c.text(), i))
			parts[i] = string(quoted) + ": " + parts[i]
		}
	}
	if depth%2 == 0 {
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "[ " + strings.Join(parts, ",\n") + " ]"
}

func (c chance) setting() (key, value string) {
	if c.flag() {
		scalar, _ := json.Marshal(pick(c, "1.10", "yes", "~", "x y", "", "007"))
		return pick(c, "rpm.macro.dist", "rpm.macro.abc"), pick(c, string(scalar), "37", "true", "null", "1.0")
	}
	return pick(c, "mock.x", "odd: key", "7", "~", "<<", "é"), c.json(4)
}

// operation is a random change; most are possible.
func (c chance) operation(ctx context.Context, e *tags.Edit) error {
	tag, group, pkg := c.tag(), c.group(), c.pkg()
	switch c.IntN(24) {
	case 0, 1:
		key, value := c.setting()
		return e.AddTag(ctx, tags.NewTag{Name: tag, Arches: maybe(c, c.arches()), Perm: pick(c, "", "repo"), Locked: c.flag(), Extra: rawJSON(map[string]string{key: value})})
	case 2:
		key, value := c.setting()
		return e.EditTag(ctx, tag, tags.TagChange{Locked: maybe(c, c.flag()), Arches: maybe(c, c.arches()), InheritArches: c.flag(), Extra: rawJSON(map[string]string{key: value})})
	case 3:
		key, _ := c.setting()
		return e.EditTag(ctx, tag, tags.TagChange{BlockExtra: []string{key}})
	case 4:
		if c.IntN(4) > 0 {
			return nil
		}
		return e.RemoveTag(ctx, tag)
	case 5, 6, 7:
		// A parent has a lower number: there are no circles.
		parent := c.tag()
		if parent >= tag {
			return nil
		}
		return e.AddLink(ctx, tag, parent, tags.LinkConfig{
			Priority: pick(c, int32(0), 10, 20, -7, 1<<31-1), MaxDepth: maybe(c, pick(c, int32(0), 1, 5)), Intransitive: c.flag(), NoConfig: c.flag(),
			PkgFilter: pick(c, "", "^(?!kernel$)", `a'"b: #`, "\\d+|x"),
		})
	case 8:
		return e.RemoveLink(ctx, tag, c.tag())
	case 9, 10, 11:
		return e.AddPackage(ctx, tag, pkg, tags.PackageChange{Owner: maybe(c, c.user()), Blocked: maybe(c, c.flag()), ExtraArches: maybe(c, c.arches()), Force: c.flag()})
	case 12:
		return pick(c, e.UnblockPackage, e.RemovePackage)(ctx, tag, pkg)
	case 13:
		return e.BlockPackage(ctx, tag, pkg, c.flag())
	case 14, 15:
		text := c.text()
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f }) {
			text = "printable"
		}
		config := tagview.GroupConfig{
			DisplayName: maybe(c, text), IsDefault: maybe(c, c.flag()), UserVisible: maybe(c, c.flag()), Exported: maybe(c, c.flag()),
			LangOnly: maybe(c, "de"), BiarchOnly: maybe(c, c.flag()), Description: maybe(c, text+"\n"+text),
		}
		return e.AddGroup(ctx, tag, group, tags.GroupChange{GroupConfig: config, Force: c.flag(), Fields: []string{
			"display_name", "is_default", "uservisible", "exported", "langonly", "biarchonly", "description",
		}})
	case 16:
		return pick(c, e.BlockGroup, e.UnblockGroup, e.RemoveGroup)(ctx, tag, group)
	case 17, 18:
		return e.AddGroupPackage(ctx, tag, group, pkg, tagview.GroupPackageConfig{
			Type: maybe(c, pick(c, "mandatory", "default", "optional", "conditional")), BaseArchOnly: maybe(c, c.flag()), Requires: maybe(c, "x: y"),
		}, c.flag())
	case 19:
		return pick(c, e.BlockGroupPackage, e.UnblockGroupPackage, e.RemoveGroupPackage)(ctx, tag, group, pkg)
	case 20:
		return e.AddGroupRequire(ctx, tag, group, c.group(), pick(c, "", "optional"), c.flag())
	case 21:
		return pick(c, e.BlockGroupRequire, e.RemoveGroupRequire)(ctx, tag, group, c.group())
	case 22:
		return e.AddTarget(ctx, c.group(), tags.TargetConfig{
			BuildTag: tag, DestTag: c.tag(), Branches: pick(c, nil, []string{"f37"}, []string{"b", "a/ä", "b"}),
			Lagging: pick(c, nil, []string{"riscv64"}, []string{"i686", "x86_64", "x86_64_v2"}), BestEffort: pick(c, nil, []string{"s390x"}),
			NoarchContent: pick(c, "", tags.NoarchWarn, tags.NoarchFail), RepoLag: pick(c, 0, 45*time.Second, 90*time.Minute),
		})
	default:
		url := pick(c, "https://a.example/$arch", "file:///b", "http://c.example:80/x?y=1#z")
		name := pick(c, "base", "epel", "3")
		if c.IntN(3) == 0 {
			return e.RemoveExternalRepo(ctx, tag, name)
		}
		return e.AddExternalRepo(ctx, tag, name, url, pick(c, int32(10), 20, 30, -4, 5))
	}
}

// TestExportProperties makes random models by operations and holds, of each of
// their exports, that its plan is empty, that it makes the same model elsewhere,
// and that the past is exported as it was when it was now.
func TestExportProperties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			c := chance{rand.New(rand.NewPCG(seed, 37))}
			pool := dbtest.New(t)
			queuetest.Exec(t, pool, "insert into users (name) values ('o''neil'), ('host/b.example.org'), ('true')")
			admin := newAdmin(t, pool)
			for i := range 4 {
				if err := admin.do(t, func(e *tags.Edit) error { return e.AddTag(t.Context(), tags.NewTag{Name: fmt.Sprintf("t%d", i)}) }); err != nil {
					t.Fatal(err)
				}
			}
			done, refused := 0, 0
			past := map[int64]string{}
			for i := range 150 {
				err := admin.do(t, func(e *tags.Edit) error { return c.operation(t.Context(), e) })
				var refusal *tags.RefusedError
				switch {
				case err == nil:
					done++
				case errors.As(err, &refusal):
					refused++
				default:
					t.Fatalf("operation %d: %v", i, err)
				}
				if i%30 != 29 {
					continue
				}
				text := export(t, pool)
				past[queuetest.Value[int64](t, pool, "select max(id) from events")] = text
				if p := plan(t, pool, text, true); len(p.Steps)+len(p.Notes) > 0 {
					t.Fatalf("the plan after the export: %q, %q\n%s", lines(p), p.Notes, text)
				}
			}
			if done < 40 || refused == 0 {
				t.Fatalf("%d operations were done and %d refused: that is no model worth a test", done, refused)
			}
			for event, want := range past {
				got, err := tags.Export(t.Context(), tagview.Reader{Conn: pool, At: tagview.At(event)})
				if err != nil {
					t.Fatalf("export of event %d: %v", event, err)
				}
				if diff := cmp.Diff(want, string(got)); diff != "" {
					t.Errorf("export of event %d (-then +now):\n%s", event, diff)
				}
			}
			text := export(t, pool)
			other := dbtest.New(t)
			apply(t, other, text)
			if diff := cmp.Diff(text, export(t, other)); diff != "" {
				t.Errorf("export of what the export made (-want +got):\n%s", diff)
			}
			// And from any other model to this one.
			for event := range past {
				text, err := tags.Export(t.Context(), tagview.Reader{Conn: pool, At: tagview.At(event)})
				if err != nil {
					t.Fatal(err)
				}
				d := read(t, string(text))
				if _, err := tags.ApplyPlan(t.Context(), other, queuetest.Inserter(t, other), d, tags.System, true); err != nil {
					t.Fatalf("apply event %d: %v", event, err)
				}
				if diff := cmp.Diff(past[event], export(t, other)); diff != "" {
					t.Errorf("export after event %d was applied (-want +got):\n%s", event, diff)
				}
			}
		})
	}
}
