package builders

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// fileScheme is what the URL of a directory of the hub begins with.
const fileScheme = "file://"

// ShareRepos notes which directories of the hub the attempt's host may read, and
// returns them by their place among the repositories of the attempt's work.
func (a *Attempt) ShareRepos(ctx context.Context) (map[int]string, error) {
	shared := map[int]string{}
	params := db.SetTaskReposParams{TaskID: a.task.ID, Attempt: a.task.Attempt}
	for place, repo := range a.work.Root.Repos {
		if dir, ok := strings.CutPrefix(repo.URL, fileScheme); ok {
			shared[place] = dir
			params.Places, params.Dirs = append(params.Places, int32(place)), append(params.Dirs, dir)
		}
	}
	if err := db.New(a.stages.Pool).SetTaskRepos(ctx, params); err != nil {
		return nil, fmt.Errorf("builders: share repositories with %s: %w", a.work.Claim, err)
	}
	return shared, nil
}

// SharedRepo is the directory at a place that ShareRepos noted. The error is
// fs.ErrNotExist when there is none.
func (s *Stages) SharedRepo(ctx context.Context, claim queue.Claim, place int32) (string, error) {
	dir, err := db.New(s.Pool).TaskRepo(ctx, db.TaskRepoParams{TaskID: claim.TaskID, Attempt: claim.Attempt, Place: place})
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fs.ErrNotExist
	}
	if err != nil {
		return "", fmt.Errorf("builders: repository %d of %s: %w", place, claim, err)
	}
	return dir, nil
}
