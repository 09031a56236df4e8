package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// Status is what one context of a commit should show.
type Status struct {
	RepositoryID int64
	Commit       string
	Context      string
	State        string // pending, success, failure or error
	Description  string
	TargetURL    string
	// BuildID orders statuses of builds of the same commit: those of a newer
	// build replace those of an older one, never the other way round. 0 for a
	// push that became no build, of which the newest final state is shown.
	BuildID int64
}

// WantStatus asks in tx for a status to be shown and enqueues its report. A
// status that comes after the same build's final one, or belongs to an older
// build, changes nothing; see Status.BuildID for those without a build.
func WantStatus(ctx context.Context, tx pgx.Tx, inserter Inserter, status Status) error {
	row, err := db.New(tx).WantReport(ctx, db.WantReportParams{
		RepositoryID: status.RepositoryID, CommitID: status.Commit, Context: status.Context,
		State: status.State, Description: OneLine(status.Description), TargetUrl: status.TargetURL, BuildID: status.BuildID,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("queue: want status %s: %w", status.Context, err)
	}
	_, err = Insert(ctx, tx, inserter, ReportArgs{ReportID: row.ID})
	return err
}

// LockStatuses locks the statuses of a commit. Who asks for more than one in a
// transaction locks them first, after builds, tasks and jobs: two builds of
// one commit could wait for each other's statuses otherwise.
func LockStatuses(ctx context.Context, tx pgx.Tx, repositoryID int64, commit string) error {
	if _, err := db.New(tx).LockReports(ctx, db.LockReportsParams{RepositoryID: repositoryID, CommitID: commit}); err != nil {
		return fmt.Errorf("queue: lock statuses of %s: %w", commit, err)
	}
	return nil
}

// maxLine bounds what OneLine keeps, in characters.
const maxLine = 2000

// OneLine makes a single line of at most 2000 characters of text that anybody
// may have written: printable, UTF-8, fit for the database.
func OneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	n := 0
	for i := range text {
		if n++; n > maxLine {
			return text[:i]
		}
	}
	return text
}

// ContextOf names a build's status context: distbot/<target>, or
// distbot/<target>/<part> for one of its parts (srpm or an architecture).
func ContextOf(target, part string) string {
	if part == "" {
		return "distbot/" + target
	}
	return "distbot/" + target + "/" + part
}
