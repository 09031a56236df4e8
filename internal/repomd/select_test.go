package repomd

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
)

const compsOfBase = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>core</id><name>Core</name><name xml:lang="de">K&amp;rn</name><description/>
    <default>true</default><uservisible>false</uservisible>
    <packagelist>
      <packagereq type="mandatory">bash</packagereq>
      <packagereq type="conditional" requires="gtk" basearchonly="true">bash-gtk</packagereq>
      <packagereq type="default">elsewhere</packagereq>
      <packagereq type="optional">gone</packagereq>
    </packagelist>
  </group>
  <group><id>lost</id><name>Lost</name><packagelist><packagereq>gone</packagereq><packagereq>elsewhere</packagereq></packagelist></group>
  <category><id>all</id><name>All</name><grouplist><groupid>core</groupid><groupid>lost</groupid></grouplist></category>
  <category><id>nothing</id><name>Nothing</name><grouplist><groupid>lost</groupid></grouplist></category>
  <environment><id>server</id><name>Server</name><grouplist><groupid>core</groupid><groupid>of-another-repository</groupid></grouplist><optionlist><groupid default="true">lost</groupid></optionlist></environment>
  <langpacks><match install="bash-%s" name="bash"/></langpacks>
</comps>`

const compsOfApps = `<comps>
<group><id>core</id><name>Another name</name><packagelist><packagereq>bash</packagereq><packagereq>vim</packagereq></packagelist></group>
<environment><id>server</id><name>Server</name><optionlist><groupid>lost</groupid><groupid>desktop</groupid></optionlist></environment>
<langpacks><match install="bash-%s" name="bash"/><match install="vim-%s" name="vim"/></langpacks>
</comps>`

func sources(texts ...string) (all []Source) {
	for _, text := range texts {
		all = append(all, Source{Name: "r", Reader: strings.NewReader(text)})
	}
	return all
}

func oneOf(names ...string) func(string) bool {
	return func(name string) bool { return strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") }
}

func TestSelectComps(t *testing.T) {
	t.Parallel()
	text, ids, err := SelectComps(sources(compsOfBase, compsOfApps), oneOf("elsewhere"), oneOf("bash", "bash-gtk", "vim"))
	if err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>core</id>
    <name>Core</name>
    <name xml:lang="de">K&amp;rn</name>
    <description/>
    <default>true</default>
    <uservisible>false</uservisible>
    <packagelist>
      <packagereq type="mandatory">bash</packagereq>
      <packagereq type="conditional" requires="gtk" basearchonly="true">bash-gtk</packagereq>
      <packagereq type="default">elsewhere</packagereq>
      <packagereq>vim</packagereq>
    </packagelist>
  </group>
  <category>
    <id>all</id>
    <name>All</name>
    <grouplist>
      <groupid>core</groupid>
    </grouplist>
  </category>
  <environment>
    <id>server</id>
    <name>Server</name>
    <grouplist>
      <groupid>core</groupid>
      <groupid>of-another-repository</groupid>
    </grouplist>
    <optionlist>
      <groupid>desktop</groupid>
    </optionlist>
  </environment>
  <langpacks>
    <match install="bash-%s" name="bash"/>
    <match install="vim-%s" name="vim"/>
  </langpacks>
</comps>
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"core"}, ids); diff != "" {
		t.Errorf("ids (-want +got)\n%s", diff)
	}
	if groups, err := ReadComps(strings.NewReader(string(text))); err != nil || len(groups) != 1 || len(groups[0].Packages) != 4 {
		t.Errorf("reads back as %+v, %v", groups, err)
	}
	if text, ids, err := SelectComps(sources(compsOfBase), oneOf("elsewhere"), oneOf("nothing")); text != nil || ids != nil || err != nil {
		t.Errorf("without packages: %s, %q, %v", text, ids, err)
	}
}

const updateinfoOfBase = `<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="x@y" status="final" type="security" version="2">
    <id>A-1</id>
    <title>bash &lt;fix&gt;</title>
    <issued date="2026-01-01 00:00:00"/>
    <references><reference href="https://example.org/?a=1&amp;b=2" id="CVE-1" type="cve"/></references>
    <description>Two
lines</description>
    <pkglist>
      <collection short="base"><name>base</name>
        <package name="bash" version="5" release="1" epoch="0" arch="x86_64" src="bash-5-1.src.rpm"><filename>bash-5-1.x86_64.rpm</filename><reboot_suggested>1</reboot_suggested></package>
        <package name="gone" version="5" release="1" epoch="0" arch="x86_64"/>
      </collection>
      <collection short="mod"><module name="m" stream="1" version="1" context="c" arch="x86_64"/>
        <package name="bash" version="5" release="1" arch="x86_64"/>
      </collection>
    </pkglist>
  </update>
  <update type="bugfix"><id>A-2</id><pkglist><collection><package name="gone" version="1" release="1" arch="x86_64"/><package name="../x" version="" release="" epoch="x" arch=""/></collection></pkglist></update>
  <update type="enhancement"><id>A-3</id></update>
</updates>`

func TestSelectUpdateinfo(t *testing.T) {
	t.Parallel()
	keep := func(stream string, n rpmfile.NEVRA) bool { return stream == "" && n.Name != "gone" }
	other := `<updates><update version="2"><id>A-1</id><pkglist><collection short="apps"><package name="bash-doc" version="5" release="1" epoch="1" arch="noarch"/></collection></pkglist></update></updates>`
	text, ids, err := SelectUpdateinfo(sources(updateinfoOfBase, other, updateinfoOfBase), keep)
	if err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="x@y" status="final" type="security" version="2">
    <id>A-1</id>
    <title>bash &lt;fix&gt;</title>
    <issued date="2026-01-01 00:00:00"/>
    <references>
      <reference href="https://example.org/?a=1&amp;b=2" id="CVE-1" type="cve"/>
    </references>
    <description>Two
lines</description>
    <pkglist>
      <collection short="base">
        <name>base</name>
        <package name="bash" version="5" release="1" epoch="0" arch="x86_64" src="bash-5-1.src.rpm">
          <filename>bash-5-1.x86_64.rpm</filename>
          <reboot_suggested>1</reboot_suggested>
        </package>
      </collection>
      <collection short="apps">
        <package name="bash-doc" version="5" release="1" epoch="1" arch="noarch"/>
      </collection>
    </pkglist>
  </update>
</updates>
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"A-1"}, ids); diff != "" {
		t.Errorf("ids (-want +got)\n%s", diff)
	}
	var streams []string
	text, _, err = SelectUpdateinfo(sources(updateinfoOfBase), func(stream string, n rpmfile.NEVRA) bool {
		streams = append(streams, stream+" "+n.String())
		return false
	})
	if text != nil || err != nil {
		t.Errorf("without packages: %s, %v", text, err)
	}
	if diff := cmp.Diff([]string{" bash-5-1.x86_64", " gone-5-1.x86_64", "m:1 bash-5-1.x86_64", " gone-1-1.x86_64"}, streams); diff != "" {
		t.Errorf("asked for (-want +got)\n%s", diff)
	}
}

func TestSelectRefusesHostileDocuments(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		body string
		want error
	}{
		"an entity bomb":        {`<!DOCTYPE x [<!ENTITY a "aa">]>%s<id>&a;</id>`, ErrMalformed},
		"deep nesting":          {"%s" + strings.Repeat("<a>", 100), ErrMalformed},
		"the end is missing":    {"%s", ErrMalformed},
		"another root":          {"<html></html>", ErrMalformed},
		"nothing":               {"", ErrMalformed},
		"an entry without id":   {"%s<group></group><update></update>", ErrMalformed},
		"very many elements":    {"%s<group><id>a</id>" + strings.Repeat("<a/>", maxElements), ErrTooLarge},
		"a tag that never ends": {"%s<group a=\"" + strings.Repeat("x", maxTokenBytes+1<<16), ErrTooLarge},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			all := func(string) bool { return true }
			if _, _, err := SelectComps(sources(strings.Replace(test.body, "%s", "<comps>", 1)), all, all); !errors.Is(err, test.want) {
				t.Errorf("comps: %v, want %v", err, test.want)
			}
			_, _, err := SelectUpdateinfo(sources(strings.Replace(test.body, "%s", "<updates>", 1)), func(string, rpmfile.NEVRA) bool { return true })
			if !errors.Is(err, test.want) {
				t.Errorf("updateinfo: %v, want %v", err, test.want)
			}
		})
	}
}
