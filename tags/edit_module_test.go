package tags_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

// Module documents for tests, each with a word that tells it from others of its
// name.

func streamText(stream string, version int, summary string) string {
	return fmt.Sprintf("---\ndocument: modulemd\nversion: 2\ndata:\n  name: demo\n  stream: %q\n  version: %d\n  context: c0ffee11\n  arch: x86_64\n"+
		"  summary: %s\n  description: text\n  license:\n    module: [MIT]\n...\n", stream, version, summary)
}

func defaultsText(modified int, stream string) string {
	return fmt.Sprintf("---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: demo\n  modified: %d\n  stream: %q\n...\n", modified, stream)
}

func translationsText(modified int, summary string) string {
	return fmt.Sprintf("---\ndocument: modulemd-translations\nversion: 1\ndata:\n  module: demo\n  stream: \"1\"\n  modified: %d\n"+
		"  translations:\n    de:\n      summary: %s\n      description: Text\n...\n", modified, summary)
}

func obsoletesText(minute int, message string) string {
	return fmt.Sprintf("---\ndocument: modulemd-obsoletes\nversion: 1\ndata:\n  modified: 2020-01-01T00:%02dZ\n  module: demo\n  stream: \"1\"\n  message: %s\n...\n", minute, message)
}

func readModules(t *testing.T, text string) *modulemd.Index {
	t.Helper()
	x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// moduleOffice is an office with the tags base, child, which inherits from it,
// and grandchild.
func moduleOffice(t *testing.T) *office {
	t.Helper()
	o := newOffice(t)
	for i, name := range []string{"base", "child", "grandchild"} {
		o.do("admin", func(ctx context.Context, e *tags.Edit) error {
			if err := e.AddTag(ctx, tags.NewTag{Name: name}); err != nil || i == 0 {
				return err
			}
			return e.AddLink(ctx, name, []string{"base", "child"}[i-1], tags.LinkConfig{})
		})
	}
	return o
}

// addModules gives a tag documents and returns what that added.
func (o *office) addModules(t *testing.T, tag string, texts ...string) (added []string, err error) {
	t.Helper()
	x := readModules(t, strings.Join(texts, ""))
	err = o.try("admin", func(ctx context.Context, e *tags.Edit) (err error) {
		added, err = e.AddModules(ctx, tag, x)
		return err
	})
	return added, err
}

// documents are the texts of what the tag child itself has, at a moment.
func (o *office) documents(t *testing.T, at tagview.Moment) []string {
	t.Helper()
	r := tagview.Reader{Conn: o.pool, At: at}
	found, err := r.Tag(t.Context(), "child")
	if err != nil {
		t.Fatal(err)
	}
	documents, err := r.Modules(t.Context(), found.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := r.ModuleTexts(t.Context(), documents)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, text := range texts {
		list = append(list, string(text))
	}
	return list
}

func TestAddModules(t *testing.T) {
	t.Parallel()
	const demo1 = "demo:1:7:c0ffee11:x86_64"
	styled := strings.Replace(streamText("1", 7, "one"), "  summary: one", "  summary:   'one' # in other words", 1)
	for name, tt := range map[string]struct {
		base, child []string // what is there
		add         []string // to child
		added       []string
		refused     string
		want        []string // what child has then
	}{
		"gives a tag documents of each kind, byte for byte": {
			add:   []string{styled, defaultsText(5, "1"), obsoletesText(1, "gone"), translationsText(3, "Eins")},
			added: []string{"stream " + demo1, "defaults demo", "obsoletes demo:1@202001010001", "translations demo:1"},
			want:  []string{styled, defaultsText(5, "1"), obsoletesText(1, "gone"), translationsText(3, "Eins")},
		},
		"adds nothing that is there": {
			child: []string{streamText("1", 7, "one"), defaultsText(5, "1")}, add: []string{streamText("1", 7, "one"), defaultsText(5, "1")},
			want: []string{streamText("1", 7, "one"), defaultsText(5, "1")},
		},
		"leaves a stream as it is that is there in other words": {
			child: []string{streamText("1", 7, "one")}, add: []string{styled}, want: []string{streamText("1", 7, "one")},
		},
		"adds what is inherited, too": {
			base: []string{streamText("1", 7, "one")}, add: []string{styled}, added: []string{"stream " + demo1}, want: []string{styled},
		},
		"refuses another content of a stream": {
			child: []string{streamText("1", 7, "one")}, add: []string{streamText("1", 7, "two")},
			refused: "tag child has another stream document of " + demo1 + ", which differs in summary", want: []string{streamText("1", 7, "one")},
		},
		"refuses another content of a stream that is inherited": {
			base: []string{streamText("1", 7, "one")}, add: []string{streamText("1", 7, "two")},
			refused: "tag base, from which child inherits, has another stream document of " + demo1,
		},
		"takes another version of a stream": {
			child: []string{streamText("1", 7, "one")}, add: []string{streamText("1", 8, "two")},
			added: []string{"stream demo:1:8:c0ffee11:x86_64"}, want: []string{streamText("1", 7, "one"), streamText("1", 8, "two")},
		},
		"replaces defaults by later ones": {
			child: []string{defaultsText(5, "1")}, add: []string{defaultsText(6, "2")}, added: []string{"defaults demo"}, want: []string{defaultsText(6, "2")},
		},
		"refuses other defaults of the same time": {
			child: []string{defaultsText(5, "1")}, add: []string{defaultsText(5, "2")},
			refused: "tag child has other defaults of demo, modified 5: what takes their place must be modified after that, not 5", want: []string{defaultsText(5, "1")},
		},
		"refuses earlier defaults": {
			child: []string{defaultsText(5, "1")}, add: []string{defaultsText(4, "2")}, refused: "modified after that, not 4", want: []string{defaultsText(5, "1")},
		},
		"lets defaults of a tag be older than those it inherits": {
			base: []string{defaultsText(9, "1")}, add: []string{defaultsText(4, "2")}, added: []string{"defaults demo"}, want: []string{defaultsText(4, "2")},
		},
		"replaces translations by later ones": {
			child: []string{translationsText(3, "Eins")}, add: []string{translationsText(4, "Zwei")}, added: []string{"translations demo:1"},
			want: []string{translationsText(4, "Zwei")},
		},
		"refuses earlier translations": {
			child: []string{translationsText(3, "Eins")}, add: []string{translationsText(2, "Zwei")}, refused: "tag child has other translations of demo:1, modified 3",
			want: []string{translationsText(3, "Eins")},
		},
		"keeps obsoletes of several times": {
			child: []string{obsoletesText(1, "gone")}, add: []string{obsoletesText(2, "back")}, added: []string{"obsoletes demo:1@202001010002"},
			want: []string{obsoletesText(1, "gone"), obsoletesText(2, "back")},
		},
		"refuses other obsoletes of the same time": {
			child: []string{obsoletesText(1, "gone")}, add: []string{obsoletesText(1, "back")}, refused: "tag child has other obsoletes of demo:1@202001010001",
			want: []string{obsoletesText(1, "gone")},
		},
		"adds nothing where one of several contradicts": {
			child: []string{defaultsText(5, "1")}, add: []string{streamText("1", 7, "one"), obsoletesText(1, "gone"), defaultsText(4, "2")},
			refused: "tag child has other defaults", want: []string{defaultsText(5, "1")},
		},
		"adds nothing where one of several can't be used": {
			add: []string{streamText("1", 7, "one"), "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  modified: 1\n...\n"}, refused: "clients can't use these module documents",
		},
		"refuses a text without documents": {add: []string{"# nothing\n"}, refused: "there are no module documents"},
		"refuses names longer than are kept": {
			add: []string{streamText(strings.Repeat("s", 1000), 7, "one")}, refused: "has no name that can be kept",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := moduleOffice(t)
			for tag, texts := range map[string][]string{"base": tt.base, "child": tt.child} {
				if len(texts) == 0 {
					continue
				}
				if _, err := o.addModules(t, tag, texts...); err != nil {
					t.Fatal(err)
				}
			}
			added, err := o.addModules(t, "child", tt.add...)
			var refusal *tags.RefusedError
			switch {
			case tt.refused == "" && err != nil:
				t.Fatal(err)
			case tt.refused != "" && (!errors.As(err, &refusal) || !strings.Contains(refusal.Text, tt.refused)):
				t.Errorf("refusal %v, want %s", err, tt.refused)
			}
			if diff := cmp.Diff(tt.added, added); diff != "" {
				t.Errorf("added (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{}, tt.want...), o.documents(t, tagview.Moment{})); diff != "" {
				t.Errorf("documents (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemoveModules(t *testing.T) {
	t.Parallel()
	remove := func(removed *[]string, kind string, names ...string) func(context.Context, *tags.Edit) error {
		return func(ctx context.Context, e *tags.Edit) (err error) {
			*removed, err = e.RemoveModules(ctx, "child", kind, names...)
			return err
		}
	}
	child := []string{streamText("1", 7, "one"), streamText("1", 8, "one"), streamText("10", 7, "ten"), defaultsText(5, "1"), obsoletesText(1, "gone"), translationsText(3, "Eins")}
	for name, tt := range map[string]struct {
		kind    string
		names   []string
		removed []string
		refused string
	}{
		"a stream by its whole name":               {"stream", []string{"demo:1:8:c0ffee11:x86_64"}, []string{"demo:1:8:c0ffee11:x86_64"}, ""},
		"all versions of a stream, no longer name": {"stream", []string{"demo:1"}, []string{"demo:1:7:c0ffee11:x86_64", "demo:1:8:c0ffee11:x86_64"}, ""},
		"once what two names stand for": {
			"stream", []string{"demo:1:7", "demo:1"}, []string{"demo:1:7:c0ffee11:x86_64", "demo:1:8:c0ffee11:x86_64"}, "",
		},
		"defaults":                          {"defaults", []string{"demo"}, []string{"demo"}, ""},
		"obsoletes before their time":       {"obsoletes", []string{"demo:1"}, []string{"demo:1@202001010001"}, ""},
		"translations by their module":      {"translations", []string{"demo"}, []string{"demo:1"}, ""},
		"a whole module's streams":          {"stream", []string{"demo"}, nil, `"demo" names no stream`},
		"a module and a colon":              {"stream", []string{"demo:"}, nil, `"demo:" names no stream`},
		"a part of a word":                  {"stream", []string{"demo:1:7:c0ff"}, nil, `tag child has no module document stream "demo:1:7:c0ff"`},
		"nothing at all":                    {"defaults", []string{""}, nil, `tag child has no module document defaults ""`},
		"another kind":                      {"modules", []string{"demo"}, nil, `"modules" is no kind of module documents: they are stream, defaults, obsoletes, translations`},
		"what is inherited":                 {"stream", []string{"demo:2"}, nil, "tag child inherits stream demo:2:7:c0ffee11:x86_64 from tag base: remove it there"},
		"none where one of several is not":  {"stream", []string{"demo:1", "demo:3"}, nil, `no module document stream "demo:3"`},
		"none where one of them is another": {"stream", []string{"demo:1", "demo:2"}, nil, "from tag base: remove it there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := moduleOffice(t)
			for tag, texts := range map[string][]string{"base": {streamText("2", 7, "two")}, "child": child} {
				if _, err := o.addModules(t, tag, texts...); err != nil {
					t.Fatal(err)
				}
			}
			before := o.documents(t, tagview.Moment{})
			var removed []string
			if tt.refused != "" {
				o.refused("admin", tags.FaultGeneric, tt.refused, remove(&removed, tt.kind, tt.names...))
			} else {
				o.do("admin", remove(&removed, tt.kind, tt.names...))
			}
			if diff := cmp.Diff(tt.removed, removed); diff != "" {
				t.Errorf("removed (-want +got):\n%s", diff)
			}
			if n := len(before) - len(o.documents(t, tagview.Moment{})); n != len(tt.removed) {
				t.Errorf("%d documents went, want %d", n, len(tt.removed))
			}
		})
	}
}

func TestModulesOfThePast(t *testing.T) {
	t.Parallel()
	o := moduleOffice(t)
	var events []int64
	for _, change := range []func(context.Context, *tags.Edit) error{
		func(ctx context.Context, e *tags.Edit) error {
			_, err := e.AddModules(ctx, "child", readModules(t, defaultsText(5, "1")))
			return err
		},
		func(ctx context.Context, e *tags.Edit) error {
			_, err := e.AddModules(ctx, "child", readModules(t, defaultsText(6, "2")))
			return err
		},
		func(ctx context.Context, e *tags.Edit) error {
			_, err := e.RemoveModules(ctx, "child", tagview.ModuleDefaults, "demo")
			return err
		},
		// Once removed, older ones may be there again.
		func(ctx context.Context, e *tags.Edit) error {
			_, err := e.AddModules(ctx, "child", readModules(t, defaultsText(4, "1")))
			return err
		},
	} {
		event, err := o.editor.Do(t.Context(), "admin", "test", func(e *tags.Edit) error { return change(t.Context(), e) })
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	if !slices.IsSorted(events) || events[0] == 0 {
		t.Fatalf("events %v", events)
	}
	for i, want := range [][]string{{defaultsText(5, "1")}, {defaultsText(6, "2")}, {}, {defaultsText(4, "1")}} {
		if diff := cmp.Diff(want, o.documents(t, tagview.At(events[i]))); diff != "" {
			t.Errorf("at event %d (-want +got):\n%s", events[i], diff)
		}
	}
	// What changes nothing is no event.
	event, err := o.editor.Do(t.Context(), "admin", "test", func(e *tags.Edit) error {
		_, err := e.AddModules(t.Context(), "child", readModules(t, defaultsText(4, "1")))
		return err
	})
	if err != nil || event != 0 {
		t.Errorf("event %d, %v; want none", event, err)
	}
	o.user("pat")
	o.refused("pat", tags.FaultNotAllowed, "", func(ctx context.Context, e *tags.Edit) error {
		_, err := e.AddModules(ctx, "child", readModules(t, streamText("1", 7, "one")))
		return err
	})
	o.refused("pat", tags.FaultNotAllowed, "", func(ctx context.Context, e *tags.Edit) error {
		_, err := e.RemoveModules(ctx, "child", tagview.ModuleDefaults, "demo")
		return err
	})
}
