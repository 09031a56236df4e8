package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
)

// candidatesShown is how many builds of a package an explanation lists.
const candidatesShown = 200

// verdict is the answer of an explanation in one line.
type verdict struct {
	// Class is of the style: ok, idle for what is there and does not count, bad.
	Class, Text string
}

// verdictOf says whether what was asked for is in the tag.
func verdictOf(x tagview.Explanation) verdict {
	switch {
	case x.Build != nil && x.Latest:
		return verdict{"ok", x.Build.NVR + " is in " + x.Tag + "."}
	case x.Build != nil && x.Tagged:
		return verdict{"idle", x.Build.NVR + " is tagged, but is not the latest in " + x.Tag + "."}
	case x.Build != nil:
		return verdict{"bad", x.Build.NVR + " is not in " + x.Tag + "."}
	case x.Tagged:
		return verdict{"ok", x.Package + " is in " + x.Tag + "."}
	case x.Listed:
		return verdict{"idle", x.Package + " may be in " + x.Tag + ", but has no build there."}
	}
	return verdict{"bad", x.Package + " is not in " + x.Tag + "."}
}

// candidateLine is a build that might be in the tag.
type candidateLine struct {
	tagview.Candidate
	// Fate is winner, outdone or uncounted.
	Fate string
}

// explainNode is a tag in the tree of the walk.
type explainNode struct {
	tagview.ExplainedTag
	URL      string
	Children []*explainNode
}

// explainView is what the page of an explanation shows.
type explainView struct {
	tagHead
	Subject string
	// Unknown says that there is no package or build of that name, Suggestion is
	// the package that is perhaps meant.
	Unknown    bool
	Suggestion string
	// Explanation is nil until something is asked for.
	*tagview.Explanation
	Verdict                  verdict
	Candidates               []candidateLine
	MoreCandidates, MoreTags int
	Root                     *explainNode
}

// tagExplain is the page that says why a package or build is in a tag or not.
func (s *server) tagExplain(r *http.Request) (*view, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "explain")
	if err != nil {
		return nil, err
	}
	subject := q.text("subject")
	if q.err != nil {
		return nil, q.err
	}
	data := explainView{tagHead: head, Subject: orEmpty(subject)}
	v := head.view("tag_explain", &data)
	if subject == nil {
		return v, nil
	}
	v.Title = "Why " + data.Subject + " in " + head.Name
	explanation, err := head.tags.Explain(r.Context(), head.Name, *subject)
	if errors.Is(err, tagview.ErrNoSubject) {
		v.status, data.Unknown = http.StatusNotFound, true
		data.Suggestion, err = s.packageOf(r.Context(), *subject)
		return v, err
	}
	if err != nil {
		return nil, err
	}
	data.explain(explanation)
	return v, nil
}

// explain fills in what the page shows of an explanation.
func (v *explainView) explain(x tagview.Explanation) {
	v.Explanation, v.Verdict = &x, verdictOf(x)
	v.MoreCandidates = max(len(x.Builds)-candidatesShown, 0)
	for _, candidate := range x.Builds[:len(x.Builds)-v.MoreCandidates] {
		line := candidateLine{Candidate: candidate, Fate: "outdone"}
		switch {
		case candidate.Wins:
			line.Fate = "winner"
		case !candidate.Counts:
			line.Fate = "uncounted"
		}
		v.Candidates = append(v.Candidates, line)
	}
	v.MoreTags = max(len(x.Tags)-stepsShown, 0)
	v.Root = explainTree(v.asOf, x.Tags[:len(x.Tags)-v.MoreTags])
}

// explainTree makes a tree of the tags of a walk, of which the first is its
// start; a step's Before counts from the second.
func explainTree(at asOf, tags []tagview.ExplainedTag) *explainNode {
	nodes := make([]*explainNode, len(tags))
	for i, tag := range tags {
		nodes[i] = &explainNode{ExplainedTag: tag, URL: at.TagURL(tag.Tag)}
		if tag.Step != nil {
			before := nodes[tag.Step.Before+1]
			before.Children = append(before.Children, nodes[i])
		}
	}
	if len(nodes) == 0 {
		return nil
	}
	return nodes[0]
}

// packageOf is the package that an NVR nobody knows would belong to, empty if
// there is none.
func (s *server) packageOf(ctx context.Context, nvr string) (string, error) {
	parts := strings.Split(nvr, "-")
	if len(parts) < 3 {
		return "", nil
	}
	pkg, err := s.queries.PackageByName(ctx, strings.Join(parts[:len(parts)-2], "-"))
	if isNoRows(err) {
		return "", nil
	}
	return pkg.Name, err
}

// apiTagExplain answers with the explanation of a package or build in a tag.
func (s *server) apiTagExplain(r *http.Request) (any, error) {
	q := queryOf(r)
	head, err := s.tagHead(r, q, "explain")
	if err != nil {
		return nil, err
	}
	subject := q.text("subject")
	switch {
	case q.err != nil:
		return nil, q.err
	case subject == nil:
		return nil, badRequest("“subject” must be a package or an NVR.")
	}
	x, err := head.tags.Explain(r.Context(), head.Name, *subject)
	if errors.Is(err, tagview.ErrNoSubject) {
		return nil, &problem{status: http.StatusNotFound, text: "There is no package or build “" + tasklog.Printable(*subject) + "”."}
	}
	if err != nil {
		return nil, err
	}
	tellable(&x)
	x.Tags, x.Builds = x.Tags[:min(len(x.Tags), maxEntries)], x.Builds[:min(len(x.Builds), maxEntries)]
	return struct {
		QueryEvent *int64 `json:"query_event"`
		tagview.Explanation
	}{head.Event(), x}, nil
}

// tellable makes the times and lists of an explanation as the API tells them.
func tellable(x *tagview.Explanation) {
	if x.Entry != nil {
		x.Entry.By.At = utc(x.Entry.By.At)
	}
	if x.LastChange != nil {
		x.LastChange.At = utc(x.LastChange.At)
	}
	for i := range x.Tags {
		if entry := x.Tags[i].Entry; entry != nil {
			entry.By.At = utc(entry.By.At)
		}
		if step := x.Tags[i].Step; step != nil && step.Filters == nil {
			step.Filters = []string{}
		}
	}
	for i := range x.Skipped {
		if removed := x.Skipped[i].Removed; removed != nil {
			removed.At = utc(removed.At)
		}
	}
	for i := range x.Builds {
		x.Builds[i].TaggedAt, x.Builds[i].FinishedAt = utc(x.Builds[i].TaggedAt), utcOrNull(x.Builds[i].FinishedAt)
	}
}
