package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/distbot/distbot/internal/tagview"
)

const (
	// groupRows is how many groups a page lists.
	groupRows = 25
	// groupPackagesShown is how many packages of a group are listed among other
	// groups, groupPackagesAlone how many on the group's own page.
	groupPackagesShown, groupPackagesAlone = 100, 5000
)

// listTagGroups reads the groups of a tag that a question asks for: group is one
// group alone, inherit 0 leaves out what is not the tag's own. Blocked ones are
// among them.
func (s *server) listTagGroups(ctx context.Context, head tagHead, q *query) ([]tagview.Group, error) {
	group, inherit := q.text("group"), q.oneOf("inherit", []string{"0", "1"})
	if q.err != nil {
		return nil, q.err
	}
	release, err := s.wholeList(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	groups, err := head.tags.AllGroups(ctx, head.ID, orEmpty(inherit) != "0")
	if err != nil || group == nil {
		return groups, err
	}
	return slices.DeleteFunc(groups, func(g tagview.Group) bool { return g.Name != *group }), nil
}

// groupBox is a group as its tag's page shows it.
type groupBox struct {
	tagview.Group
	// Listed is how many packages it has that are not blocked, More how many of
	// all are not shown.
	Listed, More, MoreRequires int
	// URL is the page of the group alone.
	URL string
}

// tagGroupsView is what the page of a tag's groups shows.
type tagGroupsView struct {
	tagHead
	listPart
	Groups              []groupBox
	GroupAsked, Inherit string
	// Open tells that there are few enough to show what is in them.
	Open bool
}

// tagGroups is the page of a tag's comps groups.
func (s *server) tagGroups(r *http.Request) (*view, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "groups")
	if err != nil {
		return nil, err
	}
	data := tagGroupsView{tagHead: head, GroupAsked: orEmpty(q.text("group")), Inherit: orEmpty(q.text("inherit"))}
	start := q.start()
	groups, err := s.listTagGroups(r.Context(), head, q)
	if err != nil {
		return nil, err
	}
	shown := groupPackagesShown
	if data.GroupAsked != "" {
		shown = groupPackagesAlone
	}
	groups, data.listPart = partOf(groups, start, groupRows, head.Path(), q.values)
	for _, group := range groups {
		data.Groups = append(data.Groups, boxOf(group, shown, older(head.Path(), without(q.values, "start"), "group", group.Name)))
	}
	data.Open = len(data.Groups) <= 4
	return head.view("tag_groups", data), nil
}

// boxOf is a group with at most so many of what is in it.
func boxOf(group tagview.Group, shown int, address string) groupBox {
	box := groupBox{Group: group, URL: address, More: max(len(group.Packages)-shown, 0), MoreRequires: max(len(group.Requires)-shown, 0)}
	for _, p := range group.Packages {
		if !p.Blocked {
			box.Listed++
		}
	}
	box.Packages = group.Packages[:len(group.Packages)-box.More]
	box.Requires = group.Requires[:len(group.Requires)-box.MoreRequires]
	return box
}
