package slim

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/directory"
	"github.com/distbot/distbot/repopublish/moduletest"
	"github.com/distbot/distbot/repopublish/snapshot"
)

const comps = `<comps>
<group><id>tools</id><name>Tools</name><uservisible>true</uservisible><packagelist>
<packagereq type="mandatory">other</packagereq><packagereq type="mandatory">demo-extra</packagereq><packagereq type="default">elsewhere</packagereq></packagelist></group>
<group><id>games</id><name>Games</name><uservisible>true</uservisible><packagelist><packagereq type="mandatory">demo-extra</packagereq></packagelist></group>
<environment><id>workstation</id><name>Workstation</name><grouplist><groupid>tools</groupid><groupid>games</groupid></grouplist></environment>
</comps>`

// update is an advisory with one package.
func update(id, kind, module, name, version, release string) string {
	return `<update from="a@b" status="final" type="` + kind + `" version="1"><id>` + id + `</id><title>` + id + `</title><issued date="2026-01-01 00:00:00"/><severity>Low</severity><description>d</description>` +
		`<pkglist><collection short="c"><name>c</name>` + module + `<package name="` + name + `" version="` + version + `" release="` + release + `" epoch="0" arch="x86_64" src="s.src.rpm">` +
		`<filename>` + name + `-` + version + `-` + release + `.x86_64.rpm</filename></package></collection></pkglist></update>`
}

// writeWith makes a repository of the vectors with further documents.
func writeWith(t *testing.T, v moduletest.Vectors, repo, comps, updateinfo string) string {
	t.Helper()
	dir := v.Write(t, repo)
	opts := directory.Options{Dir: dir}
	if comps != "" {
		opts.Comps = []byte(comps)
	}
	if updateinfo != "" {
		opts.Updateinfo = []byte(updateinfo)
	}
	if _, err := directory.Create(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openAll opens a repository with all its documents.
func openAll(t *testing.T, name, dir string) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.Open(t.Context(), snapshot.Source{Name: name, Location: dir}, snapshot.Options{All: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestGroupsAndAdvisories(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	one := `<module name="demo" stream="1" version="8000020200101000000" context="aaaa1111" arch="x86_64"/>`
	updates := "<updates>" +
		update("OLDER", "security", "", "other", "0.9", "1.el8") +
		update("SAME", "bugfix", "", "other", "1.0", "1.el8") +
		update("LATER", "security", "", "other", "1.1", "1.el8") +
		update("ABSENT", "security", "", "demo-extra", "3.0", "1.el8") +
		update("STREAM", "security", one, "demo", "1.0", "1.module+el8+1+aaaa") +
		update("OTHER-STREAM", "security", strings.Replace(one, `stream="1"`, `stream="2"`, 1), "demo", "1.0", "1.module+el8+1+aaaa") +
		update("NO-STREAM", "security", "", "demo", "1.0", "1.module+el8+1+aaaa") + "</updates>"
	base, full := openAll(t, "base", writeWith(t, v, "base", comps, updates)), openAll(t, "full", writeWith(t, v, "full", "", updates))
	make := func(t *testing.T, opts Options) (string, Report) {
		t.Helper()
		opts.Out, opts.Packages = filepath.Join(t.TempDir(), "slim"), append(demo(), "other")
		r, err := Make(t.Context(), []*snapshot.Snapshot{base, full}, opts)
		if err != nil {
			t.Fatal(err)
		}
		return opts.Out, r
	}
	out, r := make(t, Options{})
	if diff := cmp.Diff([]string{"tools"}, r.Groups); diff != "" {
		t.Errorf("groups (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"OLDER", "SAME", "STREAM"}, r.Advisories); diff != "" {
		t.Errorf("advisories (-want +got)\n%s", diff)
	}
	t.Run("dnf installs what is left of a group", func(t *testing.T) {
		t.Parallel()
		client := moduletest.NewClient(t)
		for _, step := range []struct{ args, want, not string }{
			{"group list --ids", "tools", "games"},
			{"group install tools", "other-1.0-1.el8.x86_64", "No match for group package"},
		} {
			rc, text := client.DNF(t, []string{"slim," + out}, strings.Fields(step.args)...)
			if rc != 0 || !strings.Contains(text, step.want) || strings.Contains(text, step.not) {
				t.Errorf("%s: exit code %d\n%s", step.args, rc, text)
			}
		}
		if diff := cmp.Diff([]string{"other-1.0-1.el8.x86_64 | (none)"}, client.Installed(t)); diff != "" {
			t.Errorf("installed (-want +got)\n%s", diff)
		}
	})
	t.Run("dnf knows the updates", func(t *testing.T) {
		t.Parallel()
		client := moduletest.NewClient(t)
		if rc, text := client.DNF(t, []string{"slim," + out}, "install", "demo", "other"); rc != 0 {
			t.Fatal(text)
		}
		rc, text := client.DNF(t, []string{"slim," + out}, "-q", "updateinfo", "list", "--installed")
		var got []string
		for _, line := range squeeze(text) {
			if strings.Contains(line, ".x86_64") {
				got = append(got, line)
			}
		}
		want := []string{"OLDER Low/Sec. other-0.9-1.el8.x86_64", "SAME bugfix other-1.0-1.el8.x86_64", "STREAM Low/Sec. demo-1.0-1.module+el8+1+aaaa.x86_64"}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); rc != 0 || diff != "" {
			t.Errorf("exit code %d (-want +got)\n%s\n%s", rc, diff, text)
		}
		made := openAll(t, "slim", out)
		document, err := made.Document("updateinfo")
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(document)
		if err != nil {
			t.Fatal(err)
		}
		// They were in both sources.
		if n := strings.Count(string(content), "<package "); n != 3 {
			t.Errorf("%d packages in\n%s", n, content)
		}
	})
	t.Run("they can be left out", func(t *testing.T) {
		t.Parallel()
		out, r := make(t, Options{Drop: []string{"group", "updateinfo"}})
		made := openAll(t, "slim", out)
		if made.Has("group") || made.Has("updateinfo") || len(r.Groups)+len(r.Advisories) > 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("packages of external repositories stay in groups", func(t *testing.T) {
		t.Parallel()
		out, _ := make(t, Options{Externals: []*snapshot.Snapshot{open(t, "base2", v.Write(t, "base2"))}})
		document, err := openAll(t, "slim", out).Document("group")
		if err != nil {
			t.Fatal(err)
		}
		groups, err := repomd.ReadComps(document)
		if err != nil || len(groups) != 1 || len(groups[0].Packages) != 2 || groups[0].Packages[1].Name != "demo-extra" {
			t.Errorf("%+v, %v", groups, err)
		}
	})
	t.Run("those that can't be read are refused, and told how to get on", func(t *testing.T) {
		t.Parallel()
		broken := openAll(t, "broken", writeWith(t, v, "base2", "<comps><group/></comps>", ""))
		opts := Options{Packages: []string{"other"}, Out: filepath.Join(t.TempDir(), "slim")}
		_, err := Make(t.Context(), []*snapshot.Snapshot{broken}, opts)
		if !errors.Is(err, repomd.ErrMalformed) || !strings.Contains(err.Error(), "broken: ") || !strings.Contains(err.Error(), "--drop group") {
			t.Errorf("got %v", err)
		}
		opts.Drop = []string{"group"}
		if _, err := Make(t.Context(), []*snapshot.Snapshot{broken}, opts); err != nil {
			t.Error(err)
		}
	})
}
