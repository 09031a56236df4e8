package builders

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// Attempt is an attempt of a task as the hub sees it, from its beginning at a
// host to its end. Whoever carries it out calls Prepare once, Phase now and
// then, and one of Finish, Fail and Release at the end, again when it returned
// an error; nobody calls them at the same time. Each answers queue.ErrLostAttempt
// when the attempt was given up meanwhile: nothing of it is recorded then.
type Attempt struct {
	stages *Stages
	task   db.Task
	build  db.GetBuildRow
	work   Work
	// recipe is what the buildroot is made of, as it is recorded.
	recipe json.RawMessage
	// seen is the generation of the build tag's repository that is part of it;
	// nil for none.
	seen *int64
}

// Begin opens an attempt that the host was given, and says so in the commit's
// statuses. token is the SHA-256 of what the host will show with every request,
// nil for the hub's own. An attempt that can't be worked on, since the tag's
// settings don't allow it or too many hosts died with the task, ends here; it
// returns queue.ErrTaskOver then, as for one that is not this host's.
func (s *Stages) Begin(ctx context.Context, host queue.Holder, claim queue.Claim, token []byte) (*Attempt, error) {
	a, err := s.begin(ctx, host, claim, token)
	if a == nil {
		return nil, err
	}
	if err == nil {
		a.work, err = s.work(ctx, a)
	}
	if err == nil {
		err = a.noteRoot(ctx)
	}
	if err == nil {
		return a, nil
	}
	if endErr := a.end(ctx, err); endErr != nil && !errors.Is(endErr, queue.ErrLostAttempt) {
		return nil, endErr
	}
	return nil, queue.ErrTaskOver
}

// begin opens the attempt, with its statuses. There is one beside a
// *queue.TooManyLossesError, too, and beside no other error.
func (s *Stages) begin(ctx context.Context, host queue.Holder, claim queue.Claim, token []byte) (a *Attempt, err error) {
	var losses *queue.TooManyLossesError
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		task, err := queue.Begin(ctx, tx, host, claim, token)
		if err != nil && !errors.As(err, &losses) {
			return err
		}
		if a, err = s.attempt(ctx, tx, task); err != nil || losses != nil {
			return err
		}
		return a.tellBegin(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	if losses != nil {
		return a, losses
	}
	return a, nil
}

// tellBegin asks for the statuses of an attempt that has begun. A host that asks
// twice changes nothing by that.
func (a *Attempt) tellBegin(ctx context.Context, tx pgx.Tx) error {
	begun, err := db.New(tx).BegunAttempt(ctx, a.task.ID)
	if err != nil {
		return fmt.Errorf("builders: read host of task %d: %w", a.task.ID, err)
	}
	doing := "building on " + begun.Host
	if a.task.Attempt > 1 {
		doing += fmt.Sprintf(", attempt %d", a.task.Attempt)
	}
	if begun.Before != "" {
		doing += "; before: " + begun.Before
	}
	statuses := []queue.Status{queue.ArchStatus(a.task.Policy, a.status(statusPart(a.task), "pending", doing))}
	if a.task.Method == queue.MethodBuildSRPM {
		statuses = append(statuses, a.status("", "pending", "making the source package"))
	}
	return queue.WantStatuses(ctx, tx, a.stages.Jobs, statuses)
}

// ErrToken says that a request about an attempt did not show the secret that was
// made when the attempt began.
var ErrToken = errors.New("builders: wrong token for the attempt")

// Check makes sure that a request comes from the host that works on an attempt.
// token is the SHA-256 of what it showed. It returns queue.ErrLostAttempt when
// the attempt is not open, or is not, or no longer, the host's; and ErrToken.
func (s *Stages) Check(ctx context.Context, host queue.Holder, claim queue.Claim, token []byte) error {
	_, err := s.open(ctx, host, claim, token)
	return err
}

// noteRoot keeps what the attempt's buildroot is made of: repositories will have
// moved on when its results are there, or when somebody asks which one a build
// has seen.
func (a *Attempt) noteRoot(ctx context.Context) error {
	var err error
	if a.recipe, err = json.Marshal(recorded(a.work.Root)); err != nil {
		return fmt.Errorf("builders: note recipe: %w", err)
	}
	note := db.SetTaskRootParams{ID: a.task.ID, Attempt: a.task.Attempt, GenerationID: a.seen}
	if a.task.TokenDigest != nil { // else the same Attempt will see the end
		note.Recipe = a.recipe
	}
	n, err := db.New(a.stages.Pool).SetTaskRoot(ctx, note)
	if err != nil {
		return fmt.Errorf("builders: note buildroot of task %d: %w", a.task.ID, err)
	}
	if n == 0 {
		return queue.ErrLostAttempt
	}
	return nil
}

// Continue is the open attempt of a host, for a request about it, see Check. Its
// Work is empty: that was told at the beginning.
func (s *Stages) Continue(ctx context.Context, host queue.Holder, claim queue.Claim, token []byte) (*Attempt, error) {
	task, err := s.open(ctx, host, claim, token)
	if err != nil {
		return nil, err
	}
	return s.attempt(ctx, s.Pool, task)
}

func (s *Stages) open(ctx context.Context, host queue.Holder, claim queue.Claim, token []byte) (db.Task, error) {
	task, err := queue.Attempt(ctx, s.Pool, host, claim)
	if err != nil {
		return db.Task{}, err
	}
	if subtle.ConstantTimeCompare(task.TokenDigest, token) != 1 {
		return db.Task{}, ErrToken
	}
	return task, nil
}

// attempt reads what is known of a task's build.
func (s *Stages) attempt(ctx context.Context, conn db.DBTX, task db.Task) (*Attempt, error) {
	row, err := db.New(conn).BuildOfTask(ctx, task.ID)
	if err != nil {
		return nil, fmt.Errorf("builders: read build of task %d: %w", task.ID, err)
	}
	return &Attempt{stages: s, task: task, build: db.GetBuildRow(row), recipe: task.Recipe}, nil
}

// work says what there is to do.
func (s *Stages) work(ctx context.Context, a *Attempt) (Work, error) {
	group := groupBuild
	if a.task.Method == queue.MethodBuildSRPM {
		group = groupSRPMBuild
	}
	if a.task.RootArch == "" {
		return Work{}, &Failure{Phase: PhaseBuildroot, Reason: "tag " + a.build.BuildTagName + " has no arches"}
	}
	var root Recipe
	var err error
	if a.build.RebuildOf != nil && a.task.Method == queue.MethodBuildArch {
		root, err = s.rebuildRecipe(ctx, a)
	} else {
		root, a.seen, err = s.recipe(ctx, a.build, group, a.task.RootArch)
	}
	if err != nil {
		return Work{}, err
	}
	work := Work{
		Claim: queue.Claim{TaskID: a.task.ID, Attempt: a.task.Attempt}, Method: a.task.Method, Arch: a.task.Arch,
		Root: root, Epoch: a.build.CommittedAt, Spec: a.build.Spec,
	}
	if a.task.Method == queue.MethodBuildSRPM {
		return work, nil
	}
	if work.SRPM, err = a.SourcePackage(ctx); err != nil {
		return Work{}, err
	}
	return work, nil
}

// SourcePackage is what the attempt's packages are built from.
func (a *Attempt) SourcePackage(ctx context.Context) (SourcePackage, error) {
	srpm, err := db.New(a.stages.Pool).SRPMOfBuild(ctx, a.build.ID)
	if err != nil {
		return SourcePackage{}, fmt.Errorf("builders: source package of build %d: %w", a.build.ID, err)
	}
	return SourcePackage{Name: srpm.Name, SHA256: srpm.Sha256, Size: srpm.Size}, nil
}

// Work is what there is to do.
func (a *Attempt) Work() Work { return a.work }

// The names of what Prepare brings for a source package.
const (
	SourcesDir  = "sources"
	HistoryFile = "history.json"
)

// Prepare brings what the work begins with, and returns where it lies: in dir,
// an empty directory, SourcesDir with the spec and every source in it, beside
// HistoryFile where the spec wants the package's history; or the source package
// in the hub's store.
func (a *Attempt) Prepare(ctx context.Context, dir string) (string, error) {
	if a.task.Method != queue.MethodBuildSRPM {
		return a.stages.Store.Path(store.Blob{SHA256: a.work.SRPM.SHA256, Size: a.work.SRPM.Size}), nil
	}
	sources := filepath.Join(dir, SourcesDir)
	if err := os.Mkdir(sources, 0o755); err != nil {
		return "", fmt.Errorf("builders: make directory for sources: %w", err)
	}
	return sources, a.checkout(ctx, sources, filepath.Join(dir, HistoryFile))
}

// Logs is the directory of the attempt's logs, which people follow while they
// grow.
func (a *Attempt) Logs() (string, error) { return a.stages.Logs.Make(a.task.ID, a.task.Attempt) }

// Phase notes that a phase began, for pages and for the reason of a failure.
// That the note can't be made is no reason to end a build.
func (a *Attempt) Phase(ctx context.Context, phase Phase) {
	a.task.Phase = string(phase)
	_, err := db.New(a.stages.Pool).SetTaskPhase(ctx, db.SetTaskPhaseParams{ID: a.task.ID, Attempt: a.task.Attempt, Phase: string(phase)})
	if err != nil && ctx.Err() == nil {
		a.stages.Logger.Warn("builders: note phase", "task", a.task.ID, "phase", phase, "error", err)
	}
}

// Finish takes the packages that lie in dir, regular files with no directories
// between, checks and stores them, and ends the attempt with them; or as failed,
// when they are not what they should be. An error means that the end could not
// be recorded: the same call may be made again.
func (a *Attempt) Finish(ctx context.Context, outcome Outcome, dir string) error {
	return a.finish(ctx, outcome, func(ctx context.Context, check checker) ([]result, error) {
		return a.stages.collect(ctx, dir, check)
	})
}

// finish is Finish with results from anywhere.
func (a *Attempt) finish(ctx context.Context, outcome Outcome, from gatherer) error {
	finish := a.finishArch
	if a.task.Method == queue.MethodBuildSRPM {
		finish = a.finishSRPM
	}
	a.task.Phase = string(PhaseVerify)
	err := a.guard(func() error { return finish(ctx, outcome, from) })
	if err == nil {
		a.stages.Logger.Info("builders: task done", "task", a.task.ID, "method", a.task.Method, "arch", a.task.Arch, "build", a.build.ID)
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, queue.ErrLostAttempt) || queue.Passing(err) {
		return err
	}
	return a.end(ctx, err)
}

// Close ends the use of the attempt; nothing has to be let go of.
func (a *Attempt) Close() {}

// guard turns a panic into an error: what a hostile package can trip over must
// end its own build like any other failure.
func (a *Attempt) guard(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			a.stages.Logger.Error("builders: panic", "task", a.task.ID, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("builders: panic: %v", p)
		}
	}()
	return do()
}
