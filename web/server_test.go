package web

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/tasklog"
)

var update = flag.Bool("update", false, "write what the tests got to their golden files")

// noon is when all tests happen.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// site is a handler with its own database, directories and log, served over
// real HTTP.
type site struct {
	t      testing.TB
	pool   *pgxpool.Pool
	config Config
	url    string
	client *http.Client
}

// newSite serves an empty installation. change may alter its configuration.
func newSite(tb testing.TB, change ...func(*Config)) *site {
	tb.Helper()
	state := tb.TempDir()
	s := &site{t: tb, pool: dbtest.New(tb)}
	s.config = Config{
		Pool: s.pool, Logs: tasklog.In(state), ReposDir: filepath.Join(state, "repos"), StoreDir: filepath.Join(state, "store"),
		Version: "1.2.3", ExternalURL: "https://distbot.example", Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
		Poll: 10 * time.Millisecond,
	}
	for _, dir := range []string{s.config.ReposDir, s.config.StoreDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	for _, c := range change {
		c(&s.config)
	}
	handler, err := New(s.config)
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	s.url = server.URL
	s.client = server.Client()
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// get asks for a path; headers come in pairs.
func (s *site) get(path string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, headers...)
}

func (s *site) do(method, path string, headers ...string) answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}
}

// page asks for a page and fails unless it is there and says all of facts.
func (s *site) page(path string, facts ...string) string {
	s.t.Helper()
	a := s.get(path)
	if a.status != http.StatusOK {
		s.t.Fatalf("GET %s: status %d, want 200:\n%s", path, a.status, a.body)
	}
	for _, fact := range facts {
		if !strings.Contains(a.body, fact) {
			_, shown, _ := strings.Cut(a.body, "<main")
			s.t.Errorf("GET %s: no %q in:\n%s", path, fact, shown)
		}
	}
	return a.body
}

// exec runs a statement of a test.
func (s *site) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// write writes a file below one of the site's directories.
func (s *site) write(dir, name, text string) {
	s.t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// writeLog writes a log of an attempt.
func (s *site) writeLog(task int64, attempt int32, name, text string) {
	s.t.Helper()
	dir, err := s.config.Logs.Make(task, attempt)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(dir, name, text)
}

// in is the site in a subtest.
func (s *site) in(t *testing.T) *site {
	t.Helper()
	inner := *s
	inner.t = t
	return &inner
}

// queriesOf are the queries on the site's database.
func (s *site) queriesOf() *db.Queries { return db.New(s.pool) }
