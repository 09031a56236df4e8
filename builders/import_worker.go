package builders

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// ImportWorker makes the results of finished builds part of the distribution.
type ImportWorker struct {
	river.WorkerDefaults[queue.ImportArgs]
	*Stages
}

// Work gives a build's packages their places and names, and marks the build
// COMPLETE. A scratch build ends here, any other goes on to be tagged.
func (w *ImportWorker) Work(ctx context.Context, job *river.Job[queue.ImportArgs]) error {
	build, err := db.New(w.Pool).GetBuild(ctx, job.Args.BuildID)
	if err != nil {
		return fmt.Errorf("builders: read build %d: %w", job.Args.BuildID, err)
	}
	if build.State != queue.BuildBuilding {
		return nil
	}
	err = pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error { return w.importBuild(ctx, tx, job, build) })
	if errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if err != nil {
		return w.importFailed(ctx, job.JobRow, build, err)
	}
	return nil
}

// importBuild places the packages and records them. The build is locked all
// the while: once it has ended, its NVR and with it the places belong to
// somebody else.
func (w *ImportWorker) importBuild(ctx context.Context, tx pgx.Tx, job *river.Job[queue.ImportArgs], build db.GetBuildRow) error {
	q := db.New(tx)
	locked, err := q.LockBuild(ctx, build.ID)
	if err != nil {
		return fmt.Errorf("builders: lock build %d: %w", build.ID, err)
	}
	if locked.State != queue.BuildBuilding {
		return queue.ErrLostAttempt
	}
	rpms, err := w.place(ctx, q, build)
	if err != nil {
		return err
	}
	if err := w.finishImport(ctx, tx, job, build, rpms); err != nil {
		return fmt.Errorf("builders: import build %d: %w", build.ID, err)
	}
	return nil
}

// place links every package of the build into Koji's layout,
// packages/NAME/VERSION/RELEASE/ARCH/FILE, or scratch/BUILD/ARCH/FILE. A
// noarch package that several architectures made is taken from the first.
func (w *ImportWorker) place(ctx context.Context, q *db.Queries, build db.GetBuildRow) (db.InsertRPMsParams, error) {
	artifacts, err := q.ArtifactsOfBuild(ctx, build.ID)
	if err != nil {
		return db.InsertRPMsParams{}, fmt.Errorf("builders: results of build %d: %w", build.ID, err)
	}
	dir := path.Join("packages", build.Package, build.Version, build.Release)
	if build.Scratch {
		dir = path.Join("scratch", strconv.FormatInt(build.ID, 10))
	}
	rpms := db.InsertRPMsParams{BuildID: build.ID}
	var places []store.Place
	placed := map[string]bool{}
	for _, artifact := range artifacts {
		if artifact.Kind == "log" || placed[artifact.Name] {
			continue
		}
		placed[artifact.Name] = true
		where := path.Join(dir, artifact.Arch, artifact.Name)
		places = append(places, store.Place{Blob: store.Blob{SHA256: artifact.Sha256, Size: artifact.Size}, Name: where})
		rpms.BuildrootIds, rpms.Sources = append(rpms.BuildrootIds, artifact.BuildrootID), append(rpms.Sources, artifact.Kind == "srpm")
		rpms.Names, rpms.Epochs = append(rpms.Names, artifact.RpmName), append(rpms.Epochs, artifact.Epoch)
		rpms.Versions, rpms.Releases = append(rpms.Versions, artifact.Version), append(rpms.Releases, artifact.Release)
		rpms.Arches, rpms.BuildTimes = append(rpms.Arches, artifact.Arch), append(rpms.BuildTimes, artifact.BuildTime)
		rpms.Sha256s, rpms.Sizes = append(rpms.Sha256s, artifact.Sha256), append(rpms.Sizes, artifact.Size)
		rpms.Paths = append(rpms.Paths, where)
	}
	return rpms, w.link(ctx, build, places)
}

// link gives the blobs their names. The build owns its NVR, so a file that has
// a name and other bytes is what an import left that never ended, and was never
// published.
func (w *ImportWorker) link(ctx context.Context, build db.GetBuildRow, places []store.Place) error {
	err := w.Store.LinkAll(ctx, places)
	if errors.Is(err, store.ErrConflict) {
		w.Logger.Warn("builders: replace the leftovers of an unfinished import", "build", build.ID, "error", err)
		for _, place := range places {
			if err := w.Store.Unlink(place.Name); err != nil {
				return fmt.Errorf("builders: place packages: %w", err)
			}
		}
		err = w.Store.LinkAll(ctx, places)
	}
	if err != nil {
		return fmt.Errorf("builders: place packages: %w", err)
	}
	return nil
}

// finishImport records the packages and ends the build's making.
func (w *ImportWorker) finishImport(ctx context.Context, tx pgx.Tx, job *river.Job[queue.ImportArgs], build db.GetBuildRow, rpms db.InsertRPMsParams) error {
	q := db.New(tx)
	if _, err := q.FinishBuild(ctx, db.FinishBuildParams{ID: build.ID, State: queue.BuildComplete}); err != nil {
		return err
	}
	if err := q.InsertRPMs(ctx, rpms); err != nil {
		return err
	}
	if build.Scratch {
		if _, err := q.EndTask(ctx, db.EndTaskParams{ID: *build.TaskID, State: queue.TaskClosed}); err != nil {
			return err
		}
		if err := w.want(ctx, tx, build, "", "success", *build.Nvr+" builds (scratch)"); err != nil {
			return err
		}
	} else if err := queue.AddTag(ctx, tx, w.Jobs, build.ID, *build.TaskID, *build.Nvr+" → "+build.DestTagName); err != nil {
		return err
	}
	// Last, since one import at a time holds the lock of the names.
	if err := refuseTaken(ctx, q, build); err != nil {
		return err
	}
	return queue.Complete(ctx, tx, job)
}

// refuseTaken refuses a build with a package that another build has: there is
// one RPM of a name in the distribution (Koji's rule). Scratch builds are no
// part of it.
func refuseTaken(ctx context.Context, q *db.Queries, build db.GetBuildRow) error {
	if build.Scratch {
		return nil
	}
	if err := q.LockRPMNames(ctx); err != nil {
		return err
	}
	taken, err := q.TakenRPM(ctx, build.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	nevra := rpmfile.NEVRA{Name: taken.Name, Epoch: int(taken.Epoch), Version: taken.Version, Release: taken.Release, Arch: taken.Arch}
	return queue.Permanent(&Failure{
		Phase: PhaseImport, Reason: fmt.Sprintf("%s belongs to %s already, build %d", nevra, *taken.Nvr, taken.BuildID),
	})
}

// importFailed ends a build that can't be imported, once trying again is over.
func (w *ImportWorker) importFailed(ctx context.Context, row *rivertype.JobRow, build db.GetBuildRow, err error) error {
	if queue.FateOf(ctx, row, err) != queue.GiveUp {
		w.Logger.Warn("builders: import will be tried again", "build", build.ID, "error", err)
		return queue.Outcome(err)
	}
	failure := explain(&attempt{phase: PhaseImport}, err)
	w.Logger.Info("builders: import failed", "build", build.ID, "reason", failure.Reason, "infrastructure", failure.Infrastructure)
	return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		if _, lockErr := db.New(tx).LockBuild(ctx, build.ID); lockErr != nil {
			return lockErr
		}
		return queue.EndBuild(ctx, tx, w.Jobs, w.ExternalURL, build.ID, queue.BuildEnd{
			State: queue.BuildFailed, Phase: string(PhaseImport), Reason: failure.Reason, Infrastructure: failure.Infrastructure,
		})
	})
}
