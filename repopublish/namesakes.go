package repopublish

import (
	"cmp"
	"context"
	"path"
	"slices"

	"github.com/distbot/distbot/internal/db"
)

// fileName is what names a package's file.
type fileName struct{ name, version, release, arch string }

func (n fileName) String() string {
	return n.name + "-" + n.version + "-" + n.release + "." + n.arch
}

func nameOf(rpm db.RPMsOfBuildsRow) fileName {
	return fileName{rpm.Name, rpm.Version, rpm.Release, rpm.Arch}
}

// whoHasTheName puts those packages in front of others of one name, version,
// release and architecture that were first in a repository of this directory;
// where none was, those of the oldest build.
func whoHasTheName(ctx context.Context, q *db.Queries, directory string, rpms []db.RPMsOfBuildsRow) error {
	one, several := make(map[fileName]int64, len(rpms)), []int64{}
	for _, rpm := range rpms {
		if rpm.Source {
			continue
		}
		name := nameOf(rpm)
		if same, ok := one[name]; ok {
			several = append(several, same, rpm.ID)
		} else {
			one[name] = rpm.ID
		}
	}
	if len(several) == 0 {
		return nil
	}
	slices.Sort(several)
	first, err := firstPublished(ctx, q, directory, slices.Compact(several))
	if err != nil {
		return err
	}
	slices.SortStableFunc(rpms, func(a, b db.RPMsOfBuildsRow) int {
		return cmp.Or(cmp.Compare(nameOf(a).String(), nameOf(b).String()), earlier(first, a.ID, b.ID), cmp.Compare(a.BuildID, b.BuildID))
	})
	return nil
}

// names is whose file names were taken when a generation was made.
type names struct {
	directory string
	ids       []int64        // of its packages, in order
	taken     map[int64]bool // those that another package's name was served with before
}

// namesApart gives packages another place whose file name clients know for other
// bytes, since another build's package of that name was in a repository of this
// directory before them: what a name was served with it keeps for good. So do
// packages that were served: those that a published generation has, whose names
// are known, are not asked for again.
func namesApart(ctx context.Context, q *db.Queries, directory string, c *content, known *names) error {
	c.names = &names{directory: directory, ids: c.ids(), taken: map[int64]bool{}}
	asked := c.names.ids
	if known != nil && known.directory == directory {
		asked = slices.DeleteFunc(slices.Clone(asked), func(id int64) bool {
			_, served := slices.BinarySearch(known.ids, id)
			if served && known.taken[id] {
				c.names.taken[id] = true
			}
			return served
		})
	}
	if err := c.names.ask(ctx, q, asked); err != nil || len(c.names.taken) == 0 {
		return err
	}
	for _, repo := range c.repos {
		for i, id := range repo.rpmIDs {
			if item := &repo.items[i]; c.names.taken[id] {
				item.Href = path.Join(path.Dir(item.Href), item.SHA256, path.Base(item.Href))
			}
		}
	}
	return nil
}

// ask finds whose names are taken.
func (n *names) ask(ctx context.Context, q *db.Queries, asked []int64) error {
	if len(asked) == 0 {
		return nil
	}
	pairs, err := q.NamesakesOf(ctx, asked)
	if err != nil || len(pairs) == 0 {
		return err
	}
	var ids []int64
	for _, pair := range pairs {
		ids = append(ids, pair.ID, pair.Other)
	}
	slices.Sort(ids)
	first, err := firstPublished(ctx, q, n.directory, slices.Compact(ids))
	if err != nil {
		return err
	}
	for _, pair := range pairs {
		if first[pair.Other] != 0 && cmp.Or(earlier(first, pair.Other, pair.ID), cmp.Compare(pair.Other, pair.ID)) < 0 {
			n.taken[pair.ID] = true
		}
	}
	return nil
}

// firstPublished are the numbers of the generations that first had packages; of
// those that none had there are none.
func firstPublished(ctx context.Context, q *db.Queries, directory string, ids []int64) (map[int64]int64, error) {
	rows, err := q.FirstPublished(ctx, db.FirstPublishedParams{Directory: directory, Ids: ids})
	if err != nil {
		return nil, err
	}
	first := make(map[int64]int64, len(rows))
	for _, row := range rows {
		first[row.ID] = row.Number
	}
	return first, nil
}

// earlier compares when two packages were first published, those that were not
// come last.
func earlier(first map[int64]int64, a, b int64) int {
	switch {
	case first[a] == first[b]:
		return 0
	case first[a] == 0:
		return 1
	case first[b] == 0:
		return -1
	}
	return cmp.Compare(first[a], first[b])
}
