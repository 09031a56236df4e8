package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Detail is one thing that a document says of a package, beyond its name and
// place, in words.
type Detail struct {
	// Kind is provides, requires, conflicts, obsoletes, recommends, suggests,
	// supplements, enhances, "requires before installation" (beside requires),
	// file, changelog, or one of what a package has one of: summary,
	// description, packager, url, license, vendor, group, buildhost, sourcerpm,
	// "build time", "installed size", "archive size", "header range".
	Kind string
	// Text is what is said, such as "libfoo >= 1.2" or "/usr/bin (directory)".
	Text string
}

// Lists says whether a package may have several details of that kind.
func (d Detail) Lists() bool {
	switch d.Kind {
	case "file", "changelog", before:
		return true
	}
	return (&PrimaryPackage{}).list(d.Kind) != nil
}

// before is the kind of requirements that others are installed after.
const before = "requires before installation"

// ReadDetails calls visit for every package of a decompressed primary.xml,
// filelists.xml or other.xml, in document order, with its checksum and what the
// document says of it. A package of more than a million elements is an error;
// other bounds and errors are those of ReadPrimary.
func ReadDetails(r io.Reader, visit func(pkgid string, details []Detail) error) error {
	s := newScanner(r, MaxDocumentBytes)
	inRoot, packages := false, 0
	for {
		e, err := s.next()
		switch {
		case errors.Is(err, io.EOF) && inRoot:
			return nil
		case err != nil:
			return s.fault("read details", err)
		case e != startElement:
			continue
		case !inRoot:
			inRoot = true
			continue
		case string(s.name) != "package":
			return fmt.Errorf("repomd: read details: element %.40q: %w", s.name, ErrMalformed)
		}
		if packages++; packages > maxPackages {
			return fmt.Errorf("repomd: read details: more than %d packages: %w", maxPackages, ErrTooLarge)
		}
		left := maxElements
		p, err := readElement(s, &left)
		if err != nil {
			return s.fault("read details", err)
		}
		pkgid := p.attr("pkgid")
		if pkgid == "" {
			pkgid = p.value("checksum")
		}
		if err := visit(pkgid, p.details()); err != nil {
			return err
		}
	}
}

// details are those of a package element of any of the documents.
func (e *element) details() (all []Detail) {
	add := func(kind, text string) {
		if text != "" {
			all = append(all, Detail{kind, text})
		}
	}
	for _, c := range e.children {
		switch c.name {
		case "summary", "description", "packager", "url":
			add(c.name, c.text)
		case "time":
			add("build time", c.attr("build"))
		case "size":
			add("installed size", c.attr("installed"))
			add("archive size", c.attr("archive"))
		case "format":
			all = append(all, c.format()...)
		case "file":
			add("file", fileText(c.text, c.attr("type")))
		case "changelog":
			add("changelog", changelogText(c.attr("date"), c.attr("author"), c.text))
		}
	}
	return all
}

// format are the details in the <format> of primary.xml.
func (e *element) format() (all []Detail) {
	add := func(kind, text string) {
		if text != "" {
			all = append(all, Detail{kind, text})
		}
	}
	for _, c := range e.children {
		switch c.name {
		case "license", "vendor", "group", "buildhost", "sourcerpm":
			add(c.name, c.text)
		case "header-range":
			add("header range", c.attr("start")+"-"+c.attr("end"))
		case "file":
			add("file", fileText(c.text, c.attr("type")))
		default:
			for _, entry := range c.children {
				text := dependencyText(entry.attr("name"), comparisons[entry.attr("flags")], entry.attr("epoch"), entry.attr("ver"), entry.attr("rel"))
				add(c.name, text)
				if entry.attr("pre") == "1" {
					add(before, text)
				}
			}
		}
	}
	return all
}

func fileText(path, kind string) string {
	switch kind {
	case "":
		return path
	case "dir":
		return path + " (directory)"
	}
	return path + " (" + kind + ")"
}

func changelogText(date, author, text string) string { return date + " " + author + ": " + text }

// dependencyText is NAME, or NAME OP E:V-R; an epoch of 0 is the same as none.
func dependencyText(name string, flags rpmfile.Flags, epoch, version, release string) string {
	op := map[rpmfile.Flags]string{
		rpmfile.FlagLess: "<", rpmfile.FlagGreater: ">", rpmfile.FlagEqual: "=",
		rpmfile.FlagLess | rpmfile.FlagEqual: "<=", rpmfile.FlagGreater | rpmfile.FlagEqual: ">=",
	}[flags&(rpmfile.FlagLess|rpmfile.FlagGreater|rpmfile.FlagEqual)]
	if op == "" || version == "" && release == "" {
		return name
	}
	text := name + " " + op + " "
	if epoch != "" && epoch != "0" {
		text += epoch + ":"
	}
	text += version
	if release != "" {
		text += "-" + release
	}
	return text
}

// DetailsOf are what each document says of a package as Write makes it, by the
// names of the documents: primary, filelists and other.
func DetailsOf(f Fragments) (map[string][]Detail, error) {
	all := map[string][]Detail{}
	for _, doc := range packageDocuments {
		text := io.MultiReader(
			bytes.NewReader(fmt.Appendf(nil, "%s<%s %s packages=\"1\">\n", xmlHeader, doc.root, doc.namespaces)),
			bytes.NewReader(doc.of(f)), strings.NewReader("</"+doc.root+">"))
		err := ReadDetails(text, func(_ string, details []Detail) error {
			all[doc.name] = details
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// maxChangelogs bounds how many entries AllDetails knows: to tell entries of one
// time apart takes the longer the more there are.
const maxChangelogs = 1000

// AllDetails are the dependencies, files and changelog entries of a package as
// its header has them, the thousand newest entries. Documents may leave out some: what the package provides
// itself, what is not in the usual directories, what is old.
func AllDetails(p *rpmfile.Package) (all []Detail) {
	for kind, list := range map[string][]rpmfile.Dependency{
		"provides": p.Provides, "requires": p.Requires, "conflicts": p.Conflicts, "obsoletes": p.Obsoletes,
		"recommends": p.Recommends, "suggests": p.Suggests, "supplements": p.Supplements, "enhances": p.Enhances,
	} {
		for _, d := range list {
			text := dependencyText(toUTF8(d.Name), d.Flags, d.Epoch, toUTF8(d.Version), toUTF8(d.Release))
			all = append(all, Detail{kind, text})
			if kind == "requires" && d.Pre {
				all = append(all, Detail{before, text})
			}
		}
	}
	for i := range p.Files {
		kind := ""
		switch f := &p.Files[i]; {
		case f.IsDir():
			kind = "dir"
		case f.IsGhost():
			kind = "ghost"
		}
		all = append(all, Detail{"file", fileText(toUTF8(p.Files[i].Path), kind)})
	}
	logs := p.Changelogs[:min(len(p.Changelogs), maxChangelogs)]
	times := changelogTimes(logs)
	for i, entry := range logs {
		all = append(all, Detail{"changelog", changelogText(fmt.Sprint(times[i]), prose(trimAuthor(entry.Author)), prose(entry.Text))})
	}
	return all
}
