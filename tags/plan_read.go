package tags

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/db"
)

// readModel reads the tag model as an event left it, or as it is now when the
// event is 0. Ignored branches have no history: they are those of now.
func readModel(ctx context.Context, q *db.Queries, event int64) (*model, error) {
	r := &modelReader{q: q, event: event, model: &model{tags: map[string]*tagModel{}, targets: map[string]TargetConfig{}}, byID: map[int64]*tagModel{}}
	for _, step := range []struct {
		what string
		read func(context.Context) error
	}{
		{"tags", r.tags},
		{"extra settings", r.extra},
		{"inheritance", r.links},
		{"external repositories", r.repos},
		{"groups", r.groups},
		{"packages of groups", r.groupPackages},
		{"requirements of groups", r.groupRequires},
		{"package lists", r.packages},
		{"targets", r.targets},
		{"ignored branches", r.ignored},
	} {
		if err := step.read(ctx); err != nil {
			return nil, fmt.Errorf("tags: read %s: %w", step.what, err)
		}
	}
	return r.model, nil
}

// modelReader fills a model. What belongs to no tag that there is, is left out.
type modelReader struct {
	q     *db.Queries
	event int64
	model *model
	byID  map[int64]*tagModel
}

func (r *modelReader) tags(ctx context.Context) error {
	rows, err := r.q.DistroTags(ctx, r.event)
	for _, row := range rows {
		t := newTagModel()
		t.locked, t.builds, t.packages = row.Locked, row.Builds, map[string]packageModel{}
		t.perm = value(row.Perm)
		if row.Arches != nil {
			arches := machineArches(strings.Fields(*row.Arches))
			t.arches = &arches
		}
		r.model.tags[row.Name], r.byID[row.ID] = t, t
	}
	return err
}

func (r *modelReader) extra(ctx context.Context) error {
	rows, err := r.q.DistroExtra(ctx, r.event)
	for _, row := range rows {
		if t := r.byID[row.TagID]; t != nil {
			t.extra[row.Key] = nil
			if row.Value != nil {
				t.extra[row.Key] = json.RawMessage(*row.Value)
			}
		}
	}
	return err
}

func (r *modelReader) links(ctx context.Context) error {
	rows, err := r.q.DistroLinks(ctx, r.event)
	for _, row := range rows {
		if t := r.byID[row.TagID]; t != nil {
			// Less than nothing behind the parent is nothing.
			if row.Maxdepth != nil && *row.Maxdepth < 0 {
				row.Maxdepth = new(int32)
			}
			t.links[row.Parent] = LinkConfig{
				Priority: row.Priority, MaxDepth: row.Maxdepth, Intransitive: row.Intransitive, NoConfig: row.Noconfig, PkgFilter: row.PkgFilter,
			}
		}
	}
	return err
}

func (r *modelReader) repos(ctx context.Context) error {
	rows, err := r.q.DistroExternalRepos(ctx, r.event)
	for _, row := range rows {
		if t := r.byID[row.TagID]; t != nil {
			t.repos[row.Name] = repoModel{row.Url, row.Priority}
		}
	}
	return err
}

// group returns a tag's group, which is made when it is not there; nil for a tag
// that is none.
func (r *modelReader) group(tag int64, name string) *groupModel {
	t := r.byID[tag]
	if t == nil {
		return nil
	}
	if t.groups[name] == nil {
		t.groups[name] = newGroupModel()
	}
	return t.groups[name]
}

func (r *modelReader) groups(ctx context.Context) error {
	rows, err := r.q.DistroGroups(ctx, r.event)
	for _, row := range rows {
		g := r.group(row.TagID, row.Name)
		if g == nil {
			continue
		}
		g.config = &groupConfig{
			blocked: row.Blocked, displayName: value(row.DisplayName), description: value(row.Description), langOnly: value(row.Langonly),
			isDefault: value(row.IsDefault), userVisible: value(row.Uservisible), exported: value(row.Exported), biarchOnly: value(row.Biarchonly),
		}
		if g.config.displayName == "" {
			g.config.displayName = row.Name
		}
	}
	return err
}

func (r *modelReader) groupPackages(ctx context.Context) error {
	rows, err := r.q.DistroGroupPackages(ctx, r.event)
	for _, row := range rows {
		if g := r.group(row.TagID, row.Name); g != nil {
			g.packages[row.Package] = memberModel{
				kind: orMandatory(value(row.Type)), requires: value(row.Requires), baseArchOnly: value(row.Basearchonly), blocked: row.Blocked,
			}
		}
	}
	return err
}

func (r *modelReader) groupRequires(ctx context.Context) error {
	rows, err := r.q.DistroGroupRequires(ctx, r.event)
	for _, row := range rows {
		if g := r.group(row.TagID, row.Name); g != nil {
			g.requires[row.Required] = memberModel{kind: orMandatory(value(row.Type)), blocked: row.Blocked}
		}
	}
	return err
}

func (r *modelReader) packages(ctx context.Context) error {
	rows, err := r.q.DistroPackages(ctx, r.event)
	for _, row := range rows {
		t := r.byID[row.TagID]
		if t == nil {
			continue
		}
		p := packageModel{owner: row.Owner, blocked: row.Blocked}
		if row.ExtraArches != nil {
			arches := machineArches(strings.Fields(*row.ExtraArches))
			p.extraArches = &arches
		}
		t.packages[row.Name] = p
	}
	return err
}

func (r *modelReader) targets(ctx context.Context) error {
	rows, err := r.q.DistroTargets(ctx, r.event)
	for _, row := range rows {
		r.model.setTarget(row.Name, TargetConfig{
			BuildTag: row.BuildTag, DestTag: row.DestTag, Branches: row.Branches,
			Lagging: row.Lagging, BestEffort: row.BestEffort, NoarchContent: row.NoarchContent,
			RepoLag: time.Duration(row.RepoLagSeconds) * time.Second,
		})
	}
	return err
}

func (r *modelReader) ignored(ctx context.Context) error {
	globs, err := r.q.IgnoredBranchGlobs(ctx)
	r.model.ignored = branchList(globs)
	return err
}

// value is what a pointer points to, or nothing.
func value[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}
