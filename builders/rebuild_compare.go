package builders

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/reproduce"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// The verdicts of rebuilds.
const (
	verdictIdentical = "identical"
	verdictDifferent = "different"
)

// compare ends a rebuild whose build has ended.
func (r *Rebuilder) compare(ctx context.Context, rebuild db.Rebuild, complete func(pgx.Tx) error) error {
	build, err := db.New(r.Pool).GetBuild(ctx, *rebuild.BuildID)
	if err != nil {
		return fmt.Errorf("builders: read build %d: %w", *rebuild.BuildID, err)
	}
	switch build.State {
	case queue.BuildBuilding:
		return nil
	case queue.BuildComplete:
	default:
		return r.end(ctx, rebuild, queue.TaskFailed, "", fmt.Sprintf("build %d is %s: %s", build.ID, build.State, build.Reason), nil, complete)
	}
	var result reproduce.Result
	if result.Packages, err = r.comparePackages(ctx, rebuild); err != nil {
		return err
	}
	if result.Roots, err = r.compareRoots(ctx, rebuild); err != nil {
		return err
	}
	verdict, reason := verdictIdentical, packagesText(len(result.Packages))+", bit-identical"
	if !result.Identical() {
		differ := 0
		for _, p := range result.Packages {
			if !p.Identical() {
				differ++
			}
		}
		verdict, reason = verdictDifferent, fmt.Sprintf("%d of %s differ", differ, packagesText(len(result.Packages)))
	}
	return r.end(ctx, rebuild, queue.TaskClosed, verdict, reason, &result, complete)
}

// packageKey names a package of a task.
type packageKey struct{ arch, name string }

// comparePackages compares the packages of the architectures that were built
// again.
func (r *Rebuilder) comparePackages(ctx context.Context, rebuild db.Rebuild) ([]reproduce.PackageResult, error) {
	before, err := r.packagesOf(ctx, rebuild.OriginalID)
	if err != nil {
		return nil, err
	}
	after, err := r.packagesOf(ctx, *rebuild.BuildID)
	if err != nil {
		return nil, err
	}
	again := map[string]bool{}
	for _, made := range after {
		again[made.TaskArch] = true
	}
	now := map[packageKey]db.PackagesOfTasksRow{}
	for _, made := range after {
		now[packageKey{made.TaskArch, made.Name}] = made
	}
	var results []reproduce.PackageResult
	for _, old := range before {
		if !again[old.TaskArch] {
			continue
		}
		key := packageKey{old.TaskArch, old.Name}
		result := reproduce.PackageResult{Arch: old.TaskArch, Name: old.Name, Recorded: old.Sha256, Rebuilt: now[key].Sha256}
		if made, there := now[key]; there && made.Sha256 != old.Sha256 {
			if result.Difference, err = r.difference(old, made); err != nil {
				return nil, err
			}
		}
		delete(now, key)
		results = append(results, result)
	}
	for _, made := range after {
		if _, left := now[packageKey{made.TaskArch, made.Name}]; left {
			results = append(results, reproduce.PackageResult{Arch: made.TaskArch, Name: made.Name, Rebuilt: made.Sha256})
		}
	}
	return results, nil
}

func (r *Rebuilder) packagesOf(ctx context.Context, build int64) ([]db.PackagesOfTasksRow, error) {
	rows, err := db.New(r.Pool).PackagesOfTasks(ctx, build)
	if err != nil {
		return nil, fmt.Errorf("builders: packages of build %d: %w", build, err)
	}
	return rows, nil
}

// difference compares two packages of the store.
func (r *Rebuilder) difference(recorded, rebuilt db.PackagesOfTasksRow) (*reproduce.Difference, error) {
	old, err := r.Store.OpenBlob(store.Blob{SHA256: recorded.Sha256, Size: recorded.Size})
	if err != nil {
		return nil, fmt.Errorf("builders: open the recorded %s: %w", recorded.Name, err)
	}
	defer old.Close()
	made, err := r.Store.OpenBlob(store.Blob{SHA256: rebuilt.Sha256, Size: rebuilt.Size})
	if err != nil {
		return nil, fmt.Errorf("builders: open the rebuilt %s: %w", rebuilt.Name, err)
	}
	defer made.Close()
	return reproduce.Packages(old, made)
}

// compareRoots tells which of the new buildroots are not the recorded ones.
func (r *Rebuilder) compareRoots(ctx context.Context, rebuild db.Rebuild) ([]reproduce.RootResult, error) {
	before, err := ReadRoots(ctx, r.Pool, rebuild.OriginalID)
	if err != nil {
		return nil, err
	}
	after, err := ReadRoots(ctx, r.Pool, *rebuild.BuildID)
	if err != nil {
		return nil, err
	}
	var results []reproduce.RootResult
	for _, now := range after {
		n := slices.IndexFunc(before, func(old Root) bool { return old.Arch == now.Arch })
		if n < 0 {
			continue
		}
		if d := reproduce.Roots(before[n].Packages, now.Packages); !d.Empty() {
			results = append(results, reproduce.RootResult{Arch: now.Arch, RootDifference: d})
		}
	}
	return results, nil
}

// Root is the recorded buildroot of an arch task.
type Root struct {
	TaskID   int64
	Arch     string
	Packages []reproduce.Package
}

// ReadRoots reads the buildroots of a build's architectures.
func ReadRoots(ctx context.Context, conn db.DBTX, build int64) ([]Root, error) {
	q := db.New(conn)
	rows, err := q.BuildrootsForArches(ctx, build)
	if err != nil {
		return nil, fmt.Errorf("builders: buildroots of build %d: %w", build, err)
	}
	var roots []Root
	for _, row := range rows {
		if row.Method != queue.MethodBuildArch {
			continue
		}
		root, err := readRoot(ctx, q, row.TaskID, row.Arch, row.BuildrootID)
		if err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	return roots, nil
}

// ReadTaskRoot reads the buildroot of a task. The error is pgx.ErrNoRows when
// none is recorded.
func ReadTaskRoot(ctx context.Context, conn db.DBTX, task int64) (Root, error) {
	q := db.New(conn)
	row, err := q.RootOfTask(ctx, task)
	if err != nil {
		return Root{}, err
	}
	return readRoot(ctx, q, task, row.Arch, row.BuildrootID)
}

func readRoot(ctx context.Context, q *db.Queries, task int64, arch string, buildroot int64) (Root, error) {
	content, err := q.BuildrootContent(ctx, buildroot)
	if err != nil {
		return Root{}, fmt.Errorf("builders: packages of buildroot %d: %w", buildroot, err)
	}
	root := Root{TaskID: task, Arch: arch}
	for _, p := range content {
		root.Packages = append(root.Packages, reproduce.Package{NEVRA: p.Nevra, Digest: p.Digest})
	}
	return root, nil
}
