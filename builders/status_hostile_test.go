package builders

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

// FuzzAHostileBuildSaysNothingOfItsOwn lets a build write the finding and the
// log, and looks for what a parser of Markdown finds in the summary that distbot
// did not put there.
func FuzzAHostileBuildSaysNothingOfItsOwn(f *testing.F) {
	for _, seed := range []string{
		"plain", "```\n# gone\n@everyone ![x](https://evil.example/x.png)", "`` ` ```", "</details><script>", "\x1b]8;;https://evil.example\x07x",
		"\x00\xff\u202e`", "* [x](javascript:alert(1))", strings.Repeat("`", 1000) + "\n" + strings.Repeat("😀<&\"\\", 5000), "https://evil.example www.evil.example",
	} {
		f.Add(seed, "hello.spec", 3)
	}
	f.Add("x", "../../etc/passwd", 1)
	f.Add("x", "specs/`@x`.spec", 1<<30)
	f.Fuzz(func(t *testing.T, said, spec string, line int) {
		dir := t.TempDir()
		a := &Attempt{
			stages: &Stages{Logs: tasklog.In(dir), ExternalURL: "https://distbot.example.org/", Logger: slog.New(slog.DiscardHandler)},
			task:   db.Task{ID: 7, Attempt: 2, Arch: "x86_64"}, build: db.GetBuildRow{Spec: spec},
		}
		logs, err := a.stages.Logs.Make(7, 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(logs, "build.log"), []byte(said), 0o644); err != nil {
			t.Fatal(err)
		}
		many := func(n int) (list []string) {
			for range n {
				list = append(list, said)
			}
			return list
		}
		found := diagnosis.Finding{
			Phase: diagnosis.Phase(said), Kind: diagnosis.Kind(said), Reason: said, LogFile: "build.log", Line: 1, Excerpt: many(20), Object: said,
			Missing: []diagnosis.Requirement{{Text: said, NeededBy: said, Nearest: many(5)}}, Unpackaged: many(50), SpecLine: line,
		}
		for range 5 {
			found.Missing = append(found.Missing, found.Missing...)
		}
		detail := a.failureDetail(Failure{Phase: Phase(said), Reason: said, Finding: &found})
		checkSummary(t, detail.Summary)
		for _, note := range detail.Annotations {
			if note.Path != spec || strings.HasPrefix(spec, "..") || note.Line < 1 || len(note.Message) > toldMessage || !utf8.ValidString(note.Message) {
				t.Errorf("annotation %+v", note)
			}
		}
		if kept, err := json.Marshal(detail); err != nil || queue.ReadDetail(kept) == nil {
			t.Errorf("the detail can't be kept: %v", err)
		}
	})
}

// checkSummary wants nothing in Markdown but what failureSummary writes.
func checkSummary(t *testing.T, summary string) {
	t.Helper()
	if len(summary) > toldSummary || !utf8.ValidString(summary) {
		t.Errorf("the summary has %d bytes", len(summary))
	}
	data := []byte(summary)
	parser := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()
	strong := 0
	_ = ast.Walk(parser.Parse(text.NewReader(data)), func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch node := node.(type) {
		case *ast.CodeSpan, *ast.FencedCodeBlock:
			return ast.WalkSkipChildren, nil
		case *ast.Link:
			if !strings.HasPrefix(string(node.Destination), "https://distbot.example.org/tasks/7/logs/build.log?attempt=2") {
				t.Errorf("a link to %q in %q", node.Destination, summary)
			}
		case *ast.Emphasis:
			strong++
		case *ast.Text:
			if words := string(node.Value(data)); strings.ContainsAny(words, "@<#`![") {
				t.Errorf("the words %q outside of code in %q", words, summary)
			}
		case *ast.Document, *ast.Paragraph, *ast.TextBlock, *ast.List, *ast.ListItem:
		default:
			t.Errorf("%s in %q", node.Kind(), summary)
		}
		return ast.WalkContinue, nil
	})
	if strong != 1 {
		t.Errorf("%d strong words in %q, want the task's name", strong, summary)
	}
}
