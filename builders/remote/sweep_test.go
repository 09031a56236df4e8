package remote

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// TestWhatNobodyNeedsIsRemoved follows the bytes of a file that is sent for an
// attempt: they stay while somebody may need them.
func TestWhatNobodyNeedsIsRemoved(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	l := newLiar(t, b, "far-1")
	l.begin(t)
	good := sourcePackage(t)
	lost := []byte("of an attempt that is lost")
	for name, content := range map[string][]byte{"hello-1-1.src.rpm": good, "lost.rpm": lost} {
		if status, p := l.put(t, name, content, sumOf(content)); status != http.StatusOK {
			t.Fatalf("%d %+v", status, p)
		}
	}
	// As by a process that died before it could note what it had stored.
	crashed, err := b.stages.Store.Put(t.Context(), strings.NewReader("of a crash"), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	sweep := func(keep time.Duration) {
		t.Helper()
		s := &builders.Sweeper{Pool: b.Pool, Store: b.stages.Store, Logger: slog.New(slog.DiscardHandler), Keep: keep}
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stored := func(when, digest string, want bool) {
		t.Helper()
		_, err := b.stages.Store.Stat(digest)
		if got := err == nil; got != want || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %.8s is stored: %t, %v, want %t", when, digest, got, err, want)
		}
	}
	sweep(0)
	stored("within a day", crashed.SHA256, true)
	// The clock of file systems is coarse: what is stored now is older than this.
	const now = -time.Minute
	sweep(now)
	stored("without a row", crashed.SHA256, false)
	stored("sent for an open attempt", sumOf(good), true)
	stored("sent for an open attempt", sumOf(lost), true)

	if status, p := l.post(t, taskPath(l.claim, "release"), reasonMessage{Reason: "stopped"}); status != http.StatusOK {
		t.Fatalf("%d %+v", status, p)
	}
	l.claim = queuetest.Give(t, b.Pool, queue.Holder{ID: l.id, ClientID: l.session}, db.Task{ID: l.claim.TaskID})
	var begun beginAnswer
	l.mustPost(t, taskPath(l.claim, "begin"), nil, &begun)
	l.token = begun.Token
	if status, p := l.put(t, "hello-1-1.src.rpm", good, sumOf(good)); status != http.StatusOK {
		t.Fatalf("%d %+v", status, p)
	}
	sweep(now)
	stored("sent for a lost attempt", sumOf(lost), false)
	stored("sent for both", sumOf(good), true)
	if n := queuetest.Value[int](t, b.Pool, "select count(*) from task_uploads where attempt <> $1", l.claim.Attempt); n != 0 {
		t.Errorf("%d uploads of the lost attempt are noted", n)
	}

	file := builders.Upload{Name: "hello-1-1.src.rpm", SHA256: sumOf(good), Size: int64(len(good))}
	if status, p := l.post(t, taskPath(l.claim, "finish"), finishMessage{Outcome: outcome(), Results: []builders.Upload{file}}); status != http.StatusOK {
		t.Fatalf("%d %+v", status, p)
	}
	queuetest.Exec(t, b.Pool, "update tasks set finished_at = now() - interval '2 hours' where id = $1", l.claim.TaskID)
	sweep(now)
	stored("the result of a task", sumOf(good), true)
	if n := queuetest.Value[int](t, b.Pool, "select count(*) from task_uploads"); n != 0 {
		t.Errorf("%d uploads are noted two hours after the end", n)
	}
}
