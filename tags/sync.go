package tags

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// Sync makes the database say what the distribution file says, in one
// transaction and one event, and has every repository made whose content that
// changes. It returns what changed, in words; nothing when file and database
// agree. Tags that the file lacks are left alone: builds may be in them.
func Sync(ctx context.Context, pool *pgxpool.Pool, inserter queue.Inserter, d *Distro, actor string) (changes []string, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// Two appliers must not mix, nor one with those who ask who inherits
		// from a tag. First of all, as they hold locks of tags afterwards.
		if _, err := tx.Exec(ctx, "lock table build_targets, tag_inheritance in exclusive mode"); err != nil {
			return err
		}
		s := &syncer{tx: tx, q: db.New(tx), inserter: inserter, distro: d, actor: actor, ids: map[string]int64{}, touched: map[int64]bool{}}
		if err := s.run(ctx); err != nil {
			return err
		}
		changes = s.changes
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("tags: apply distro.yaml: %w", err)
	}
	return changes, nil
}

// syncer is one application of a distribution file.
type syncer struct {
	tx       pgx.Tx
	q        *db.Queries
	inserter queue.Inserter
	distro   *Distro
	actor    string
	event    int64
	ids      map[string]int64
	touched  map[int64]bool
	changes  []string
}

func (s *syncer) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{s.tags, s.inheritance, s.externalRepos, s.groups, s.targets, s.branches, s.regenerate} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// change notes a change and returns its event, which is made with the first.
func (s *syncer) change(ctx context.Context, format string, args ...any) (int64, error) {
	s.changes = append(s.changes, fmt.Sprintf(format, args...))
	if s.event == 0 {
		event, err := s.q.InsertEvent(ctx, db.InsertEventParams{Actor: s.actor, What: "apply distro.yaml"})
		if err != nil {
			return 0, err
		}
		s.event = event
	}
	return s.event, nil
}

func (s *syncer) tags(ctx context.Context) error {
	// All of them, in the order in which tagging a build locks its tags.
	existing, err := s.q.LockTags(ctx)
	if err != nil {
		return err
	}
	for _, tag := range existing {
		s.ids[tag.Name] = tag.ID
	}
	for _, name := range sortedKeys(s.distro.Tags) {
		tag := s.distro.Tags[name]
		extra := tag.Extra
		if extra == nil {
			extra = map[string]string{}
		}
		encoded, err := json.Marshal(extra)
		if err != nil {
			return err
		}
		if id, ok := s.ids[name]; ok {
			n, err := s.q.UpdateTag(ctx, db.UpdateTagParams{ID: id, Arches: s.distro.arches(tag), Extra: encoded})
			if err != nil {
				return err
			}
			if n > 0 {
				s.touched[id] = true
				if _, err := s.change(ctx, "tag %s: changed", name); err != nil {
					return err
				}
			}
			continue
		}
		event, err := s.change(ctx, "tag %s: added", name)
		if err != nil {
			return err
		}
		id, err := s.q.InsertTag(ctx, db.InsertTagParams{Name: name, Arches: s.distro.arches(tag), Extra: encoded, CreateEvent: event})
		if err != nil {
			return err
		}
		s.ids[name], s.touched[id] = id, true
	}
	return nil
}

func (s *syncer) inheritance(ctx context.Context) error {
	links, err := s.q.Inheritance(ctx)
	if err != nil {
		return err
	}
	type link struct {
		child, parent int64
		priority      int32
	}
	want := map[link]bool{}
	for _, name := range sortedKeys(s.distro.Tags) {
		for i, parent := range s.distro.Tags[name].Inherit {
			want[link{s.ids[name], s.ids[parent.Parent.Value], int32(parent.priority(i))}] = true
		}
	}
	for _, have := range links {
		l := link{have.TagID, have.ParentID, have.Priority}
		if _, ours := s.distro.Tags[have.Child]; !ours || want[l] {
			delete(want, l)
			continue
		}
		event, err := s.change(ctx, "tag %s: inherits no more from %s with priority %d", have.Child, have.Parent, have.Priority)
		if err != nil {
			return err
		}
		if err := s.q.RevokeInheritance(ctx, db.RevokeInheritanceParams{ID: have.ID, RevokeEvent: &event}); err != nil {
			return err
		}
		s.touched[have.TagID] = true
	}
	for _, name := range sortedKeys(s.distro.Tags) {
		for i, parent := range s.distro.Tags[name].Inherit {
			l := link{s.ids[name], s.ids[parent.Parent.Value], int32(parent.priority(i))}
			if !want[l] {
				continue
			}
			event, err := s.change(ctx, "tag %s: inherits from %s with priority %d", name, parent.Parent.Value, l.priority)
			if err != nil {
				return err
			}
			err = s.q.InsertInheritance(ctx, db.InsertInheritanceParams{TagID: l.child, ParentID: l.parent, Priority: l.priority, CreateEvent: event})
			if err != nil {
				return err
			}
			s.touched[l.child] = true
		}
	}
	return nil
}

func (s *syncer) externalRepos(ctx context.Context) error {
	for _, name := range sortedKeys(s.distro.Tags) {
		id := s.ids[name]
		want := s.distro.Tags[name].ExternalRepos
		have, err := s.q.ExternalReposOfTag(ctx, id)
		if err != nil {
			return err
		}
		priority := func(repo string) int32 {
			return int32(slices.IndexFunc(want, func(t Text) bool { return t.Value == repo })+1) * 10
		}
		kept := map[string]bool{}
		for _, repo := range have {
			if repo.Priority == priority(repo.Name) && repo.Url == s.distro.ExternalRepos[repo.Name].URL.Value {
				kept[repo.Name] = true
				continue
			}
			event, err := s.change(ctx, "tag %s: external repository %s removed", name, repo.Name)
			if err != nil {
				return err
			}
			if err := s.q.RevokeExternalRepo(ctx, db.RevokeExternalRepoParams{ID: repo.ID, RevokeEvent: &event}); err != nil {
				return err
			}
		}
		for _, repo := range want {
			if kept[repo.Value] {
				continue
			}
			event, err := s.change(ctx, "tag %s: external repository %s added", name, repo.Value)
			if err != nil {
				return err
			}
			err = s.q.InsertExternalRepo(ctx, db.InsertExternalRepoParams{
				TagID: id, Name: repo.Value, Url: s.distro.ExternalRepos[repo.Value].URL.Value, Priority: priority(repo.Value), CreateEvent: event,
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *syncer) groups(ctx context.Context) error {
	for _, name := range sortedKeys(s.distro.Tags) {
		id := s.ids[name]
		want := map[[2]string]bool{}
		for group, packages := range s.distro.Tags[name].Groups {
			for _, pkg := range packages {
				want[[2]string{group, pkg.Value}] = true
			}
		}
		have, err := s.q.GroupPackagesOfTag(ctx, id)
		if err != nil {
			return err
		}
		for _, row := range have {
			key := [2]string{row.GroupName, row.Package}
			if want[key] {
				delete(want, key)
				continue
			}
			event, err := s.change(ctx, "tag %s: group %s: %s removed", name, row.GroupName, row.Package)
			if err != nil {
				return err
			}
			if err := s.q.RevokeGroupPackage(ctx, db.RevokeGroupPackageParams{ID: row.ID, RevokeEvent: &event}); err != nil {
				return err
			}
			s.touched[id] = true
		}
		for _, group := range sortedKeys(s.distro.Tags[name].Groups) {
			for _, pkg := range s.distro.Tags[name].Groups[group] {
				key := [2]string{group, pkg.Value}
				if !want[key] {
					continue
				}
				delete(want, key) // named twice is meant once
				event, err := s.change(ctx, "tag %s: group %s: %s added", name, group, pkg.Value)
				if err != nil {
					return err
				}
				err = s.q.InsertGroupPackage(ctx, db.InsertGroupPackageParams{TagID: id, GroupName: group, Package: pkg.Value, CreateEvent: event})
				if err != nil {
					return err
				}
				s.touched[id] = true
			}
		}
	}
	return nil
}

func (s *syncer) targets(ctx context.Context) error {
	have, err := s.q.ListTargets(ctx)
	if err != nil {
		return err
	}
	same := map[string]bool{}
	for _, row := range have {
		want, ok := s.distro.Targets[row.Name]
		if ok && row.BuildTagName == want.BuildTag.Value && row.DestTagName == want.DestTag.Value && slices.Equal(row.Branches, values(want.Branches)) {
			same[row.Name] = true
			continue
		}
		event, err := s.change(ctx, "target %s: %s → %s removed", row.Name, row.BuildTagName, row.DestTagName)
		if err != nil {
			return err
		}
		if err := s.q.RevokeTarget(ctx, db.RevokeTargetParams{ID: row.ID, RevokeEvent: &event}); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(s.distro.Targets) {
		if same[name] {
			continue
		}
		want := s.distro.Targets[name]
		event, err := s.change(ctx, "target %s: %s → %s added", name, want.BuildTag.Value, want.DestTag.Value)
		if err != nil {
			return err
		}
		err = s.q.InsertTarget(ctx, db.InsertTargetParams{
			Name: name, BuildTag: s.ids[want.BuildTag.Value], DestTag: s.ids[want.DestTag.Value], Branches: values(want.Branches), CreateEvent: event,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *syncer) branches(ctx context.Context) error {
	have, err := s.q.IgnoredBranchGlobs(ctx)
	if err != nil {
		return err
	}
	want := values(s.distro.IgnoreBranches)
	slices.Sort(want)
	want = slices.Compact(want) // named twice is meant once
	for _, glob := range want {
		if slices.Contains(have, glob) {
			continue
		}
		if _, err := s.change(ctx, "ignored branches: %s added", glob); err != nil {
			return err
		}
	}
	for _, glob := range have {
		if slices.Contains(want, glob) {
			continue
		}
		if _, err := s.change(ctx, "ignored branches: %s removed", glob); err != nil {
			return err
		}
	}
	return s.q.ReplaceIgnoredBranches(ctx, want)
}

// regenerate has the repositories made of every tag that changed and of all
// that inherit from it.
func (s *syncer) regenerate(ctx context.Context) error {
	for _, id := range sortedKeys(s.touched) {
		if err := Regenerate(ctx, s.tx, s.inserter, id); err != nil {
			return err
		}
	}
	return nil
}
