package repopublish

import (
	"cmp"
	"context"
	"path"
	"slices"

	"github.com/distbot/distbot/internal/db"
)

// nvraOf is what names a package's file.
func nvraOf(rpm db.RPMsOfBuildsRow) string {
	return rpm.Name + "-" + rpm.Version + "-" + rpm.Release + "." + rpm.Arch
}

// whoHasTheName puts those packages in front of others of one name, version,
// release and architecture that were first in a repository of this directory;
// where none was, those of the oldest build.
func whoHasTheName(ctx context.Context, q *db.Queries, directory string, rpms []db.RPMsOfBuildsRow) error {
	ids, several := map[string][]int64{}, []int64{}
	for _, rpm := range rpms {
		if !rpm.Source {
			ids[nvraOf(rpm)] = append(ids[nvraOf(rpm)], rpm.ID)
		}
	}
	for _, same := range ids {
		if len(same) > 1 {
			several = append(several, same...)
		}
	}
	if len(several) == 0 {
		return nil
	}
	first, err := firstPublished(ctx, q, directory, several)
	if err != nil {
		return err
	}
	slices.SortStableFunc(rpms, func(a, b db.RPMsOfBuildsRow) int {
		return cmp.Or(cmp.Compare(nvraOf(a), nvraOf(b)), earlier(first, a.ID, b.ID), cmp.Compare(a.BuildID, b.BuildID))
	})
	return nil
}

// namesApart gives packages another place whose file name clients know for other
// bytes, since another build's package of that name was in a repository of this
// directory before them: what a name was served with it keeps for good.
func namesApart(ctx context.Context, q *db.Queries, directory string, c *content) error {
	pairs, err := q.NamesakesOf(ctx, c.ids())
	if err != nil || len(pairs) == 0 {
		return err
	}
	var ids []int64
	for _, pair := range pairs {
		ids = append(ids, pair.ID, pair.Other)
	}
	slices.Sort(ids)
	first, err := firstPublished(ctx, q, directory, slices.Compact(ids))
	if err != nil {
		return err
	}
	taken := map[int64]bool{}
	for _, pair := range pairs {
		if first[pair.Other] != 0 && cmp.Or(earlier(first, pair.Other, pair.ID), cmp.Compare(pair.Other, pair.ID)) < 0 {
			taken[pair.ID] = true
		}
	}
	for _, repo := range c.repos {
		for i, id := range repo.rpmIDs {
			if item := &repo.items[i]; taken[id] {
				item.Href = path.Join(path.Dir(item.Href), item.SHA256, path.Base(item.Href))
			}
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
