package repomd

import (
	"errors"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/rpmfile"
)

// TestRenderDropsWhatXMLCannotExpressFromProse covers what createrepo_c answers
// by leaving the package out, or by writing XML that no client can read.
func TestRenderDropsWhatXMLCannotExpressFromProse(t *testing.T) {
	t.Parallel()
	p, f := example(1)
	p.Summary = "bell\x07, escape\x1b[31m, nonchar\ufffe\uffff, end"
	p.Description = "latin1 \xe9 with \x01 and \x9f"
	p.Changelogs = []rpmfile.Changelog{{Time: 1, Author: "a\x02b", Text: "c\x03d"}}
	got, err := Render(p, f)
	if err != nil {
		t.Fatal(err)
	}
	for want, in := range map[string][]byte{
		"<summary>bell, escape[31m, nonchar, end</summary>": got.Primary,
		"<description>latin1 é with  and </description>":    got.Primary,
		`<changelog author="ab" date="1">cd</changelog>`:    got.Other,
	} {
		if !strings.Contains(string(in), want) {
			t.Errorf("no %q in\n%s", want, in)
		}
	}
}

func TestRenderRefusesNamesThatXMLCannotExpress(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*rpmfile.Package, *File){
		"a file":        func(p *rpmfile.Package, _ *File) { p.Files[0].Path = "/usr/bin/a\x07" },
		"a dependency":  func(p *rpmfile.Package, _ *File) { p.Requires[0].Name = "a\x1b" },
		"a version":     func(p *rpmfile.Package, _ *File) { p.Provides[0].Version = "1\ufffe" },
		"a location":    func(_ *rpmfile.Package, f *File) { f.Href = "a\x00.rpm" },
		"the file name": func(p *rpmfile.Package, _ *File) { p.Name = "a\uffff" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, f := example(1)
			edit(p, &f)
			if _, err := Render(p, f); !errors.Is(err, ErrUnprintable) {
				t.Errorf("got %v, want ErrUnprintable", err)
			}
		})
	}
}

// Read as Latin-1 it would be the name of another file.
func TestRenderRefusesALocationThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	p, f := example(1)
	f.Href = "Packages/caf\xe9.rpm"
	if _, err := Render(p, f); !errors.Is(err, ErrUnprintable) || !strings.Contains(err.Error(), `caf\xe9.rpm`) {
		t.Errorf("got %v, want ErrUnprintable with the name", err)
	}
}
