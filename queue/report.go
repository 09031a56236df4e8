package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

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
	// Finer refines State where a forge knows more states; see Finer….
	Finer string
	// Detail is what a forge that shows more says besides the description; nil
	// when there is nothing.
	Detail *Detail
}

// WantStatus is WantStatuses for one.
func WantStatus(ctx context.Context, tx pgx.Tx, inserter Inserter, status Status) error {
	return WantStatuses(ctx, tx, inserter, []Status{status})
}

// WantStatuses asks in tx for statuses to be shown, and enqueues the reports of
// their commits together with the jobs given. A status that comes after the
// same build's final one, or belongs to an older build, changes nothing; see
// Status.BuildID for those without a build.
func WantStatuses(ctx context.Context, tx pgx.Tx, inserter Inserter, statuses []Status, jobs ...river.JobArgs) error {
	_, err := wantAndInsert(ctx, tx, inserter, statuses, jobs)
	return err
}

// wantAndInsert is WantStatuses; it returns the ids of the jobs.
func wantAndInsert(ctx context.Context, tx pgx.Tx, inserter Inserter, statuses []Status, jobs []river.JobArgs) ([]int64, error) {
	given := len(jobs)
	changed := map[ReportArgs]bool{}
	for len(statuses) > 0 {
		now, later := firstOfEach(statuses)
		commits, err := wantReports(ctx, tx, now)
		if err != nil {
			return nil, err
		}
		for _, commit := range commits {
			if args := (ReportArgs{RepositoryID: commit.RepositoryID, Commit: commit.CommitID}); !changed[args] {
				changed[args] = true
				jobs = append(jobs, args)
			}
		}
		statuses = later
	}
	if len(jobs) == 0 {
		return nil, nil
	}
	ids, err := insertAll(ctx, tx, inserter, jobs)
	if err != nil {
		return nil, err
	}
	return ids[:given], nil
}

// firstOfEach parts statuses into the first one of each context, in the order
// in which everybody locks them, and those that come after.
func firstOfEach(statuses []Status) (first, later []Status) {
	seen := map[Status]bool{}
	for _, status := range statuses {
		key := Status{RepositoryID: status.RepositoryID, Commit: status.Commit, Context: status.Context}
		if seen[key] {
			later = append(later, status)
			continue
		}
		seen[key] = true
		first = append(first, status)
	}
	slices.SortFunc(first, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.RepositoryID, b.RepositoryID), strings.Compare(a.Commit, b.Commit), strings.Compare(a.Context, b.Context))
	})
	return first, later
}

// wantReports writes statuses to the outbox and tells whose commits' it
// changed.
func wantReports(ctx context.Context, tx pgx.Tx, statuses []Status) ([]db.WantReportsRow, error) {
	var params db.WantReportsParams
	for _, status := range statuses {
		params.RepositoryIds = append(params.RepositoryIds, status.RepositoryID)
		params.CommitIds = append(params.CommitIds, status.Commit)
		params.Contexts = append(params.Contexts, status.Context)
		params.States = append(params.States, status.State)
		params.Descriptions = append(params.Descriptions, OneLine(status.Description))
		params.TargetUrls = append(params.TargetUrls, status.TargetURL)
		params.BuildIds = append(params.BuildIds, status.BuildID)
		params.Finer, params.Details = append(params.Finer, status.Finer), append(params.Details, status.Detail.text())
	}
	changed, err := db.New(tx).WantReports(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("queue: want status %s: %w", statuses[0].Context, err)
	}
	return changed, nil
}

// LockStatuses locks the statuses of a commit. Who asks for statuses more than
// once in a transaction locks them first, after builds, tasks and jobs: two
// builds of one commit could wait for each other's statuses otherwise.
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
