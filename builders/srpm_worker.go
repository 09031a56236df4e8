package builders

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/queue"
)

// SRPMWorker works buildSRPM tasks.
type SRPMWorker struct {
	river.WorkerDefaults[queue.SRPMArgs]
	*Stages
}

// Work makes the source package of a build, names the build by it, and starts
// the arch tasks.
func (w *SRPMWorker) Work(ctx context.Context, job *river.Job[queue.SRPMArgs]) error {
	return w.run(ctx, job.JobRow, job.Args.TaskID, func(ctx context.Context, a *attempt) error {
		// The source package is the same on every architecture of the tag;
		// the first one makes it.
		if len(a.build.BuildTagArches) == 0 {
			return &Failure{Phase: PhaseBuildroot, Reason: "tag " + a.build.BuildTagName + " has no arches"}
		}
		root, err := w.recipe(ctx, a.build, groupSRPMBuild, a.build.BuildTagArches[0])
		if err != nil {
			return err
		}
		if err := w.prepareSources(ctx, a); err != nil {
			return err
		}
		outcome, err := w.Driver.SRPM(ctx, SRPMOrder{Order: w.order(ctx, a, root), SourceDir: a.sourceDir(), Spec: a.build.Spec})
		if err != nil {
			return err
		}
		results, err := w.collect(ctx, a, checkSource(a.build))
		if err != nil {
			return err
		}
		if len(results) != 1 {
			return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("%d source packages were made of %s, expected one", len(results), a.build.Spec)}
		}
		return w.finishSRPM(ctx, job, a, root, outcome, results)
	})
}

// prepareSources checks the package out, with a log people can read.
func (w *SRPMWorker) prepareSources(ctx context.Context, a *attempt) error {
	w.enter(ctx, a, PhaseSources)
	log, err := os.Create(filepath.Join(a.logDir, "checkout.log"))
	if err != nil {
		return fmt.Errorf("builders: create checkout log: %w", err)
	}
	defer log.Close()
	err = w.Sources.Prepare(ctx, SourceOrder{
		RepositoryID: a.build.RepositoryID, Ref: a.build.Ref, Commit: a.build.CommitID, Package: a.build.Package,
	}, a.sourceDir(), log)
	if err == nil {
		return nil
	}
	fmt.Fprintln(log, err)
	var temporary interface{ Temporary() bool }
	infrastructure := errors.As(err, &temporary) && temporary.Temporary()
	return &Failure{Phase: PhaseSources, Infrastructure: infrastructure, Reason: err.Error(), Err: err}
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
func (w *SRPMWorker) finishSRPM(ctx context.Context, job *river.Job[queue.SRPMArgs], a *attempt, root Recipe, outcome Outcome, results []result) error {
	pkg := results[0].pkg
	arches, archErr := SelectArches(a.build.BuildTagArches, ArchTags{
		BuildArch: pkg.BuildArchs, ExclusiveArch: pkg.ExclusiveArch, ExcludeArch: pkg.ExcludeArch,
	})
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		if _, err := db.New(tx).LockBuild(ctx, a.build.ID); err != nil {
			return err
		}
		if _, err := queue.Finish(ctx, tx, a.task, queue.Ending{State: queue.TaskClosed}); err != nil {
			return err
		}
		if err := w.record(ctx, tx, a, root, outcome, results); err != nil {
			return err
		}
		refusal, err := w.claimNVR(ctx, tx, a.build, pkg)
		if err != nil {
			return err
		}
		if refusal == "" && archErr != nil {
			refusal = queue.OneLine(fmt.Sprintf("no matching arches were found: the package is for %s, the tag %s has %s",
				archTagsText(pkg), a.build.BuildTagName, strings.Join(a.build.BuildTagArches, " ")))
		}
		made := w.status(a.build, "srpm", "success", results[0].file)
		if refusal != "" {
			err = w.refuse(ctx, tx, a.build, made, refusal)
		} else {
			err = w.startArches(ctx, tx, a, made, pkg.NVR(), arches)
		}
		if err != nil {
			return err
		}
		return queue.Complete(ctx, tx, job)
	})
	if err != nil {
		return fmt.Errorf("builders: finish source package of build %d: %w", a.build.ID, err)
	}
	return nil
}

// uniqueViolation is PostgreSQL's SQLSTATE 23505.
const uniqueViolation = "23505"

// claimNVR names the build. An NVR is built once, scratch builds exempt; the
// refusal says which build has it.
func (w *SRPMWorker) claimNVR(ctx context.Context, tx pgx.Tx, build db.GetBuildRow, pkg *rpmfile.Package) (refusal string, err error) {
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
		return "", err
	}
	owner, err := db.New(tx).BuildByNVR(ctx, &nvr)
	if errors.Is(err, pgx.ErrNoRows) {
		// Its owner ended between the two statements.
		return "", &queue.WaitError{Reason: nvr + " was being built"}
	}
	if err != nil {
		return "", err
	}
	if owner.State == queue.BuildBuilding {
		return fmt.Sprintf("%s is being built already, as build %d", nvr, owner.ID), nil
	}
	return fmt.Sprintf("%s was built already, as build %d: raise Release to build it again", nvr, owner.ID), nil
}

// refuse ends a build whose source package was made and can't be built.
func (w *SRPMWorker) refuse(ctx context.Context, tx pgx.Tx, build db.GetBuildRow, made queue.Status, refusal string) error {
	if err := queue.LockStatuses(ctx, tx, build.RepositoryID, build.CommitID); err != nil {
		return err
	}
	if err := queue.WantStatus(ctx, tx, w.Jobs, made); err != nil {
		return err
	}
	return queue.EndBuild(ctx, tx, w.Jobs, w.ExternalURL, build.ID, queue.BuildEnd{
		State: queue.BuildFailed, Phase: string(PhaseSRPM), Reason: refusal,
	})
}

// startArches adds the arch tasks.
func (w *SRPMWorker) startArches(ctx context.Context, tx pgx.Tx, a *attempt, made queue.Status, nvr string, arches []ArchTask) error {
	statuses := []queue.Status{made, w.status(a.build, "", "pending", "building "+nvr)}
	tasks := make([]queue.NewArch, len(arches))
	for i, arch := range arches {
		tasks[i] = queue.NewArch{Arch: arch.Arch, RootArch: arch.RootArch, Label: nvr + "." + arch.Arch}
		statuses = append(statuses, w.status(a.build, arch.Arch, "pending", "waiting for a builder"))
	}
	return queue.AddArches(ctx, tx, w.Jobs, a.build.ID, *a.task.ParentID, tasks, statuses)
}

// archTagsText says in words which architectures a source package is for.
func archTagsText(pkg *rpmfile.Package) string {
	var parts []string
	for _, tag := range []struct {
		name string
		list []string
	}{{"BuildArch", pkg.BuildArchs}, {"ExclusiveArch", pkg.ExclusiveArch}, {"ExcludeArch", pkg.ExcludeArch}} {
		if len(tag.list) > 0 {
			parts = append(parts, tag.name+" "+strings.Join(tag.list, " "))
		}
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}
