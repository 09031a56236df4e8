package tags

import (
	"context"
	"fmt"
	"slices"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// order remembers which build of each package the current event tagged last. Of
// two builds that one event tags the one with the higher id counts as newer.
type order map[int64]int64

// next makes sure that the build to be tagged becomes the newest of its package:
// where its id would not make it so, the change goes on with another event.
func (e *Edit) next(ctx context.Context, tagged order, nvr string) error {
	b, err := e.build(ctx, nvr)
	if err != nil {
		return err
	}
	if last, there := tagged[b.packageID]; there && b.id < last {
		e.event = 0
		clear(tagged)
	}
	tagged[b.packageID] = b.id
	return nil
}

// lockBuilds locks all builds of a change: before its tags, as everybody does.
func (e *Edit) lockBuilds(ctx context.Context, nvrs []string) error {
	if err := e.q.LockBuildsForTagging(ctx, nvrs); err != nil {
		return fmt.Errorf("tags: lock builds: %w", err)
	}
	return nil
}

// TagBuilds tags builds one after the other, so that of a package's builds the
// last one named is the newest.
func (e *Edit) TagBuilds(ctx context.Context, tag string, nvrs []string, force bool) error {
	if err := e.lockBuilds(ctx, nvrs); err != nil {
		return err
	}
	tagged := order{}
	for _, nvr := range nvrs {
		if err := e.next(ctx, tagged, nvr); err != nil {
			return err
		}
		if err := e.TagBuild(ctx, tag, nvr, force); err != nil {
			return err
		}
	}
	return nil
}

// MoveBuilds moves builds one after the other, so that of a package's builds the
// last one named is the newest.
func (e *Edit) MoveBuilds(ctx context.Context, from, to string, nvrs []string, force bool) error {
	if err := e.lockBuilds(ctx, nvrs); err != nil {
		return err
	}
	tagged := order{}
	for _, nvr := range nvrs {
		if err := e.next(ctx, tagged, nvr); err != nil {
			return err
		}
		if err := e.MoveBuild(ctx, from, to, nvr, force); err != nil {
			return err
		}
	}
	return nil
}

// MoveAllBuilds moves what a tag itself has of a package into another tag, where
// the builds have the same order (Koji's moveAllBuilds). It returns their NVRs,
// the oldest tagging first.
func (e *Edit) MoveAllBuilds(ctx context.Context, from, to, pkg string, force bool) (nvrs []string, err error) {
	if err := e.q.LockTaggedBuilds(ctx, db.LockTaggedBuildsParams{Tag: from, Package: pkg}); err != nil {
		return nil, fmt.Errorf("tags: lock builds: %w", err)
	}
	_, source, err := e.twoTags(ctx, to, from)
	if err != nil {
		return nil, err
	}
	_, p, err := e.knownPackage(ctx, from, pkg)
	if err != nil {
		return nil, err
	}
	builds, err := e.Read().Builds(ctx, source.ID, tagview.BuildQuery{PackageID: p.ID})
	if err != nil {
		return nil, err
	}
	if len(builds) == 0 {
		return nil, refuse(FaultTag, "no build of package %s is tagged into %s", pkg, from)
	}
	for _, b := range slices.Backward(builds) {
		nvrs = append(nvrs, b.NVR)
	}
	return nvrs, e.MoveBuilds(ctx, from, to, nvrs, force)
}
