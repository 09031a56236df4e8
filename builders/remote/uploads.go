package remote

import (
	"net/http"

	"github.com/distbot/distbot/builders"
)

// upload takes a result of an attempt. A host that sent it before is answered
// before it sends it again.
func (s *Server) upload(w http.ResponseWriter, r *request) error {
	if r.ContentLength < 0 {
		return &requestError{status: http.StatusLengthRequired, text: "the length of the file is missing"}
	}
	attempt, err := s.attempt(r)
	if err != nil {
		return err
	}
	file := builders.Upload{Name: r.PathValue("name"), SHA256: r.Header.Get(headerSHA256), Size: r.ContentLength}
	if err := attempt.Upload(r.Context(), file, s.body(r)); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}
