package directory

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/modulemd"
)

// streamDocument is one with a profile of the given RPM.
func streamDocument(stream, summary string, artifacts ...string) string {
	return fmt.Sprintf("---\ndocument: modulemd\nversion: 2\ndata:\n  name: demo\n  stream: %q\n  version: 1\n  context: c\n  arch: x86_64\n  summary: %s\n  description: d\n"+
		"  license:\n    module: [MIT]\n  artifacts:\n    rpms: [%s]\n...\n", stream, summary, strings.Join(artifacts, ", "))
}

func TestMergeModules(t *testing.T) {
	t.Parallel()
	const a, b = "a-0:1-1.noarch", "b-0:1-1.noarch"
	one := streamDocument("1", "s", a, b)
	for what, test := range map[string]struct {
		files []string
		want  string
		err   error
	}{
		"One file stays as it is":             {[]string{one}, one, nil},
		"Streams of two files are united":     {[]string{streamDocument("2", "s", a), one}, one + streamDocument("2", "s", a), nil},
		"A document and a part of it are one": {[]string{streamDocument("1", "s", a), one}, one, nil},
		"Different documents of one stream":   {[]string{one, streamDocument("1", "t", a, b)}, "", modulemd.ErrConflict},
		"Different default streams":           {[]string{one + string(defaults("1")), string(defaults("2"))}, "", modulemd.ErrConflict},
		"An artifact without epoch":           {[]string{streamDocument("1", "s", "a-1-1.noarch")}, "", modulemd.ErrInvalid},
		"No YAML":                             {[]string{"---\n{"}, "", modulemd.ErrInvalid},
		"More than can be read":               {[]string{strings.Repeat("#", 64<<20)}, "", modulemd.ErrTooLarge},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var files []ModulesFile
			for i, text := range test.files {
				files = append(files, ModulesFile{fmt.Sprint("file", i), []byte(text)})
			}
			got, _, err := MergeModules(files)
			if !errors.Is(err, test.err) || string(got) != test.want {
				t.Errorf("got %v and\n%s\nwant %v and\n%s", err, got, test.err, test.want)
			}
		})
	}
}
