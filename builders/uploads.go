package builders

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// maxUploadBytes bounds what one attempt may send in all.
const maxUploadBytes = 64 << 30

// ErrSealed says that an attempt has ended with other results than these, or
// that a file was sent already with other bytes.
var ErrSealed = errors.New("builders: the results are sealed")

// Upload is a file that a host sends as a result of its attempt.
type Upload struct {
	Name string
	// SHA256 is lower-case hexadecimal.
	SHA256 string
	// Size is in bytes.
	Size int64
}

// check refuses what can't be the name and size of a result.
func (u Upload) check() error {
	refuse := func(format string, args ...any) error {
		return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf(format, args...)}
	}
	plain := !strings.ContainsFunc(u.Name, func(r rune) bool { return r <= ' ' || r == '/' || r == '\\' || r >= 0x7f })
	switch {
	case !plain || len(u.Name) > 255 || !strings.HasSuffix(u.Name, ".rpm") || strings.HasPrefix(u.Name, ".") || strings.HasPrefix(u.Name, "-"):
		return refuse("the build left %.100q, which is no package", u.Name)
	case u.Size < 0 || u.Size > maxResultBytes:
		return refuse("%s has %d bytes, more than %d", u.Name, u.Size, int64(maxResultBytes))
	case len(u.SHA256) != 64 || strings.Trim(u.SHA256, "0123456789abcdef") != "":
		return refuse("%.80q is no SHA-256", u.SHA256)
	}
	return nil
}

// Upload takes a result of the attempt from r into the store and notes it, while
// the attempt is open. A file that was taken already is not read again. It
// returns a *Failure for what can't be a result, ErrSealed when the name stands
// for other bytes, queue.ErrLostAttempt, and errors of the store.
func (a *Attempt) Upload(ctx context.Context, file Upload, r io.Reader) error {
	if err := file.check(); err != nil {
		return err
	}
	known, err := a.uploads(ctx)
	if err != nil {
		return err
	}
	total := file.Size
	for _, k := range known {
		if k.Name == file.Name {
			if k != file {
				return ErrSealed
			}
			return nil
		}
		total += k.Size
	}
	if len(known) >= maxResults {
		return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("the build left more than %d files", maxResults)}
	}
	if total > maxUploadBytes {
		return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("the results of the build have more than %d bytes", int64(maxUploadBytes))}
	}
	blob, err := a.stages.Store.Put(ctx, r, file.SHA256, file.Size)
	if err != nil {
		return fmt.Errorf("builders: store %s: %w", file.Name, err)
	}
	if blob.Size != file.Size {
		return fmt.Errorf("builders: store %s: got %d bytes, want %d: %w", file.Name, blob.Size, file.Size, io.ErrUnexpectedEOF)
	}
	return a.note(ctx, file)
}

// note notes an upload, if the attempt is still open.
func (a *Attempt) note(ctx context.Context, file Upload) error {
	params := db.InsertUploadParams{
		TaskID: a.task.ID, Attempt: a.task.Attempt, HostID: a.task.HostID, Name: file.Name, Sha256: file.SHA256, Size: file.Size,
	}
	if a.task.ClientID != nil {
		params.ClientID = *a.task.ClientID
	}
	n, err := db.New(a.stages.Pool).InsertUpload(ctx, params)
	if err != nil {
		return fmt.Errorf("builders: note %s: %w", file.Name, err)
	}
	if n > 0 {
		return nil
	}
	// The task has ended, or somebody has sent the name at the same time.
	known, err := a.uploads(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(known, func(k Upload) bool { return k.Name == file.Name }) {
		return ErrSealed
	}
	return queue.ErrLostAttempt
}

// uploads are the files that were sent so far, by name.
func (a *Attempt) uploads(ctx context.Context) ([]Upload, error) {
	return a.stages.uploads(ctx, queue.Claim{TaskID: a.task.ID, Attempt: a.task.Attempt})
}

func (s *Stages) uploads(ctx context.Context, claim queue.Claim) ([]Upload, error) {
	rows, err := db.New(s.Pool).UploadsOfAttempt(ctx, db.UploadsOfAttemptParams{TaskID: claim.TaskID, Attempt: claim.Attempt})
	if err != nil {
		return nil, fmt.Errorf("builders: files of %s: %w", claim, err)
	}
	files := make([]Upload, len(rows))
	for i, row := range rows {
		files[i] = Upload{Name: row.Name, SHA256: row.Sha256, Size: row.Size}
	}
	return files, nil
}

// FinishUploaded is Finish with files that were sent before: these and no
// others. It returns ErrSealed when they are not those.
func (a *Attempt) FinishUploaded(ctx context.Context, outcome Outcome, files []Upload) error {
	known, err := a.uploads(ctx)
	if err != nil {
		return err
	}
	if !sameUploads(known, files) {
		return ErrSealed
	}
	return a.finish(ctx, outcome, func(ctx context.Context, check checker) ([]result, error) {
		var results []result
		for _, file := range known {
			if err := ctx.Err(); err != nil {
				return nil, context.Cause(ctx)
			}
			r, err := a.stages.judge(file.Name, store.Blob{SHA256: file.SHA256, Size: file.Size}, check)
			if err != nil {
				return nil, err
			}
			results = append(results, r)
		}
		return results, nil
	})
}

// sameUploads compares known, which is in order, with files, which may be in
// any.
func sameUploads(known, files []Upload) bool {
	files = slices.Clone(files)
	slices.SortFunc(files, func(x, y Upload) int { return strings.Compare(x.Name, y.Name) })
	return slices.Equal(known, files)
}

// Ended tells a host that asks once more, since it did not hear the answer,
// whether its attempt has ended as it wanted. files are nil for one that failed.
// It returns queue.ErrLostAttempt when it was not this host's, ErrToken, and
// ErrSealed when it ended otherwise.
func (s *Stages) Ended(ctx context.Context, host queue.Holder, claim queue.Claim, token []byte, files []Upload) error {
	row, err := db.New(s.Pool).EndedAttempt(ctx, db.EndedAttemptParams{
		ID: claim.TaskID, Attempt: claim.Attempt, HostID: &host.ID, ClientID: host.ClientID,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return queue.ErrLostAttempt
	}
	if err != nil {
		return fmt.Errorf("builders: read end of %s: %w", claim, err)
	}
	if subtle.ConstantTimeCompare(row.TokenDigest, token) != 1 {
		return ErrToken
	}
	if files == nil {
		if row.State != queue.TaskFailed {
			return ErrSealed
		}
		return nil
	}
	known, err := s.uploads(ctx, claim)
	if err != nil {
		return err
	}
	if !sameUploads(known, files) {
		return ErrSealed
	}
	return nil
}

// DropOldUploads forgets what hosts have sent for attempts that ended more than
// an hour ago. The bytes stay in the store.
func (s *Stages) DropOldUploads(ctx context.Context) error {
	if err := db.New(s.Pool).DropOldUploads(ctx); err != nil {
		return fmt.Errorf("builders: forget old uploads: %w", err)
	}
	return nil
}
