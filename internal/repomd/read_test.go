package repomd

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
)

func TestReadRepomdOfCreaterepo(t *testing.T) {
	t.Parallel()
	const text = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>17</revision>
  <tags><distro cpeid="cpe:/o:x">X</distro></tags>
  <data type="primary">
    <checksum type="sha256">aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</checksum>
    <open-checksum type="sha256">bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb</open-checksum>
    <location href="repodata/primary.xml.gz"/>
    <timestamp>1300000000.12</timestamp>
    <size>5</size>
    <open-size>6</open-size>
  </data>
  <data type="primary_db"><checksum type="sha">cc</checksum><location href="repodata/p.sqlite.bz2"/><database_version>10</database_version></data>
  <data type="other"><checksum type="sha512">` + sha512Hex + `</checksum><location href="repodata/o.xml"/></data>
</repomd>`
	got, err := ReadRepomd(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Repomd{Revision: "17", Data: []Data{
		{
			Type: "primary", Href: "repodata/primary.xml.gz", SHA256: strings.Repeat("a", 64), Size: 5, Timestamp: 1300000000,
			OpenSHA256: strings.Repeat("b", 64), OpenSize: 6,
		},
		{Type: "primary_db", Href: "repodata/p.sqlite.bz2"},
		{Type: "other", Href: "repodata/o.xml", SHA512: sha512Hex},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

const sha512Hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const primaryPackage = `<package type="rpm"><name>a</name><arch>x86_64</arch><version epoch="1" ver="2" rel="3"/>
<checksum type="sha256" pkgid="YES">ff</checksum><size package="9"/><location href="Packages/a.rpm"/>
<format><rpm:sourcerpm>a-2-3.src.rpm</rpm:sourcerpm><rpm:provides><rpm:entry name="a"/></rpm:provides></format></package>`

func primary(packages string) string {
	return xmlHeader + `<metadata xmlns="` + nsCommon + `" xmlns:rpm="` + nsRPM + `" packages="1">` + packages + `</metadata>`
}

func readPrimary(text string) ([]PrimaryPackage, error) {
	var got []PrimaryPackage
	err := ReadPrimary(strings.NewReader(text), func(p PrimaryPackage) error {
		got = append(got, p)
		return nil
	})
	return got, err
}

func TestReadPrimary(t *testing.T) {
	t.Parallel()
	got, err := readPrimary(primary(primaryPackage + primaryPackage))
	if err != nil {
		t.Fatal(err)
	}
	want := PrimaryPackage{
		NEVRA: rpmfile.NEVRA{Name: "a", Epoch: 1, Version: "2", Release: "3", Arch: "x86_64"}, ChecksumType: "sha256", Checksum: "ff",
		Href: "Packages/a.rpm", Size: 9, SourceRPM: "a-2-3.src.rpm",
		Dependencies: Dependencies{Provides: []rpmfile.Dependency{{Name: "a"}}},
	}
	if diff := cmp.Diff([]PrimaryPackage{want, want}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReadPrimaryReturnsTheVisitorsError(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	if err := ReadPrimary(strings.NewReader(primary(primaryPackage)), func(PrimaryPackage) error { return stop }); !errors.Is(err, stop) || err.Error() != "stop" {
		t.Errorf("got %v, want the visitor's error", err)
	}
}

func TestReadersRefuseHostileXML(t *testing.T) {
	t.Parallel()
	bomb := `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>`
	readers := map[string]func(string) error{
		"repomd":  func(s string) error { _, err := ReadRepomd(strings.NewReader(s)); return err },
		"primary": func(s string) error { _, err := readPrimary(s); return err },
		"comps":   func(s string) error { _, err := ReadComps(strings.NewReader(s)); return err },
		"filelists": func(s string) error {
			return ReadFilelists(strings.NewReader(s), func(Filelist) error { return nil })
		},
		"other": func(s string) error { return ReadIDs("other", strings.NewReader(s), func(string) error { return nil }) },
	}
	roots := map[string]string{"repomd": "repomd", "primary": "metadata", "comps": "comps", "filelists": "filelists", "other": "otherdata"}
	for kind, read := range readers {
		root := roots[kind]
		for name, tt := range map[string]struct {
			text string
			want error
		}{
			"an empty file":                {"", ErrMalformed},
			"no XML":                       {"hello", ErrMalformed},
			"another root":                 {"<html></html>", ErrMalformed},
			"an unclosed root":             {"<" + root + ">", ErrMalformed},
			"crossed elements":             {"<" + root + "><a><b></a></b></" + root + ">", ErrMalformed},
			"an entity bomb":               {bomb + "<" + root + ">&b;</" + root + ">", ErrMalformed},
			"an undeclared entity":         {"<" + root + "><revision>&x;</revision><package>&x;</package></" + root + ">", ErrMalformed},
			"text behind the root":         {"<" + root + "></" + root + "> garbage <", ErrMalformed},
			"an attribute twice":           {"<" + root + ` a="b" a="c"/>`, ErrMalformed},
			"attributes without a blank":   {"<" + root + ` a="b"c="d"/>`, ErrMalformed},
			"a second declaration":         {xmlHeader + xmlHeader + "<" + root + "/>", ErrMalformed},
			"deep nesting":                 {"<" + root + ">" + strings.Repeat("<a>", 100), ErrMalformed},
			"another encoding":             {`<?xml version="1.0" encoding="UTF-7"?><` + root + `/>`, ErrMalformed},
			"a tag that has no end so far": {"<" + root + ` a="` + strings.Repeat("x", maxTokenBytes+1<<16), ErrTooLarge},
		} {
			t.Run(name+" as "+kind, func(t *testing.T) {
				t.Parallel()
				if err := read(tt.text); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			})
		}
	}
}

func TestReadersRefuseBadValues(t *testing.T) {
	t.Parallel()
	data := func(body string) string { return `<repomd><data type="primary">` + body + `</data></repomd>` }
	for name, text := range map[string]string{
		"a location outside":     data(`<location href="../../etc/passwd"/>`),
		"an absolute location":   data(`<location href="/etc/passwd"/>`),
		"no location":            data(``),
		"a checksum that is not": data(`<checksum type="sha256">../x</checksum><location href="a"/>`),
		"a negative size":        data(`<size>-1</size><location href="a"/>`),
	} {
		if md, err := ReadRepomd(strings.NewReader(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("repomd.xml with %s: got %v, %v; want ErrMalformed", name, md, err)
		}
	}
	for name, edit := range map[string][2]string{
		"a name that climbs":    {"<name>a</name>", "<name>../a</name>"},
		"no architecture":       {"<arch>x86_64</arch>", ""},
		"a version with blanks": {`ver="2"`, `ver="2 3"`},
		"a huge epoch":          {`epoch="1"`, `epoch="99999999999"`},
		"a location outside":    {"Packages/a.rpm", "Packages/../../a.rpm"},
		"an absolute location":  {"Packages/a.rpm", "/a.rpm"},
		"an unknown comparison": {`<rpm:entry name="a"`, `<rpm:entry name="a" flags="NE" ver="1"`},
		"an epoch of letters":   {`<rpm:entry name="a"`, `<rpm:entry name="a" flags="EQ" epoch="x" ver="1"`},
		"a nameless dependency": {`<rpm:entry name="a"`, `<rpm:entry`},
	} {
		if got, err := readPrimary(primary(strings.Replace(primaryPackage, edit[0], edit[1], 1))); !errors.Is(err, ErrMalformed) {
			t.Errorf("primary.xml with %s: got %v, %v; want ErrMalformed", name, got, err)
		}
	}
	if _, err := ReadRepomd(strings.NewReader("<repomd>" + strings.Repeat(`<data><location href="a"/></data>`, maxDataRecords+1) + "</repomd>")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many records: got %v, want ErrTooLarge", err)
	}
	if _, err := ReadRepomd(strings.NewReader("<repomd>" + strings.Repeat(" ", MaxRepomdBytes))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many bytes: got %v, want ErrTooLarge", err)
	}
}

func TestReadDetails(t *testing.T) {
	t.Parallel()
	const text = `<metadata><package type="rpm"><name>a</name><checksum type="sha256" pkgid="YES">ff</checksum><summary>S &amp; T</summary><time file="1" build="2"/>
<size package="1" installed="2" archive="3"/><location href="a.rpm"/><format><rpm:license>MIT</rpm:license><rpm:header-range start="4" end="5"/>
<rpm:provides><rpm:entry name="a" flags="EQ" epoch="0" ver="1" rel="2"/></rpm:provides><rpm:requires><rpm:entry name="b" flags="GE" epoch="1" ver="2" pre="1"/><rpm:entry name="(c if d)"/></rpm:requires>
<file type="ghost">/etc/x</file></format></package>
<package pkgid="ee" name="b"><file type="dir">/d</file><file>/f</file><changelog author="A" date="7">- x
- y</changelog></package></metadata>`
	got := map[string][]Detail{}
	if err := ReadDetails(strings.NewReader(text), func(pkgid string, details []Detail) error {
		got[pkgid] = details
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string][]Detail{
		"ff": {
			{"summary", "S & T"},
			{"build time", "2"},
			{"installed size", "2"},
			{"archive size", "3"},
			{"license", "MIT"},
			{"header range", "4-5"},
			{"provides", "a = 1-2"},
			{"requires", "b >= 1:2"},
			{"requires before installation", "b >= 1:2"},
			{"requires", "(c if d)"},
			{"file", "/etc/x (ghost)"},
		},
		"ee": {{"file", "/d (directory)"}, {"file", "/f"}, {"changelog", "7 A: - x\n- y"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	stop := errors.New("stop")
	if err := ReadDetails(strings.NewReader(text), func(string, []Detail) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the visitor's error", err)
	}
}

// What a package's own fragments say is what its header has.
func TestDetailsOfFragmentsAreThoseOfTheHeader(t *testing.T) {
	t.Parallel()
	p, file := example(1)
	fragments, err := Render(p, file)
	if err != nil {
		t.Fatal(err)
	}
	said, err := DetailsOf(fragments)
	if err != nil {
		t.Fatal(err)
	}
	have := map[Detail]bool{}
	for _, d := range AllDetails(p) {
		have[d] = true
	}
	listed := 0
	for _, kind := range []string{"primary", "filelists", "other"} {
		for _, d := range said[kind] {
			if d.Lists() {
				if listed++; !have[d] {
					t.Errorf("%s says %+v, the header does not", kind, d)
				}
			}
		}
	}
	if listed < 5 {
		t.Errorf("only %d details were compared", listed)
	}
}

func TestReadersReturnTheReadersError(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	if _, err := ReadRepomd(iotest.ErrReader(broken)); !errors.Is(err, broken) || errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want the reader's error and not ErrMalformed", err)
	}
}

func TestComps(t *testing.T) {
	t.Parallel()
	want := []Group{
		{ID: "build", Name: "Build <root>", Description: "What & why", Default: true, Packages: []GroupPackage{
			{Name: "bash", Type: Mandatory},
			{Name: "gcc", Type: Default},
			{Name: "vim", Type: Optional},
			{Name: "langpack", Type: Conditional, Requires: "editor"},
		}},
		{ID: "empty", Name: "Nothing", UserVisible: true},
	}
	text, err := Comps(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadComps(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-written +read)\n%s", diff)
	}
	if _, err := Comps([]Group{{ID: "a\x07"}}); !errors.Is(err, ErrUnprintable) {
		t.Errorf("a bell in an id: got %v, want ErrUnprintable", err)
	}
}

func TestReadCompsOfOthers(t *testing.T) {
	t.Parallel()
	got, err := ReadComps(strings.NewReader(`<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd"><comps>
<group><id>core</id><name xml:lang="de">Kern</name><name>Core</name><uservisible>false</uservisible>
<packagelist><packagereq>bash</packagereq></packagelist></group>
<environment><id>e</id></environment></comps>`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Group{{ID: "core", Name: "Core", Packages: []GroupPackage{{Name: "bash", Type: Mandatory}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, text := range []string{
		`<comps><group><name>x</name></group></comps>`,
		`<comps><group><id>x</id><packagelist><packagereq type="x">a</packagereq></packagelist></group></comps>`,
		`<comps><group><id>x</id><packagelist><packagereq/></packagelist></group></comps>`,
	} {
		if got, err := ReadComps(strings.NewReader(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v; want ErrMalformed", text, got, err)
		}
	}
}

func FuzzReaders(f *testing.F) {
	f.Add(primary(primaryPackage))
	f.Add(string(Repomd{Revision: "1", Data: []Data{{Type: "primary", Href: "a", SHA256: strings.Repeat("a", 64)}}}.XML()))
	f.Add(`<filelists><package pkgid="ff" name="a" arch="noarch"><version epoch="0" ver="1" rel="1"/><file type="dir">/a</file></package></filelists>`)
	f.Add(`<comps><group><id>x</id><packagelist><packagereq type="default">a</packagereq></packagelist></group></comps>`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, err := range []error{
			func() error { _, err := readPrimary(text); return err }(),
			func() error { _, err := ReadRepomd(strings.NewReader(text)); return err }(),
			func() error { _, err := ReadComps(strings.NewReader(text)); return err }(),
			ReadFilelists(strings.NewReader(text), func(Filelist) error { return nil }),
			ReadDetails(strings.NewReader(text), func(string, []Detail) error { return nil }),
		} {
			if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("undocumented error: %v", err)
			}
		}
	})
}

// FuzzRender: whatever a package says, the fragments are XML that reads back.
func FuzzRender(f *testing.F) {
	f.Add("a <b> & \"c\"", "d\x07\xff")
	f.Fuzz(func(t *testing.T, prose, name string) {
		p, file := example(1)
		p.Summary, p.Description, p.Changelogs[0].Author = prose, prose, prose
		p.Files[0].Path, p.Requires[0].Name = name, name
		fragments, err := Render(p, file)
		if errors.Is(err, ErrUnprintable) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := readPrimary(primary(string(fragments.Primary)))
		if err != nil || len(got) != 1 || got[0].NEVRA != p.NEVRA {
			t.Errorf("reads back as %v, %v", got, err)
		}
	})
}
