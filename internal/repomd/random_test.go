package repomd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// randomPackages is how many subpackages the random specs have together.
const randomPackages = 300

// TestRandomPackagesEqualCreaterepo builds several hundred packages with
// rpmbuild, each with a random choice of everything a spec can say, and compares
// every element with createrepo_c's, byte for byte.
func TestRandomPackagesEqualCreaterepo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(37, 4))
	const specs = 3
	for i := range specs {
		spec := randomSpec(random, fmt.Sprintf("random%d", i), randomPackages/specs)
		for _, path := range rpmtest.Build(t, "x86_64", spec, map[string]string{"source.txt": "x\n"}, "--define", "_binary_payload w1.gzdio") {
			if err := os.Rename(path, filepath.Join(dir, filepath.Base(path))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 100 {
		raw := randomPack(t, random, i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("packed%d-1-1.noarch.rpm", i)), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	createrepo(t, dir)
	entries := render(t, dir)
	if want := randomPackages + specs + 100; len(entries) < want {
		t.Fatalf("%d packages to compare, want %d", len(entries), want)
	}
	compareFragments(t, dir, entries)
	comparePrimary(t, dir, entries)
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// randomSpec is a spec with n subpackages.
func randomSpec(random *rand.Rand, name string, n int) string {
	var head, files, build strings.Builder
	fmt.Fprintf(&head, "Name: %s\nVersion: 1\nRelease: 1\nSummary: Random\nLicense: MIT\nSource0: source.txt\n%%description\nText.\n", name)
	build.WriteString("%install\nmkdir -p %{buildroot}\n")
	for i := range n {
		sub := fmt.Sprintf("s%d", i)
		fmt.Fprintf(&head, "\n%%package %s\nSummary: %s\n", sub, randomText(random))
		randomTags(random, &head)
		fmt.Fprintf(&head, "%%description %s\n%s\n%s\n", sub, randomText(random), randomText(random))
		for _, section := range []string{"pre", "post", "preun", "posttrans"} {
			if random.IntN(6) == 0 {
				fmt.Fprintf(&head, "%%%s %s%s\n:\n", section, pick(random, "", "-p /bin/bash "), sub)
			}
		}
		fmt.Fprintf(&files, "%%files %s\n", sub)
		randomFiles(random, &build, &files, name+"-"+sub)
	}
	return head.String() + build.String() + files.String() + randomChangelog(random)
}

func randomText(random *rand.Rand) string {
	words := []string{"plain", "<tag>", "&amp;", "\"quoted\"", "it's", "é", "漢字", "𝄞", "a  b", "]]>", "%%", "tab\there", "\u00a0", "-", "~", "end."}
	var text []string
	for range 1 + random.IntN(6) {
		text = append(text, pick(random, words...))
	}
	return strings.Join(text, " ")
}

func randomVersion(random *rand.Rand) string {
	return pick(random, "", "0:", "3:", "17:") + pick(random, "1", "1.2", "2.0~rc1", "2.0^git1", "1~beta^2", "10_3", "1.0.0+x") + pick(random, "", "-1", "-2.fc37", "-0.1~x", "-1^a")
}

func randomTags(random *rand.Rand, b *strings.Builder) {
	if random.IntN(3) == 0 {
		fmt.Fprintf(b, "Epoch: %d\n", random.IntN(20))
	}
	if random.IntN(2) == 0 {
		fmt.Fprintf(b, "Version: %s\nRelease: %s\n", pick(random, "1", "2.0~rc1", "3^git", "0.1~a^b"), pick(random, "1", "2.fc37", "3.module+el8+1+aaaa", "0.1~x"))
	}
	if random.IntN(4) == 0 {
		b.WriteString("BuildArch: noarch\n")
	}
	for _, line := range []string{
		"URL: https://example.org/?a=1&b=2", "Group: A & B", "License: GPLv2+ and (MIT or \"x\")", "ModularityLabel: nodejs:10:20180101:abcd1234",
	} {
		if random.IntN(3) == 0 {
			b.WriteString(line + "\n")
		}
	}
	dependency := func(condition string) string {
		name := pick(random, "foo", "bar-devel", "libx.so.1()(64bit)", "libc.so.6(GLIBC_2.4)(64bit)", "perl(A::B)", "/usr/bin/sh", "config(foo)", "font(:lang=en)", "pkgconfig(x)")
		if random.IntN(4) == 0 {
			return fmt.Sprintf("(%s %s %s >= %s)", pick(random, "a", "b", "(c or d)"), pick(random, condition, "and", "or"), pick(random, "x", "y"), randomVersion(random))
		}
		if strings.HasPrefix(name, "/") || random.IntN(2) == 0 {
			return name
		}
		return name + " " + pick(random, "<", "<=", "=", ">=", ">") + " " + randomVersion(random)
	}
	for _, tag := range []string{
		"Requires", "Requires(pre)", "Requires(post)", "Requires(postun)", "Requires(meta)", "Provides", "Conflicts", "Obsoletes",
		"Recommends", "Suggests", "Supplements", "Enhances",
	} {
		for range max(0, random.IntN(5)-1) {
			switch tag {
			case "Provides":
				fmt.Fprintf(b, "%s: %s%s\n", tag, pick(random, "virtual", "virt2", "x(y)"), pick(random, "", " = "+randomVersion(random)))
				continue
			case "Obsoletes":
				fmt.Fprintf(b, "%s: %s%s\n", tag, pick(random, "old", "older"), pick(random, "", " < "+randomVersion(random)))
				continue
			}
			condition := "if" // what rpm allows in this tag
			if tag == "Conflicts" || tag == "Supplements" || tag == "Enhances" {
				condition = "unless"
			}
			fmt.Fprintf(b, "%s: %s\n", tag, dependency(condition))
		}
	}
}

func randomFiles(random *rand.Rand, build, files *strings.Builder, name string) {
	for i := range random.IntN(8) {
		dir := pick(random, "/usr/bin", "/usr/sbin", "/etc", "/etc/sub", "/usr/share/x", "/usr/lib/sendmail.d", "/opt/robin", "/var/lib/<&>")
		path := fmt.Sprintf("%s/%s-%d%s", dir, name, i, pick(random, "", ".conf", "é", "漢", "&amp", "'q'"))
		fmt.Fprintf(build, "mkdir -p \"%%{buildroot}%s\"\n", dir)
		switch kind := random.IntN(7); kind {
		case 0:
			fmt.Fprintf(files, "%%ghost \"%s\"\n", path)
			fmt.Fprintf(build, "echo > \"%%{buildroot}%s\"\n", path)
		case 1:
			fmt.Fprintf(files, "%%dir \"%s\"\n", path)
			fmt.Fprintf(build, "mkdir \"%%{buildroot}%s\"\n", path)
		case 2:
			fmt.Fprintf(files, "\"%s\"\n", path)
			fmt.Fprintf(build, "ln -s target \"%%{buildroot}%s\"\n", path)
		default:
			fmt.Fprintf(files, "%s\"%s\"\n", pick(random, "", "%config ", "%config(noreplace) ", "%attr(0600,root,root) ", "%license ", "%doc "), path)
			fmt.Fprintf(build, "echo %d > \"%%{buildroot}%s\"\n", kind, path)
		}
	}
	if random.IntN(100) == 0 {
		fmt.Fprintf(files, "/usr/share/huge/%s\n", name)
		fmt.Fprintf(build, "mkdir -p %%{buildroot}/usr/share/huge/%s; (cd %%{buildroot}/usr/share/huge/%s; seq 8000 | xargs touch)\n", name, name)
	}
}

func randomChangelog(random *rand.Rand) string {
	var b strings.Builder
	b.WriteString("%changelog\n")
	day := time.Date(2023, 6, 1, 0, 0, 0, 0, time.UTC)
	for range 5 + random.IntN(20) {
		fmt.Fprintf(&b, "* %s Jane \"<&>\" Doe <jane@example.org> - 1-1\n- %s\n- 100%%%% of it\n\n", day.Format("Mon Jan 02 2006"), randomText(random))
		day = day.AddDate(0, 0, -random.IntN(3))
	}
	return b.String()
}

// randomPack is a package with texts that rpmbuild would refuse.
func randomPack(t *testing.T, random *rand.Rand, i int) []byte {
	t.Helper()
	text := func() string {
		b := make([]byte, random.IntN(30))
		for i := range b {
			b[i] = pick(random, byte('a'), ' ', '<', '&', '"', 0xe9, 0x80, 0xc3, '\n', '\t', '\r', 0xff, 'Z')
		}
		return "t" + string(b)
	}
	return rpmtest.Pack(t, rpmpack.RPMMetaData{Name: fmt.Sprintf("packed%d", i), Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
		for _, tag := range []int{1004, 1005, 1011, 1014, 1015, 1016, 1020} {
			r.AddCustomTag(tag, rpmpack.EntryString(text()))
		}
		var names, versions []string
		var flags []uint32
		for range random.IntN(12) {
			names, versions = append(names, pick(random, text(), "same", "libc.so.6(GLIBC_2.4)", "rpmlib(X)")), append(versions, pick(random, "", "1-1", "2:", ":3-4-5", text()))
			flags = append(flags, pick(random, uint32(0), 2, 4, 8, 10, 12, 64, 512, 1<<9|8, 1<<24, 1<<19, 1<<8))
		}
		for _, tag := range [][3]int{{1047, 1112, 1113}, {1049, 1048, 1050}, {1054, 1053, 1055}, {1090, 1114, 1115}, {5046, 5048, 5047}, {5049, 5051, 5050}} {
			if len(names) > 0 && random.IntN(2) == 0 {
				r.AddCustomTag(tag[0], rpmpack.EntryStringSlice(names))
				r.AddCustomTag(tag[1], rpmpack.EntryUint32(flags))
				r.AddCustomTag(tag[2], rpmpack.EntryStringSlice(versions))
			}
		}
		var times []uint32
		var authors, texts []string
		for range 1 + random.IntN(15) {
			times, authors, texts = append(times, uint32(1000-random.IntN(5))), append(authors, text()), append(texts, text())
		}
		r.AddCustomTag(1080, rpmpack.EntryUint32(times))
		r.AddCustomTag(1081, rpmpack.EntryStringSlice(authors))
		r.AddCustomTag(1082, rpmpack.EntryStringSlice(texts))
	})
}
