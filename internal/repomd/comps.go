package repomd

import (
	"encoding/xml"
	"fmt"
	"io"
)

// maxCompsBytes bounds comps.xml, which is held in memory whole.
const maxCompsBytes = 64 << 20

// PackageType says how a package belongs to a group.
type PackageType string

// The package types of comps.xml.
const (
	Mandatory   PackageType = "mandatory"
	Default     PackageType = "default"
	Optional    PackageType = "optional"
	Conditional PackageType = "conditional" // only with the package in Requires
)

// Group is one package group of comps.xml.
type Group struct {
	ID          string
	Name        string
	Description string
	Default     bool // part of a default installation
	UserVisible bool
	Packages    []GroupPackage
}

// GroupPackage is one package of a group.
type GroupPackage struct {
	Name     string
	Type     PackageType
	Requires string // of a Conditional package, else empty
}

// Comps is the text of a comps.xml with the given groups, in their order. The
// error wraps ErrUnprintable for names XML cannot express.
func Comps(groups []Group) ([]byte, error) {
	var d document
	d.raw(xmlHeader + `<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">` + "\n<comps>\n")
	for _, g := range groups {
		d.raw("  <group>\n    <id>")
		d.b = appendText(d.b, d.name(g.ID))
		d.raw("</id>\n")
		d.prose("    ", "name", g.Name)
		d.prose("    ", "description", g.Description)
		fmt.Fprintf(&d, "    <default>%t</default>\n    <uservisible>%t</uservisible>\n    <packagelist>\n", g.Default, g.UserVisible)
		for _, p := range g.Packages {
			d.raw("      <packagereq")
			d.attr("type", string(p.Type))
			if p.Requires != "" {
				d.attr("requires", p.Requires)
			}
			d.raw(">")
			d.b = appendText(d.b, d.name(p.Name))
			d.raw("</packagereq>\n")
		}
		d.raw("    </packagelist>\n  </group>\n")
	}
	d.raw("</comps>\n")
	if d.bad != "" {
		return nil, fmt.Errorf("repomd: write comps.xml: name %.200q: %w", d.bad, ErrUnprintable)
	}
	return d.b, nil
}

// ReadComps reads the groups of a comps.xml of at most 64 MiB and 262,144
// elements; translations, categories and environments are passed over. A group
// without id, a package without name, and an unknown type are errors; a missing
// type is Mandatory, as yum and dnf read it. The error wraps ErrMalformed or
// ErrTooLarge, or is that of r.
func ReadComps(r io.Reader) ([]Group, error) {
	type text struct {
		Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		Text string `xml:",chardata"`
	}
	var doc struct {
		XMLName xml.Name `xml:"comps"`
		Groups  []struct {
			ID          string `xml:"id"`
			Name        []text `xml:"name"`
			Description []text `xml:"description"`
			Default     string `xml:"default"`
			UserVisible string `xml:"uservisible"`
			Packages    []struct {
				Name     string `xml:",chardata"`
				Type     string `xml:"type,attr"`
				Requires string `xml:"requires,attr"`
			} `xml:"packagelist>packagereq"`
		} `xml:"group"`
	}
	if err := decode("read comps.xml", r, maxCompsBytes, &doc); err != nil {
		return nil, err
	}
	untranslated := func(texts []text) string {
		for _, t := range texts {
			if t.Lang == "" {
				return t.Text
			}
		}
		return ""
	}
	var groups []Group
	for _, g := range doc.Groups {
		group := Group{
			ID: g.ID, Name: untranslated(g.Name), Description: untranslated(g.Description),
			Default: g.Default == "true", UserVisible: g.UserVisible != "false",
		}
		if group.ID == "" {
			return nil, fmt.Errorf("repomd: read comps.xml: group %.80q without id: %w", group.Name, ErrMalformed)
		}
		for _, p := range g.Packages {
			req := GroupPackage{Name: p.Name, Type: PackageType(p.Type), Requires: p.Requires}
			switch req.Type {
			case "":
				req.Type = Mandatory
			case Mandatory, Default, Optional, Conditional:
			default:
				return nil, fmt.Errorf("repomd: read comps.xml: group %.80q: type %.40q of %.80q: %w", group.ID, p.Type, p.Name, ErrMalformed)
			}
			if req.Name == "" {
				return nil, fmt.Errorf("repomd: read comps.xml: group %.80q: package without name: %w", group.ID, ErrMalformed)
			}
			group.Packages = append(group.Packages, req)
		}
		groups = append(groups, group)
	}
	return groups, nil
}
