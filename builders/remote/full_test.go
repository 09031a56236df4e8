package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distbot/distbot/internal/store"
)

// TestFullDiskIsReadable answers a host whose results find no room: it can tell,
// and ask again.
func TestFullDiskIsReadable(t *testing.T) {
	t.Parallel()
	s := &Server{Logger: slog.New(slog.DiscardHandler)}
	for name, cause := range map[string]error{
		"The store":           fmt.Errorf("store: put: %w: %w", store.ErrFull, syscall.EFBIG),
		"The disk of logs":    &fs.PathError{Op: "write", Path: "build.log", Err: syscall.ENOSPC},
		"A quota":             &fs.PathError{Op: "write", Path: "build.log", Err: syscall.EDQUOT},
		"The database's disk": &pgconn.PgError{Code: "53100", Message: "could not extend file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			s.refuseRequest(w, &request{Request: httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", nil)}, fmt.Errorf("builders: note: %w", cause))
			answer := w.Result()
			defer answer.Body.Close()
			err := readProblem(answer)
			var told *AnswerError
			if !errors.As(err, &told) || told.Status != http.StatusInsufficientStorage || !passing(err) ||
				!strings.HasSuffix(err.Error(), "507 Insufficient Storage: no space is left on the hub's disk") {
				t.Errorf("the host is told %v, passing: %t", err, passing(err))
			}
		})
	}
}
