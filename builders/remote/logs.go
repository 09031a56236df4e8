package remote

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/distbot/distbot/internal/tasklog"
)

// defaultMaxLog bounds each log of an attempt where nothing else is set.
const defaultMaxLog = 512 << 20

// log appends bytes of a log at their offset. What is there already is not
// written again; what does not begin where the log ends is not written at all.
// Both are answered with how long the log is.
func (s *Server) log(w http.ResponseWriter, r *request) error {
	name := r.PathValue("name")
	if !slices.Contains(tasklog.HostNames(), name) {
		return bad("%.80q is no log of a host", name)
	}
	offset, err := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	if err != nil || offset < 0 {
		return bad("%.40q is no offset", r.URL.Query().Get("offset"))
	}
	text, err := io.ReadAll(io.LimitReader(s.body(r), maxChunk+1))
	switch {
	case err != nil:
		return &requestError{status: http.StatusRequestTimeout, text: "the log did not arrive as a whole"}
	case len(text) > maxChunk:
		return &requestError{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("more than %d bytes at once", maxChunk)}
	}
	if err := r.unlimit(); err != nil {
		return err
	}
	if err := s.Stages.Check(r.Context(), r.holder(), r.claim, r.token); err != nil {
		return err
	}
	size, err := s.Stages.Logs.Append(r.claim.TaskID, r.claim.Attempt, name, offset, text, cmp.Or(s.MaxLog, defaultMaxLog))
	full := errors.Is(err, tasklog.ErrFull)
	if err != nil && !full {
		return err
	}
	writeJSON(w, http.StatusOK, logAnswer{Size: size, Full: full})
	return nil
}
