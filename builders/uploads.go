package builders

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// maxUploadBytes bounds what one attempt may announce in all.
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
// the attempt is open. A file that was taken already is not read again. What it
// announces is reserved before r is read, so that the files of an attempt never
// take more room than they may, however many are sent at a time; nobody else
// sends the same name of the attempt meanwhile. It returns a *Failure for what
// can't be a result, ErrSealed when the name stands for other bytes,
// queue.ErrLostAttempt, and errors of the store.
func (a *Attempt) Upload(ctx context.Context, file Upload, r io.Reader) error {
	if err := file.check(); err != nil {
		return err
	}
	there, err := a.reserve(ctx, file)
	if there || err != nil {
		return err
	}
	if err := a.receive(ctx, file, r); err != nil {
		a.giveBack(ctx, file)
		return err
	}
	return nil
}

// reserve notes that a file will be sent, if the attempt has room for it; there
// says that it was sent already.
func (a *Attempt) reserve(ctx context.Context, file Upload) (there bool, err error) {
	err = pgx.BeginFunc(ctx, a.stages.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		// A statement of its own: those that follow see what others have announced
		// before they let go of the lock.
		n, err := q.LockOpenAttempt(ctx, db.LockOpenAttemptParams{
			TaskID: a.task.ID, Attempt: a.task.Attempt, HostID: a.task.HostID, ClientID: a.clientID(),
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return queue.ErrLostAttempt
		}
		known, err := q.AnnouncedUploads(ctx, db.AnnouncedUploadsParams{TaskID: a.task.ID, Attempt: a.task.Attempt, Name: file.Name})
		if err != nil {
			return err
		}
		stored := Upload{Name: file.Name, SHA256: known.Sha256, Size: known.Size}
		switch {
		case stored == file:
			there = true
			return nil
		case known.Sha256 != "":
			return ErrSealed
		case known.Files >= maxResults:
			return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("the build left more than %d files", maxResults)}
		case known.Bytes+file.Size > maxUploadBytes:
			return &Failure{Phase: PhaseVerify, Reason: fmt.Sprintf("the results of the build have more than %d bytes", int64(maxUploadBytes))}
		}
		return q.ReserveUpload(ctx, db.ReserveUploadParams{
			TaskID: a.task.ID, Attempt: a.task.Attempt, Name: file.Name, Sha256: file.SHA256, Size: file.Size,
		})
	})
	if err != nil {
		return false, fmt.Errorf("builders: announce %s: %w", file.Name, err)
	}
	return there, nil
}

// receive brings a file that is reserved into the store and notes that it is
// there.
func (a *Attempt) receive(ctx context.Context, file Upload, r io.Reader) error {
	blob, err := a.stages.Store.Put(ctx, &whileOpen{Reader: r, ctx: ctx, attempt: a, looked: time.Now()}, file.SHA256, file.Size)
	if err != nil {
		return fmt.Errorf("builders: store %s: %w", file.Name, err)
	}
	if blob.Size != file.Size {
		return fmt.Errorf("builders: store %s: got %d bytes, want %d: %w", file.Name, blob.Size, file.Size, io.ErrUnexpectedEOF)
	}
	n, err := db.New(a.stages.Pool).StoreUpload(ctx, db.StoreUploadParams{
		TaskID: a.task.ID, Attempt: a.task.Attempt, HostID: a.task.HostID, ClientID: a.clientID(),
		Name: file.Name, Sha256: file.SHA256, Size: file.Size,
	})
	if err != nil {
		return fmt.Errorf("builders: note %s: %w", file.Name, err)
	}
	if n == 0 {
		return queue.ErrLostAttempt
	}
	return nil
}

// lookEvery is how often it is looked whether the attempt of a file that is being
// sent is still open.
const lookEvery = 5 * time.Second

// whileOpen ends with queue.ErrLostAttempt when the attempt is not open any more:
// else hosts could send for attempts without end, each bounded by itself.
type whileOpen struct {
	io.Reader
	ctx     context.Context
	attempt *Attempt
	looked  time.Time
}

// Read implements io.Reader.
func (r *whileOpen) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil || time.Since(r.looked) < lookEvery {
		return n, err
	}
	r.looked = time.Now()
	task := r.attempt.task
	host := queue.Holder{ClientID: r.attempt.clientID()}
	if task.HostID != nil {
		host.ID = *task.HostID
	}
	_, err = queue.Attempt(r.ctx, r.attempt.stages.Pool, host, queue.Claim{TaskID: task.ID, Attempt: task.Attempt})
	if errors.Is(err, queue.ErrLostAttempt) {
		return n, err
	}
	return n, nil // what can't be told now is told at the end
}

// giveBackTime bounds the giving back of a reservation.
const giveBackTime = 10 * time.Second

// giveBack gives the room of a file back that did not arrive. Where it can't, the
// file's next try or the attempt's end does.
func (a *Attempt) giveBack(ctx context.Context, file Upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	err := db.New(a.stages.Pool).GiveUploadBack(ctx, db.GiveUploadBackParams{
		TaskID: a.task.ID, Attempt: a.task.Attempt, Name: file.Name, Sha256: file.SHA256,
	})
	if err != nil {
		a.stages.Logger.Warn("builders: give room of an upload back", "task", a.task.ID, "file", file.Name, "error", err)
	}
}

// clientID is the process that works on the attempt.
func (a *Attempt) clientID() string {
	if a.task.ClientID == nil {
		return ""
	}
	return *a.task.ClientID
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
