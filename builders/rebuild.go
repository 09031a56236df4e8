package builders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/reproduce"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// Rebuilder makes builds again in the buildroots they were made in, and compares.
// Safe for concurrent use.
type Rebuilder struct {
	Pool  *pgxpool.Pool
	Jobs  queue.Inserter
	Store *store.Store
	// ReposDir is where builders find repositories. Those of rebuilds lie below
	// rebuildsDir, which no tag's name can be.
	ReposDir string
	// HTTP fetches packages of external repositories. Its time-out bounds the
	// fetching of one file.
	HTTP   *http.Client
	Logger *slog.Logger
}

// rebuildsDir holds REBUILD/ARCH, a repository of exactly the packages of the
// recorded buildroot.
const rebuildsDir = ".rebuilds"

func rebuildDir(reposDir string, rebuild int64) string {
	return filepath.Join(reposDir, rebuildsDir, strconv.FormatInt(rebuild, 10))
}

// rootToMake is a recorded buildroot that is to be made again.
type rootToMake struct {
	db.BuildrootsForArchesRow
	content []db.BuildrootContentRow
	recipe  recordedRecipe
}

// roots reads the buildroots of the architectures that are asked for. The error
// is permanent when something was not recorded.
func (r *Rebuilder) roots(ctx context.Context, rebuild db.Rebuild) ([]rootToMake, error) {
	q := db.New(r.Pool)
	rows, err := q.BuildrootsForArches(ctx, rebuild.OriginalID)
	if err != nil {
		return nil, fmt.Errorf("builders: buildroots of build %d: %w", rebuild.OriginalID, err)
	}
	var roots []rootToMake
	var known []string
	for _, row := range rows {
		if row.Method != queue.MethodBuildArch {
			continue
		}
		known = append(known, row.Arch)
		if len(rebuild.Arches) > 0 && !slices.Contains(rebuild.Arches, row.Arch) {
			continue
		}
		root := rootToMake{BuildrootsForArchesRow: row}
		if row.Recipe == nil {
			return nil, impossible("what the buildroot for %s was made of was not recorded yet when build %d was made", row.Arch, rebuild.OriginalID)
		}
		if err := json.Unmarshal(row.Recipe, &root.recipe); err != nil {
			return nil, queue.Permanent(fmt.Errorf("builders: read recipe of buildroot %d: %w", row.BuildrootID, err))
		}
		if root.content, err = q.BuildrootContent(ctx, row.BuildrootID); err != nil {
			return nil, fmt.Errorf("builders: packages of buildroot %d: %w", row.BuildrootID, err)
		}
		roots = append(roots, root)
	}
	for _, arch := range rebuild.Arches {
		if !slices.Contains(known, arch) {
			return nil, impossible("build %d was not built for %s: it has %s", rebuild.OriginalID, arch, strings.Join(known, " "))
		}
	}
	if len(roots) == 0 {
		return nil, impossible("build %d has no recorded buildroots", rebuild.OriginalID)
	}
	return roots, nil
}

// impossible is a rebuild that can't be, in a sentence.
func impossible(format string, args ...any) error {
	return queue.Permanent(&Failure{Phase: PhaseBuildroot, Reason: fmt.Sprintf(format, args...)})
}

// begin makes the repositories and starts the build, or ends the rebuild with
// the packages that can't be had. complete ends the job in the transaction.
func (r *Rebuilder) begin(ctx context.Context, rebuild db.Rebuild, complete func(pgx.Tx) error) error {
	r.sweep(ctx)
	roots, err := r.roots(ctx, rebuild)
	if err != nil {
		return err
	}
	var result reproduce.Result
	for _, root := range roots {
		missing, err := r.makeRepository(ctx, rebuildDir(r.ReposDir, rebuild.ID), root)
		if err != nil {
			return err
		}
		result.Missing = append(result.Missing, missing...)
	}
	if n := len(result.Missing); n > 0 {
		reason := fmt.Sprintf("%d packages of the recorded buildroots can't be had any more", n)
		if n == 1 {
			reason = result.Missing[0].NEVRA + " of the recorded buildroot can't be had any more"
		}
		return r.end(ctx, rebuild, queue.TaskFailed, "", reason, &result, complete)
	}
	return pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) error {
		locked, err := db.New(tx).LockRebuild(ctx, rebuild.ID)
		if err != nil {
			return err
		}
		if locked.State == queue.TaskFree {
			if err := r.start(ctx, tx, rebuild, roots); err != nil {
				return err
			}
		}
		return complete(tx)
	})
}

// start starts the build.
func (r *Rebuilder) start(ctx context.Context, tx pgx.Tx, rebuild db.Rebuild, roots []rootToMake) error {
	q := db.New(tx)
	row, err := q.InsertResumedBuild(ctx, db.InsertResumedBuildParams{
		OldBuild: rebuild.OriginalID, RebuildOf: &rebuild.OriginalID, Methods: []string{queue.MethodBuildSRPM},
		Reason: "made by build " + strconv.FormatInt(rebuild.OriginalID, 10),
	})
	if err != nil {
		return fmt.Errorf("builders: insert the build of rebuild %d: %w", rebuild.ID, err)
	}
	var arches []queue.NewArch
	for _, root := range roots {
		arches = append(arches, queue.NewArch{Arch: root.Arch, RootArches: []string{root.BuildrootArch}, Label: root.Label})
	}
	if err := queue.AddArches(ctx, tx, r.Jobs, row.BuildID, *row.TaskID, arches, nil); err != nil {
		return err
	}
	return q.BeginRebuild(ctx, db.BeginRebuildParams{ID: rebuild.ID, BuildID: &row.BuildID})
}

// end ends a rebuild, tells those who wait for it, and removes its repositories.
func (r *Rebuilder) end(ctx context.Context, rebuild db.Rebuild, state, verdict, reason string, result *reproduce.Result, complete func(pgx.Tx) error) error {
	var text []byte
	if result != nil {
		var err error
		if text, err = json.Marshal(result); err != nil {
			return fmt.Errorf("builders: result of rebuild %d: %w", rebuild.ID, err)
		}
	}
	err := pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		n, err := q.EndRebuild(ctx, db.EndRebuildParams{ID: rebuild.ID, State: state, Verdict: verdict, Reason: queue.OneLine(reason), Result: text})
		if err == nil && n > 0 {
			err = q.Notify(ctx, db.NotifyParams{Channel: queue.RebuildChannel, Payload: strconv.FormatInt(rebuild.ID, 10)})
		}
		if err != nil {
			return fmt.Errorf("builders: end rebuild %d: %w", rebuild.ID, err)
		}
		return complete(tx)
	})
	if err != nil {
		return err
	}
	r.Logger.Info("builders: rebuild ended", "rebuild", rebuild.ID, "build", rebuild.OriginalID, "state", state, "verdict", verdict, "reason", reason)
	if err := os.RemoveAll(rebuildDir(r.ReposDir, rebuild.ID)); err != nil {
		r.Logger.Warn("builders: remove the repositories of a rebuild", "rebuild", rebuild.ID, "error", err)
	}
	return nil
}

// sweep removes the repositories of rebuilds that ended while nobody could.
func (r *Rebuilder) sweep(ctx context.Context) {
	entries, err := os.ReadDir(filepath.Join(r.ReposDir, rebuildsDir))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var ids []int64
	for _, entry := range entries {
		if id, err := strconv.ParseInt(entry.Name(), 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	if err == nil && len(ids) > 0 {
		var ended []int64
		ended, err = db.New(r.Pool).EndedRebuilds(ctx, ids)
		for _, id := range ended {
			err = errors.Join(err, os.RemoveAll(rebuildDir(r.ReposDir, id)))
		}
	}
	if err != nil {
		r.Logger.Warn("builders: sweep the repositories of rebuilds", "error", err)
	}
}

// rebuildRecipe is the recipe of a task that builds again in a recorded
// buildroot: nothing but its packages, all of them, and the macros of then.
func (s *Stages) rebuildRecipe(ctx context.Context, a *Attempt) (Recipe, error) {
	q := db.New(s.Pool)
	rebuild, err := q.RebuildOfScratch(ctx, &a.build.ID)
	if err != nil {
		return Recipe{}, fmt.Errorf("builders: rebuild of build %d: %w", a.build.ID, err)
	}
	rows, err := q.BuildrootsForArches(ctx, *a.build.RebuildOf)
	if err != nil {
		return Recipe{}, fmt.Errorf("builders: buildroots of build %d: %w", *a.build.RebuildOf, err)
	}
	for _, row := range rows {
		if row.Method != queue.MethodBuildArch || row.Arch != a.task.Arch {
			continue
		}
		var kept recordedRecipe
		if err := json.Unmarshal(row.Recipe, &kept); err != nil {
			return Recipe{}, fmt.Errorf("builders: read recipe of buildroot %d: %w", row.BuildrootID, err)
		}
		content, err := q.BuildrootContent(ctx, row.BuildrootID)
		if err != nil {
			return Recipe{}, fmt.Errorf("builders: packages of buildroot %d: %w", row.BuildrootID, err)
		}
		root := Recipe{
			Tag: row.Tag, Arch: row.BuildrootArch, Macros: kept.Macros,
			Repos: []Repo{{Name: "recorded", URL: "file://" + filepath.Join(rebuildDir(s.ReposDir, rebuild), a.task.Arch), Cost: 1}},
		}
		for _, pkg := range content {
			root.Install = append(root.Install, pkg.Nevra)
		}
		return root, nil
	}
	return Recipe{}, &Failure{Phase: PhaseBuildroot, Reason: fmt.Sprintf("build %d has no recorded buildroot for %s", *a.build.RebuildOf, a.task.Arch)}
}
