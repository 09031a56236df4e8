package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/rpmfile"
)

func TestDescribeSaysWhetherAPackageCanBeInARepository(t *testing.T) {
	t.Parallel()
	provide := func(n int) func(*rpmfile.Package, *Item) {
		return func(p *rpmfile.Package, _ *Item) {
			for i := range n {
				p.Provides = append(p.Provides, rpmfile.Dependency{Name: fmt.Sprintf("capability-%d", i)})
			}
		}
	}
	for name, tt := range map[string]struct {
		edit func(*rpmfile.Package, *Item)
		want error
	}{
		"one as they are":                          {func(*rpmfile.Package, *Item) {}, nil},
		"one of 30,000 dependencies":               {provide(30_000), nil},
		"one of more dependencies than are read":   {provide(300_000), ErrTooLarge},
		"sixteen MiB of one letter":                {func(p *rpmfile.Package, _ *Item) { p.Description = strings.Repeat("a", 16<<20) }, nil},
		"eighty MiB of one letter":                 {func(p *rpmfile.Package, _ *Item) { p.Description = strings.Repeat("a", 80<<20) }, ErrTooLarge},
		"eighty MiB of one letter in a changelog":  {func(p *rpmfile.Package, _ *Item) { p.Changelogs[0].Text = strings.Repeat("a", 80<<20) }, ErrTooLarge},
		"a name that XML can't express":            {func(p *rpmfile.Package, _ *Item) { p.Files[0].Path = "/usr/bin/a\x07" }, ErrUnprintable},
		"one that is not what is known of it":      {func(_ *rpmfile.Package, item *Item) { item.Version = "2" }, ErrMalformed},
		"eighty MiB of a list as packages have it": {manyFiles(80 << 20), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, f := example(1)
			item := Item{NEVRA: p.NEVRA, File: f}
			tt.edit(p, &item)
			got, err := Describe(p, item)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			if rendered, err := Render(p, item.File); err != nil || !bytes.Equal(rendered.Primary, got.Primary) {
				t.Errorf("it is not described as Render does: %v", err)
			}
		})
	}
}

// manyFiles gives a package paths of so many bytes together.
func manyFiles(size int) func(*rpmfile.Package, *Item) {
	return func(p *rpmfile.Package, _ *Item) {
		for i := 0; size > 0; i++ {
			path := fmt.Sprintf("/usr/share/doc/package%d/%0100d/html/group__%x.html", i/1000, i/1000, i*7919)
			p.Files = append(p.Files, rpmfile.File{Path: path, Mode: 0o100644})
			size -= len(path)
		}
	}
}

// What is written is no less than what clients take: they don't ask how much
// less a document is than its text.
func TestMembersMayBeOfMuchOfTheSame(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("a"), freeOfCare+1<<20)
	for _, compression := range []Compression{Gzip, Zstd} {
		member, err := compression.member(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := compression.checkMember(member, text); err != nil {
			t.Errorf("%s: %v", compression, err)
		}
		if err := compression.checkMember(member, text[:1<<20]); !errors.Is(err, ErrChecksum) {
			t.Errorf("%s, of another length: got %v, want ErrChecksum", compression, err)
		}
	}
}
