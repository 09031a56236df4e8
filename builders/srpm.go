package builders

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/queue"
)

// checkout brings the sources of the build's commit to dir, and the package's
// history to a file where the spec wants it, with a log people can read.
func (a *Attempt) checkout(ctx context.Context, dir, history string) error {
	a.Phase(ctx, PhaseSources)
	logs, err := a.Logs()
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(logs, "checkout.log"))
	if err != nil {
		return fmt.Errorf("builders: create checkout log: %w", err)
	}
	defer file.Close()
	log := diagnosis.NewLog("checkout.log", file, nil)
	log.Begin(diagnosis.StepSources)
	err = a.stages.Sources.Prepare(ctx, SourceOrder{
		RepositoryID: a.build.RepositoryID, Ref: a.build.Ref, Commit: a.build.CommitID, Package: a.build.Package, History: history,
	}, dir, log)
	if err == nil {
		return nil
	}
	fmt.Fprintln(log, err)
	var temporary interface{ Temporary() bool }
	ended := diagnosis.Exit{Step: diagnosis.StepSources, Code: 1, Temporary: errors.As(err, &temporary) && temporary.Temporary()}
	failure := Diagnosed(log.Finding(ended), ended)
	failure.Err = err
	return failure
}

// checkSource refuses a source package that is not the build's.
func checkSource(build db.GetBuildRow) func(string, *rpmfile.Package) error {
	return func(file string, pkg *rpmfile.Package) error {
		switch {
		case !pkg.Source:
			return &Failure{Phase: PhaseVerify, Reason: file + " is no source package"}
		case pkg.Name != build.Package:
			return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("%s makes the package %q, the repository is %s", build.Spec, pkg.Name, build.FullName)}
		case strings.HasPrefix(pkg.Version, ".") || strings.HasPrefix(pkg.Release, "."):
			return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("%s: version and release must not begin with a dot, they name directories", pkg.NVR())}
		case file != pkg.NVRA()+".rpm":
			return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("%q says it is %s", file, pkg.NVRA())}
		}
		return nil
	}
}

// finishSRPM ends the source task: the build has its NVR now, and its arch
// tasks, or is refused.
func (a *Attempt) finishSRPM(ctx context.Context, outcome Outcome, from gatherer) error {
	results, err := from(ctx, checkSource(a.build))
	if err != nil {
		return err
	}
	if len(results) != 1 {
		return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("%d source packages were made of %s, expected one", len(results), a.build.Spec)}
	}
	pkg := results[0].pkg
	arches, archRefusal, err := chooseArches(ctx, a.stages.Pool, a.build, pkg)
	if err != nil {
		return err
	}
	a.noteGuess(pkg)
	err = pgx.BeginFunc(ctx, a.stages.Pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockBuild(ctx, a.build.ID); err != nil {
			return err
		}
		if _, err := queue.Finish(ctx, tx, a.task, queue.Ending{State: queue.TaskClosed}); err != nil {
			return err
		}
		if err := a.record(ctx, tx, outcome, results); err != nil {
			return err
		}
		refusal, owner, err := claimNVR(ctx, tx, a.build, pkg)
		if err != nil {
			return err
		}
		made := a.status("srpm", "success", results[0].file)
		if refusal = cmp.Or(refusal, archRefusal); refusal != "" {
			return a.refuse(ctx, tx, made, owner, refusal)
		}
		return a.startArches(ctx, tx, made, pkg.NVR(), arches)
	})
	if err != nil {
		return fmt.Errorf("builders: finish source package of build %d: %w", a.build.ID, err)
	}
	return nil
}

// uniqueViolation is PostgreSQL's SQLSTATE 23505.
const uniqueViolation = "23505"

// claimNVR names the build. An NVR is built once, scratch builds exempt; the
// refusal says which build has it, the owner.
func claimNVR(ctx context.Context, tx pgx.Tx, build db.GetBuildRow, pkg *rpmfile.Package) (refusal string, owner int64, err error) {
	nvr := pkg.NVR()
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		n, err := db.New(savepoint).ClaimNVR(ctx, db.ClaimNVRParams{
			ID: build.ID, Nvr: &nvr, Epoch: int32(pkg.Epoch), Version: pkg.Version, Release: pkg.Release,
		})
		if err == nil && n == 0 {
			return queue.ErrLostAttempt
		}
		return err
	})
	var violation *pgconn.PgError
	if !errors.As(err, &violation) || violation.Code != uniqueViolation {
		return "", 0, err
	}
	other, err := db.New(tx).BuildByNVR(ctx, &nvr)
	if errors.Is(err, pgx.ErrNoRows) {
		// Its owner ended between the two statements.
		return "", 0, &queue.WaitError{Reason: nvr + " was being built"}
	}
	if err != nil {
		return "", 0, err
	}
	if other.State == queue.BuildBuilding {
		return fmt.Sprintf("%s is being built already, as build %d", nvr, other.ID), other.ID, nil
	}
	return fmt.Sprintf("%s was built already, as build %d: raise Release to build it again", nvr, other.ID), other.ID, nil
}

// refuse ends a build whose source package was made and can't be built. Where
// the owner of its NVR is a build of the same commit, the commit's statuses are
// the owner's; 0 is no owner.
func (a *Attempt) refuse(ctx context.Context, tx pgx.Tx, made queue.Status, owner int64, refusal string) error {
	s, build := a.stages, a.build
	if err := queue.LockStatuses(ctx, tx, build.RepositoryID, build.CommitID); err != nil {
		return err
	}
	yielded := false
	if owner != 0 {
		var err error
		if yielded, err = queue.Yield(ctx, tx, s.Jobs, s.ExternalURL, build.ID, owner); err != nil {
			return err
		}
	}
	if !yielded {
		if err := queue.WantStatus(ctx, tx, s.Jobs, made); err != nil {
			return err
		}
	}
	return queue.EndBuild(ctx, tx, s.Jobs, s.ExternalURL, build.ID, queue.BuildEnd{
		State: queue.BuildFailed, Phase: string(PhaseSRPM), Reason: refusal,
	})
}
