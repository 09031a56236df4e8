package markdown_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/distbot/distbot/internal/markdown"
)

func TestText(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ got, want string }{
		"A word":                     {markdown.Code("gcc"), "`gcc`"},
		"Nothing":                    {markdown.Code(" \n\x1b[0m"), ""},
		"Backquotes":                 {markdown.Code("a`b``c"), "```a`b``c```"},
		"Backquotes at the ends":     {markdown.Code("`a`"), "`` `a` ``"},
		"Lines":                      {markdown.Code(" a\n\n# b\r\n"), "`a # b`"},
		"A colour":                   {markdown.Code("\x1b[31mred\x1b[0m"), "`red`"},
		"A turn of direction":        {markdown.Code("a\u202eb"), "`ab`"},
		"A block":                    {markdown.Block([]string{"a", "", "\tb  "}), "```text\na\n\n b\n```\n"},
		"A block with a fence in it": {markdown.Block([]string{"```", "````x"}), "`````text\n```\n````x\n`````\n"},
		"A block with a line end":    {markdown.Block([]string{"a\n```\n# b"}), "````text\na ``` # b\n````\n"},
		"No block":                   {markdown.Block(nil), ""},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %q, want %q", name, test.got, test.want)
		}
	}
}

// shown parses Markdown as GitHub does and returns what stands in code, and the
// kinds of everything else.
func shown(source string) (code []string, kinds map[string]int) {
	kinds = map[string]int{}
	parser := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()
	data := []byte(source)
	_ = ast.Walk(parser.Parse(text.NewReader(data)), func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch node := node.(type) {
		case *ast.CodeSpan:
			var span strings.Builder
			for child := node.FirstChild(); child != nil; child = child.NextSibling() {
				span.Write(child.(*ast.Text).Segment.Value(data))
			}
			code = append(code, span.String())
			return ast.WalkSkipChildren, nil
		case *ast.FencedCodeBlock:
			code = append(code, string(node.Lines().Value(data)))
			return ast.WalkSkipChildren, nil
		}
		kinds[node.Kind().String()]++
		return ast.WalkContinue, nil
	})
	return code, kinds
}

// FuzzNothingBreaksOut puts text between words of ours, and wants all of it to be
// found in code by a parser that knows nothing of this package.
func FuzzNothingBreaksOut(f *testing.F) {
	for _, text := range []string{
		"plain", "`", "``` ` ``", "```\n# x", "~~~", "</code><script>alert(1)</script>", "@everyone #1 https://x.example", "[a](b)", "![a](b)",
		"\\`", "`\\", " ` ", "a\n\n    b", "- [ ] x", "|a|b|\n|-|-|", "\x00\x1b[0m\u202e\u2028\u0085", "<!-- ", "&lt;&#96;", "$$x$$", "\t```", "> ```",
		strings.Repeat("`", 300), "\xff`\xfe",
	} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		lines := strings.Split(two, "\n")
		source := "Phase: " + markdown.Code(one) + ", then\n\n- " + markdown.Code(two) + "\n\n" + markdown.Block(lines) + "\nAn end.\n"
		code, kinds := shown(source)
		spans := 1 // the block
		for _, text := range []string{one, two} {
			if markdown.Code(text) != "" {
				spans++
			}
		}
		if len(code) != spans {
			t.Fatalf("%d places of code %q in %q, want %d", len(code), code, source, spans)
		}
		if block := code[spans-1]; strings.Count(block, "\n") != len(lines) {
			t.Errorf("the block has %d lines, want %d: %q", strings.Count(block, "\n"), len(lines), block)
		}
		for kind := range kinds {
			switch kind {
			case "Document", "Paragraph", "Text", "TextBlock", "List", "ListItem":
			default:
				t.Errorf("%s in %q", kind, source)
			}
		}
		odd := func(r rune) bool { return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
		if strings.ContainsFunc(source, odd) {
			t.Errorf("a character that nobody sees in %q", source)
		}
	})
}
