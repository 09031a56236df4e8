package web

import (
	"net/http"

	"github.com/distbot/distbot/internal/tagview"
)

// stepsShown is how many steps of a walk a page shows.
const stepsShown = 500

// tagNode is a step of a walk in the tree of all steps.
type tagNode struct {
	tagview.Step
	// Name is the tag that the step leads to.
	Name, URL string
	// Again is true when an earlier step led to the tag, too.
	Again    bool
	Children []*tagNode
}

// Flags are the letters of Koji's list-tag-inheritance: maxdepth, pkg_filter,
// intransitive, noconfig.
func (n *tagNode) Flags() string {
	flags := []byte("....")
	for i, set := range []bool{n.MaxDepth != nil, n.PkgFilter != "", n.Intransitive, n.NoConfig} {
		if set {
			flags[i] = "MFIN"[i]
		}
	}
	return string(flags)
}

// Ends tells that nothing behind the tag is reached by this way.
func (n *tagNode) Ends() bool { return n.NextDepth != nil && *n.NextDepth < 1 }

// tagTree makes a tree of a walk up, or down for reverse. Steps come after those
// that led to them.
func tagTree(at asOf, steps []tagview.Step, reverse bool) []*tagNode {
	nodes, roots, seen := make([]*tagNode, len(steps)), []*tagNode(nil), map[string]bool{}
	for i, step := range steps {
		name := step.Parent
		if reverse {
			name = step.Child
		}
		node := &tagNode{Step: step, Name: name, URL: at.TagURL(name), Again: seen[name]}
		nodes[i], seen[name] = node, true
		if step.Before < 0 {
			roots = append(roots, node)
			continue
		}
		nodes[step.Before].Children = append(nodes[step.Before].Children, node)
	}
	return roots
}

// tagInheritanceView is what the page of a tag's inheritance shows.
type tagInheritanceView struct {
	tagHead
	Up, Down         []*tagNode
	MoreUp, MoreDown int
}

// tagInheritance is the page of whom a tag inherits from, and who from it.
func (s *server) tagInheritance(r *http.Request) (*view, error) {
	head, err := s.tagHead(r, queryOf(r), "inheritance")
	if err != nil {
		return nil, err
	}
	up, err := head.tags.Inheritance(r.Context(), head.ID)
	if err != nil {
		return nil, err
	}
	down, err := head.tags.Descendants(r.Context(), head.ID)
	if err != nil {
		return nil, err
	}
	data := tagInheritanceView{tagHead: head, MoreUp: max(len(up)-stepsShown, 0), MoreDown: max(len(down)-stepsShown, 0)}
	data.Up = tagTree(head.asOf, up[:len(up)-data.MoreUp], false)
	data.Down = tagTree(head.asOf, down[:len(down)-data.MoreDown], true)
	return head.view("tag_inheritance", data), nil
}
