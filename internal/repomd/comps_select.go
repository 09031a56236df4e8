package repomd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// SelectComps unites the comps.xml documents of several repositories into one
// for a repository that has only some of their packages, and returns it with
// the ids of its groups; nil where no group is left.
//
// Groups lose the packages that there denies, and go when none is left that here
// knows: there are packages that clients can install, here those of this
// repository. Categories and environments lose the groups that went, and go with
// the last; groups that no document describes are another repository's, and stay
// named. Of groups, categories and environments with one id the first counts,
// with the packages and groups of all, as libcomps unites those of several
// repositories. All else stays as it is.
//
// Bounds and errors are those of ReadComps.
func SelectComps(documents []Source, there, here func(name string) bool) (text []byte, groups []string, err error) {
	var all []*element
	left := maxElements
	for _, r := range documents {
		if all, err = readCompsElements(r, all, &left); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	gone := map[string]bool{}
	all = slices.DeleteFunc(all, func(e *element) bool {
		if e.name != "group" {
			return false
		}
		if !selectGroup(e, there, here) {
			gone[e.value("id")] = true
			return true
		}
		groups = append(groups, e.value("id"))
		return false
	})
	if len(groups) == 0 {
		return nil, nil, nil
	}
	var d document
	d.raw(xmlHeader + `<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">` + "\n<comps>\n")
	for _, e := range all {
		if e.name == "category" || e.name == "environment" {
			if loseGroups(e, gone) {
				continue
			}
		}
		d.element("  ", e)
	}
	d.raw("</comps>\n")
	return d.b, groups, nil
}

// readCompsElements adds the children of <comps> to those of other documents.
func readCompsElements(r io.Reader, all []*element, left *int) ([]*element, error) {
	s := newScanner(r, maxCompsBytes)
	inRoot := false
	for {
		e, err := s.next()
		switch {
		case errors.Is(err, io.EOF) && inRoot:
			return all, nil
		case err != nil:
			return nil, s.fault("read comps.xml", err)
		case e != startElement:
		case !inRoot && string(s.name) != "comps":
			return nil, fmt.Errorf("repomd: read comps.xml: root element %.40q: %w", s.name, ErrMalformed)
		case !inRoot:
			inRoot = true
		default:
			child, err := readElement(s, left)
			if err != nil {
				return nil, s.fault("read comps.xml", err)
			}
			if all, err = uniteComps(all, child); err != nil {
				return nil, err
			}
		}
	}
}

// uniteComps adds a child of <comps>.
func uniteComps(all []*element, added *element) ([]*element, error) {
	id := added.value("id")
	switch added.name {
	case "group", "category", "environment":
		if id == "" {
			return nil, fmt.Errorf("repomd: read comps.xml: %s %.80q without id: %w", added.name, added.value("name"), ErrMalformed)
		}
	default: // lists such as langpacks
		if i := slices.IndexFunc(all, func(e *element) bool { return e.name == added.name }); i >= 0 {
			uniteList(all[i], added)
			return all, nil
		}
		return append(all, added), nil
	}
	i := slices.IndexFunc(all, func(e *element) bool { return e.name == added.name && e.value("id") == id })
	if i < 0 {
		return append(all, added), nil
	}
	for _, list := range []string{"packagelist", "grouplist", "optionlist"} {
		switch into, from := all[i].child(list), added.child(list); {
		case from == nil:
		case into == nil:
			all[i].children = append(all[i].children, from)
		default:
			uniteList(into, from)
		}
	}
	return all, nil
}

// uniteList adds the entries of a list that another lacks.
func uniteList(into, from *element) {
	key := func(e *element) string {
		if e.text != "" {
			return e.name + " " + strings.TrimSpace(e.text)
		}
		return fmt.Sprint(e.name, e.attrs)
	}
	have := map[string]bool{}
	for _, e := range into.children {
		have[key(e)] = true
	}
	for _, e := range from.children {
		if !have[key(e)] {
			into.children = append(into.children, e)
		}
	}
}

// selectGroup takes out of a group what is not there, and says whether a
// package is left that is here.
func selectGroup(group *element, there, here func(string) bool) (left bool) {
	list := group.child("packagelist")
	if list == nil {
		return false
	}
	list.remove(func(e *element) bool {
		name := strings.TrimSpace(e.text)
		if e.name != "packagereq" || here(name) {
			left = left || e.name == "packagereq"
			return false
		}
		return !there(name)
	})
	return left
}

// loseGroups takes groups out of a category or environment, and says whether
// the last one went.
func loseGroups(e *element, gone map[string]bool) (empty bool) {
	lost, left := false, 0
	for _, list := range e.children {
		if list.name != "grouplist" && list.name != "optionlist" {
			continue
		}
		lost = list.remove(func(g *element) bool { return gone[strings.TrimSpace(g.text)] }) || lost
		left += len(list.children)
	}
	return lost && left == 0
}
