package repomd

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/distbot/distbot/internal/rpmfile"
)

// changelogLimit is how many of the newest changelog entries other.xml gets,
// createrepo_c's default.
const changelogLimit = 10

// File says where an RPM lies in a repository and which bytes it has.
type File struct {
	Href   string // path relative to the repository, such as "Packages/b/bash-5.1-2.x86_64.rpm"
	SHA256 string // lower-case hex, of the whole RPM
	Size   int64  // bytes
	// Time is what stands as the file's time in primary.xml, seconds since
	// 1970: not a modification time, but something that never changes for the
	// RPM, such as when it was built or imported.
	Time int64
}

// RenderFormat is raised when Render, or whoever gives it a File, makes another
// text of the same package. Fragments that are kept, in a Cache or elsewhere,
// are kept together with it and are good for this number only.
const RenderFormat = 1

// Fragments are one package's <package> elements in the three documents of a
// repository, each ending in a newline. They depend on nothing but the RPM's
// bytes and the File given to Render, and do not mention the repository.
type Fragments struct{ Primary, Filelists, Other []byte }

// Render makes the fragments of p, byte for byte those of createrepo_c 0.17.3.
// Where that program would drop the package, because a text holds control
// characters, Render drops the characters from prose (summary, description,
// changelog, …) and returns an error wrapping ErrUnprintable for names. Texts
// of the RPM that are not UTF-8 are taken for Latin-1, as that program does; a
// location that is not UTF-8 would be that of another file, and is an error
// wrapping ErrUnprintable, too.
func Render(p *rpmfile.Package, f File) (Fragments, error) {
	if !utf8.ValidString(f.Href) {
		return Fragments{}, fmt.Errorf("repomd: render %s: location %.200q is not UTF-8: %w", p.NEVRA, f.Href, ErrUnprintable)
	}
	var primary, filelists, other document
	primary.b = make([]byte, 0, 2048+96*(len(p.Requires)+len(p.Provides)))
	renderPrimary(&primary, p, f)
	for _, d := range []*document{&filelists, &other} {
		renderHead(d, p, f)
	}
	renderFiles(&filelists, "  ", p.Files, func(string) bool { return true })
	filelists.raw("</package>\n")
	renderChangelogs(&other, p.Changelogs)
	other.raw("</package>\n")

	for _, d := range []*document{&primary, &filelists, &other} {
		if d.bad != "" {
			return Fragments{}, fmt.Errorf("repomd: render %s: name %.200q: %w", p.NEVRA, d.bad, ErrUnprintable)
		}
	}
	return Fragments{Primary: primary.b, Filelists: filelists.b, Other: other.b}, nil
}

func renderPrimary(d *document, p *rpmfile.Package, f File) {
	d.raw("<package type=\"rpm\">\n  <name>")
	d.b = appendText(d.b, d.name(p.Name))
	d.raw("</name>\n  <arch>")
	d.b = appendText(d.b, d.name(p.Arch))
	d.raw("</arch>\n")
	renderVersion(d, p)
	d.raw("  <checksum type=\"sha256\" pkgid=\"YES\">")
	d.b = appendText(d.b, d.name(f.SHA256))
	d.raw("</checksum>\n")
	d.prose("  ", "summary", p.Summary)
	d.prose("  ", "description", p.Description)
	d.prose("  ", "packager", p.Packager)
	d.prose("  ", "url", p.URL)
	d.raw("  <time")
	d.intAttr("file", f.Time)
	d.intAttr("build", p.BuildTime)
	d.raw("/>\n  <size")
	d.intAttr("package", f.Size)
	d.intAttr("installed", p.InstalledSize)
	d.intAttr("archive", p.ArchiveSize)
	d.raw("/>\n  <location")
	d.attr("href", f.Href)
	d.raw("/>\n  <format>\n")
	renderFormat(d, p)
	d.raw("  </format>\n</package>\n")
}

func renderFormat(d *document, p *rpmfile.Package) {
	d.prose("    ", "rpm:license", p.License)
	d.prose("    ", "rpm:vendor", p.Vendor)
	d.prose("    ", "rpm:group", p.Group)
	d.prose("    ", "rpm:buildhost", p.BuildHost)
	d.prose("    ", "rpm:sourcerpm", p.SourceRPM)
	d.raw("    <rpm:header-range")
	d.intAttr("start", p.HeaderStart)
	d.intAttr("end", p.HeaderEnd)
	d.raw("/>\n")
	requires, recommends := publishableRequires(p)
	for _, kind := range []struct {
		element string
		deps    []rpmfile.Dependency
	}{
		{"rpm:provides", publishable(p.Provides)},
		{"rpm:requires", requires},
		{"rpm:conflicts", publishable(p.Conflicts)},
		{"rpm:obsoletes", publishable(p.Obsoletes)},
		{"rpm:suggests", publishable(p.Suggests)},
		{"rpm:enhances", publishable(p.Enhances)},
		{"rpm:recommends", append(recommends, publishable(p.Recommends)...)},
		{"rpm:supplements", publishable(p.Supplements)},
	} {
		renderDependencies(d, kind.element, kind.deps)
	}
	renderFiles(d, "    ", p.Files, IsPrimary)
}

// renderHead writes the beginning of a package in filelists.xml and other.xml.
func renderHead(d *document, p *rpmfile.Package, f File) {
	d.raw("<package")
	d.attr("pkgid", f.SHA256)
	d.attr("name", p.Name)
	d.attr("arch", p.Arch)
	d.raw(">\n")
	renderVersion(d, p)
}

func renderVersion(d *document, p *rpmfile.Package) {
	d.raw("  <version")
	d.intAttr("epoch", int64(p.Epoch))
	d.attr("ver", p.Version)
	d.attr("rel", p.Release)
	d.raw("/>\n")
}

func renderDependencies(d *document, element string, deps []rpmfile.Dependency) {
	if len(deps) == 0 {
		return
	}
	d.raw("    <")
	d.raw(element)
	d.raw(">\n")
	for _, dep := range deps {
		d.raw("      <rpm:entry")
		d.attr("name", dep.Name)
		if op := dep.Flags.Op(); op != "" {
			d.raw(` flags="` + op + `"`)
			for _, part := range [...]struct{ key, value string }{
				{"epoch", dep.Epoch}, {"ver", dep.Version}, {"rel", dep.Release},
			} {
				if part.value != "" {
					d.attr(part.key, part.value)
				}
			}
		}
		if dep.Pre {
			d.raw(` pre="1"`)
		}
		d.raw("/>\n")
	}
	d.raw("    </")
	d.raw(element)
	d.raw(">\n")
}

func renderFiles(d *document, indent string, files []rpmfile.File, include func(path string) bool) {
	for i := range files {
		f := &files[i]
		if !include(f.Path) {
			continue
		}
		d.raw(indent)
		switch {
		case f.IsDir():
			d.raw(`<file type="dir">`)
		case f.IsGhost():
			d.raw(`<file type="ghost">`)
		default:
			d.raw("<file>")
		}
		d.b = appendText(d.b, d.name(f.Path))
		d.raw("</file>\n")
	}
}

// IsPrimary says whether a file is listed in primary.xml too, so that clients
// resolve requirements of it without the big filelists.xml.
func IsPrimary(path string) bool {
	return strings.HasPrefix(path, "/etc/") || path == "/usr/lib/sendmail" || strings.Contains(path, "bin/")
}

// changelogTimes are the times of entries, the newest first. Those of one time
// are kept apart by adding seconds to the newer ones, as createrepo_c does.
func changelogTimes(logs []rpmfile.Changelog) []int64 {
	times := make([]int64, len(logs))
	for i, entry := range logs {
		times[i] = entry.Time
		if i == 0 || entry.Time != logs[i-1].Time {
			continue
		}
		next := entry.Time
		for j := i - 1; j >= 0 && times[j] == next; j-- {
			times[j]++
			next++
		}
	}
	return times
}

// renderChangelogs writes the newest entries, oldest first.
func renderChangelogs(d *document, logs []rpmfile.Changelog) {
	logs = logs[:min(len(logs), changelogLimit)]
	times := changelogTimes(logs)
	for i := len(logs) - 1; i >= 0; i-- {
		d.raw("  <changelog")
		d.proseAttr("author", trimAuthor(logs[i].Author))
		d.intAttr("date", times[i])
		d.raw(">")
		d.b = appendText(d.b, prose(logs[i].Text))
		d.raw("</changelog>\n")
	}
}

// trimAuthor removes trailing blanks, but never the first character.
func trimAuthor(s string) string {
	if s == "" {
		return s
	}
	return s[:1] + strings.TrimRight(s[1:], " ")
}
