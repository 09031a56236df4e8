package builders

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

//go:embed testdata/noarch.spec
var noarchSpec string

// manual builds the noarch package of a spec on an architecture.
func manual(tb testing.TB, arch, spec string) *rpmfile.Package {
	tb.Helper()
	for _, path := range rpmtest.Build(tb, arch, spec, nil) {
		if strings.HasSuffix(path, ".noarch.rpm") {
			pkg, _, err := rpmfile.ReadFile(path)
			if err != nil {
				tb.Fatal(err)
			}
			return pkg
		}
	}
	tb.Fatal("the spec makes no noarch package")
	return nil
}

// TestCompareNoarch varies each thing that Koji compares, and what it does not,
// in packages that rpmbuild made for two architectures.
func TestCompareNoarch(t *testing.T) {
	t.Parallel()
	first := manual(t, "x86_64", noarchSpec)
	for name, test := range map[string]struct {
		// replace are texts of the spec and what stands for them on the second
		// architecture.
		replace         []string
		header, content []string
	}{
		"nothing":                {},
		"the time of a file":     {replace: []string{"2001-01-01", "2002-02-02"}},
		"summary":                {replace: []string{"Summary: Manual", "Summary: Book"}, header: []string{`summary "Manual" / "Book"`}},
		"description":            {replace: []string{"A manual.", "A book."}, header: []string{`description "A manual." / "A book."`}},
		"group":                  {replace: []string{"Group: Documentation", "Group: Books"}, header: []string{`group "Documentation" / "Books"`}},
		"license":                {replace: []string{"License: MIT\nURL", "License: BSD\nURL"}, header: []string{`license "MIT" / "BSD"`}},
		"URL":                    {replace: []string{"example.org/", "example.org/doc"}, header: []string{`URL "https://example.org/" / "https://example.org/doc"`}},
		"no URL":                 {replace: []string{"URL: https://example.org/\n", ""}, header: []string{`URL "https://example.org/" / ""`}},
		"a script before":        {replace: []string{"echo pre\n", "echo other\n"}, header: []string{`%pre "echo pre" / "echo other"`}},
		"a script after":         {replace: []string{"echo post\n", "echo other\n"}, header: []string{`%post "echo post" / "echo other"`}},
		"a script before erase":  {replace: []string{"echo preun\n", "echo other\n"}, header: []string{`%preun "echo preun" / "echo other"`}},
		"a script after erase":   {replace: []string{"echo postun\n", "echo other\n"}, header: []string{`%postun "echo postun" / "echo other"`}},
		"a script that is gone":  {replace: []string{"%preun doc\necho preun\n", ""}, header: []string{"%preun only on x86_64", "requires /bin/sh only on x86_64"}},
		"a requirement more":     {replace: []string{"# more", "Requires: bar"}, header: []string{"requires bar only on aarch64"}},
		"a requirement less":     {replace: []string{"Requires: foo >= 1\n", ""}, header: []string{"requires foo >= 1 only on x86_64"}},
		"a requirement's flags":  {replace: []string{"foo >= 1", "foo = 1"}, header: []string{"requires foo = 1 only on aarch64", "requires foo >= 1 only on x86_64"}},
		"when it is required":    {replace: []string{"Requires: foo >= 1", "Requires(pre): foo >= 1"}, header: []string{"requires foo >= 1 (flags 0xc) only on x86_64", "requires foo >= 1 (flags 0x20c) only on aarch64"}},
		"a requirement twice":    {replace: []string{"# more", "Requires: foo >= 1"}},
		"a provide":              {replace: []string{"manual = 2", "manual = 3"}, header: []string{"provides manual = 2 only on x86_64", "provides manual = 3 only on aarch64"}},
		"a conflict":             {replace: []string{"old < 2", "old < 3"}, header: []string{"conflicts old < 2 only on x86_64", "conflicts old < 3 only on aarch64"}},
		"an obsoletes":           {replace: []string{"ancient < 1", "ancient"}, header: []string{"obsoletes ancient only on aarch64", "obsoletes ancient < 1 only on x86_64"}},
		"the epoch":              {replace: []string{"# more", "Epoch: 2"}, header: []string{"epoch 0 / 2", "provides greet-doc = 2:1-1 only on aarch64"}},
		"a file more":            {replace: []string{"# install", "touch usr/share/greet/three", "# files", "/usr/share/greet/three"}, header: []string{"/usr/share/greet/three only on aarch64"}},
		"a file less":            {replace: []string{"/usr/share/greet/two\n/usr", "/usr", "# install", "rm usr/share/greet/two"}, header: []string{"/usr/share/greet/two only on x86_64"}},
		"a file's mode":          {replace: []string{"0644, root, root", "0755, root, root"}, header: []string{"/usr/share/greet/one mode 0644 / 0755"}},
		"a file's type":          {replace: []string{"ln -s one", "touch"}, header: []string{"/usr/share/greet/first mode 120777 / 100644"}},
		"a file's owner":         {replace: []string{"0644, root, root", "0644, bin, root"}, header: []string{"/usr/share/greet/one owner root / bin"}},
		"a file's group":         {replace: []string{"0644, root, root", "0644, root, mail"}, header: []string{"/usr/share/greet/one group root / mail"}},
		"what a file is":         {replace: []string{"root) /usr/share/greet/one", "root) %config(noreplace) /usr/share/greet/one"}, header: []string{"requires config(greet-doc) = 1-1 only on aarch64", "provides config(greet-doc) = 1-1 only on aarch64", "/usr/share/greet/one is plain / %config flags 0x10"}},
		"a file's verification":  {replace: []string{"root) /usr/share/greet/one", "root) %verify(not mtime) /usr/share/greet/one"}, header: []string{"/usr/share/greet/one verify flags 0xffffffff / 0xffffffdf"}},
		"a device":               {replace: []string{"(c, 1, 3)", "(c, 1, 5)"}, header: []string{"/dev/greet device 1:3 / 1:5"}},
		"a file's content":       {replace: []string{"page one", "page 1!!"}, content: []string{"content of /usr/share/greet/one"}},
		"the size of files":      {replace: []string{"page one", "page the first", "page two", "page the second"}, content: []string{"content of /usr/share/greet/one, /usr/share/greet/two"}},
		"a link's target":        {replace: []string{"ln -s one", "ln -s two"}, content: []string{"content of /usr/share/greet/first"}},
		"a file's capabilities":  {replace: []string{"root) /usr/share/greet/one", "root) %caps(cap_net_raw=ep) /usr/share/greet/one"}, content: []string{"content of /usr/share/greet/one"}, header: []string{"requires rpmlib(FileCaps) <= 4.6.1-1 only on aarch64"}},
		"a weak dependency":      {replace: []string{"# more", "Recommends: bar\nSuggests: baz"}, content: []string{"recommends bar only on aarch64", "suggests baz only on aarch64"}},
		"a transaction's script": {replace: []string{"%pre doc", "%posttrans doc\necho done\n%pre doc"}, content: []string{"%posttrans only on aarch64"}, header: []string{"requires /bin/sh only on aarch64"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := strings.NewReplacer(test.replace...).Replace(noarchSpec)
			for i := 0; i < len(test.replace); i += 2 {
				if strings.Count(noarchSpec, test.replace[i]) != 1 {
					t.Fatalf("the spec has %q not once", test.replace[i])
				}
			}
			got := compareNoarch("x86_64", first, "aarch64", manual(t, "aarch64", spec))
			if diff := cmp.Diff(test.header, got.header.first, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.content, got.content.first, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompareNoarchOfTheStateOfAFile(t *testing.T) {
	t.Parallel()
	p := &rpmfile.Package{Files: []rpmfile.File{{Path: "/a"}}}
	q := &rpmfile.Package{Files: []rpmfile.File{{Path: "/a", State: 3}}}
	got := compareNoarch("x86_64", p, "aarch64", q)
	if diff := cmp.Diff("/a state 0 / 3", got.header.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompareNoarchIsBounded(t *testing.T) {
	t.Parallel()
	p, q := &rpmfile.Package{}, &rpmfile.Package{Summary: strings.Repeat("\u202e", 100_000)}
	for i := range 50_000 {
		p.Files = append(p.Files, rpmfile.File{Path: fmt.Sprintf("/%d/%s", i, strings.Repeat("x", 400))})
		p.Requires = append(p.Requires, rpmfile.Dependency{Name: fmt.Sprintf("%d-%s", i, strings.Repeat("y", 400))})
	}
	got := compareNoarch("x86_64", p, "aarch64", q)
	if got.header.n != 100_001 {
		t.Errorf("%d differences were found, want 100,001", got.header.n)
	}
	if text := got.header.String(); len(text) > 10_000 || !strings.HasSuffix(text, "; and 99981 more differences") {
		t.Errorf("%d bytes are said of them: …%s", len(text), text[max(0, len(text)-100):])
	}
}

// FuzzCompareNoarch compares whatever the reader takes with a real package and
// with itself.
func FuzzCompareNoarch(f *testing.F) {
	var raw []byte
	for _, path := range rpmtest.Build(f, "x86_64", noarchSpec, nil) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		if strings.HasSuffix(path, ".noarch.rpm") {
			raw = data
		}
	}
	real, err := rpmfile.Read(bytes.NewReader(raw))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := rpmfile.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if self := compareNoarch("a", p, "b", p); self.header.n != 0 || self.content.n != 0 {
			t.Errorf("a package differs from itself: %s; %s", &self.header, &self.content)
		}
		there, back := compareNoarch("a", real, "b", p), compareNoarch("b", p, "a", real)
		if there.header.n != back.header.n || there.content.n != back.content.n {
			t.Errorf("%d and %d differences one way, %d and %d the other", there.header.n, there.content.n, back.header.n, back.content.n)
		}
		if text := there.header.String(); utf8.RuneCountInString(text) > (maxDifferences+1)*(maxDifferenceRunes+2) {
			t.Errorf("%d characters are said", utf8.RuneCountInString(text))
		}
	})
}
