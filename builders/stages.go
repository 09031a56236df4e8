package builders

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

// Sources brings the files of a commit to a directory. distgit implements it.
type Sources interface {
	// Prepare writes the package's files at the order's commit, and what its
	// sources file names, into dir, and a line for each step to log. An error
	// with a method Temporary() bool that says true is worth another try.
	Prepare(ctx context.Context, order SourceOrder, dir string, log io.Writer) error
}

// SourceOrder names a commit of a repository.
type SourceOrder struct {
	RepositoryID int64
	Ref          string
	Commit       string
	Package      string
}

// Stages is what the stages of a build need. Safe for concurrent use; fields
// are not changed after the first job.
type Stages struct {
	Pool *pgxpool.Pool
	Jobs queue.Canceler
	// ClientID is the lease the work rests on.
	ClientID string
	Driver   Driver
	Sources  Sources
	Store    *store.Store
	Logs     tasklog.Dirs
	// WorkDir holds what only lives as long as a task.
	WorkDir string
	// ReposDir holds the published repositories: TAG/GENERATION/ARCH.
	ReposDir string
	// ExternalURL is where people reach this installation.
	ExternalURL string
	Logger      *slog.Logger
	// Recipes spares reading a tag's settings for every task; nil reads them.
	Recipes *Recipes
}

// attempt is one attempt of a task, from its claim to its end.
type attempt struct {
	task  db.Task
	build db.GetBuildRow
	// dir is the attempt's own directory; it goes with the attempt.
	dir    string
	logDir string
	// phase is the newest phase, for the reason of a failure.
	phase Phase
}

// makeDirs makes the attempt's directories.
func (s *Stages) makeDirs(a *attempt) error {
	a.dir = filepath.Join(s.WorkDir, strconv.FormatInt(a.task.ID, 10)+"-"+strconv.FormatInt(int64(a.task.Attempt), 10))
	if err := os.RemoveAll(a.dir); err != nil {
		return fmt.Errorf("builders: clear work directory: %w", err)
	}
	for _, name := range []string{"sources", "results"} {
		if err := os.MkdirAll(filepath.Join(a.dir, name), 0o755); err != nil {
			return fmt.Errorf("builders: make work directory: %w", err)
		}
	}
	var err error
	a.logDir, err = s.Logs.Make(a.task.ID, a.task.Attempt)
	return err
}

func (a *attempt) sourceDir() string { return filepath.Join(a.dir, "sources") }
func (a *attempt) resultDir() string { return filepath.Join(a.dir, "results") }

// order is the part of a driver's order that both kinds of work share.
func (s *Stages) order(ctx context.Context, a *attempt, root Recipe) Order {
	return Order{
		TaskID: a.task.ID, Attempt: a.task.Attempt, Root: root, Epoch: a.build.CommittedAt,
		ResultDir: a.resultDir(), LogDir: a.logDir,
		Phase: func(phase Phase) { s.enter(ctx, a, phase) },
	}
}

// enter notes a phase, for pages and for the reason of a failure. That the
// note can't be made is no reason to end a build.
func (s *Stages) enter(ctx context.Context, a *attempt, phase Phase) {
	a.phase = phase
	_, err := db.New(s.Pool).SetTaskPhase(ctx, db.SetTaskPhaseParams{ID: a.task.ID, Attempt: a.task.Attempt, Phase: string(phase)})
	if err != nil && ctx.Err() == nil {
		s.Logger.Warn("builders: note phase", "task", a.task.ID, "phase", phase, "error", err)
	}
}
