package verify

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/distbot/distbot/repopublish/moduletest"
)

// TestServersThatDenyAnRPM asks servers that answer to HEAD, or to everything
// about one RPM, by a status. The others are still looked at.
func TestServersThatDenyAnRPM(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	dir := v.Write(t, "full")
	files := http.FileServer(http.Dir(dir))
	const rpm = "/demo-1.0-1.module+el8+1+aaaa.x86_64.rpm"
	for what, test := range map[string]struct {
		method string // to which the status is the answer; empty for all
		status int
		ranges bool
		size   string // in the answer to a range; empty for the file's
		text   string // of the finding; empty for none
	}{
		"no HEAD, as of a signed address":        {http.MethodHead, http.StatusForbidden, true, "", ""},
		"no such method":                         {http.MethodHead, http.StatusMethodNotAllowed, true, "", ""},
		"nobody wrote HEAD":                      {http.MethodHead, http.StatusNotImplemented, true, "", ""},
		"neither HEAD nor ranges":                {http.MethodHead, http.StatusMethodNotAllowed, false, "", ""},
		"no HEAD, and another size in the range": {http.MethodHead, http.StatusMethodNotAllowed, true, "17", "17 bytes, primary.xml says"},
		"no HEAD, and no size in the range":      {http.MethodHead, http.StatusMethodNotAllowed, true, "*", ""},
		"no HEAD, and an empty file":             {http.MethodHead, http.StatusForbidden, true, "empty", "0 bytes, primary.xml says"},
		"nothing without a password":             {"", http.StatusUnauthorized, true, "", "401 Unauthorized"},
		"nothing":                                {"", http.StatusForbidden, true, "", "403 Forbidden"},
		"nothing for the law":                    {"", http.StatusUnavailableForLegalReasons, true, "", "451"},
		"nothing there any more":                 {"", http.StatusGone, true, "", "410 Gone"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				isRPM := r.URL.Path == rpm
				switch asked := r.Header.Get("Range"); {
				case isRPM && (test.method == "" || test.method == r.Method):
					w.WriteHeader(test.status)
					return
				case isRPM && r.Method == http.MethodGet && asked != "bytes=0-0":
					t.Errorf("asked for %q of it", asked)
				case isRPM && test.size == "empty":
					w.Header().Set("Content-Range", "bytes */0")
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
					return
				case isRPM && test.size != "":
					w.Header().Set("Content-Range", "bytes 0-0/"+test.size)
					w.WriteHeader(http.StatusPartialContent)
					return
				}
				if !test.ranges {
					r.Header.Del("Range")
				}
				files.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			r := mustVerify(t, false, server.URL)
			var found []string
			for _, f := range r.Findings {
				if f.Rule != RuleRPM || !strings.Contains(f.Message, rpm[1:]) {
					t.Errorf("finding about something else: %v", f)
				}
				found = append(found, f.Message)
			}
			if test.text == "" && len(found) > 0 || test.text != "" && (len(found) != 1 || !strings.Contains(found[0], test.text)) {
				t.Errorf("found %q, want %q", found, test.text)
			}
			if r.Repos[0].Packages != 8 {
				t.Errorf("%d packages", r.Repos[0].Packages)
			}
		})
	}
	t.Run("nothing, and all RPMs are read", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == rpm {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			files.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		r := mustVerify(t, true, server.URL)
		if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Message, "403") || r.Repos[0].Read != 7 {
			t.Errorf("findings %v, read %d", r.Findings, r.Repos[0].Read)
		}
	})
}
