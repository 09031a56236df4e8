package builders

import (
	"context"
	"io"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

// Sources brings the files of a commit to a directory. distgit implements it.
type Sources interface {
	// Prepare writes the package's files at the order's commit, and what its
	// sources file names, into dir, and a line for each step to log. Where the
	// spec uses %autorelease or %autochangelog it also writes the order's
	// History. An error with a method Temporary() bool that says true is worth
	// another try.
	Prepare(ctx context.Context, order SourceOrder, dir string, log io.Writer) error
}

// SourceOrder names a commit of a repository.
type SourceOrder struct {
	RepositoryID int64
	Ref          string
	Commit       string
	Package      string
	// History is the path of a file that is not there yet, for what
	// autospec.Decode reads.
	History string
}

// Stages is what the hub needs for the stages of a build: what hosts begin with
// and what becomes of their results. Safe for concurrent use; fields
// are not changed after the first job.
type Stages struct {
	Pool    *pgxpool.Pool
	Jobs    queue.Canceler
	Sources Sources
	Store   *store.Store
	Logs    tasklog.Dirs
	// ReposDir holds the published repositories: TAG/GENERATION/ARCH.
	ReposDir string
	// ExternalURL is where people reach this installation.
	ExternalURL string
	Logger      *slog.Logger
	// Recipes spares reading a tag's settings for every task; nil reads them.
	Recipes *Recipes
	// Nearest finds what comes close to missing requirements; nil does not look.
	Nearest *Nearest
	// Imported is told of the packages of a build as they become part of it, in
	// the transaction that records them, and returns what to warn of; nil is not
	// told. An error ends the import, which is tried again.
	Imported func(ctx context.Context, tx pgx.Tx, buildID int64) (warnings []string, err error)
}

// status is the status of a part of a build.
func (s *Stages) status(build db.GetBuildRow, part, state, description string) queue.Status {
	return queue.Status{
		RepositoryID: build.RepositoryID, Commit: build.CommitID, Context: queue.ContextOf(build.Target, part),
		State: state, Description: description, TargetURL: queue.BuildURL(s.ExternalURL, build.ID), BuildID: build.ID,
	}
}
