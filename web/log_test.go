package web

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/tasklog"
)

func TestARawLogIsPlainAndPrintable(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	text := strings.Repeat("\x1b[31mred\x1b[0m <script>\r\n\u202eü\x00\xff\n", 20_000) + "\x1b]0;title\x07no end"
	s.writeLog(12, 1, "build.log", text)
	a := s.get("/logs/tasks/12/1/build.log")
	if a.status != http.StatusOK || a.body != tasklog.Printable(text) {
		t.Errorf("status %d, %d bytes, want 200 and the %d bytes of tasklog.Printable", a.status, len(a.body), len(tasklog.Printable(text)))
	}
	if a.header.Get("Content-Type") != "text/plain; charset=utf-8" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("header %v", a.header)
	}
	if a := s.do(http.MethodHead, "/logs/tasks/12/1/build.log"); a.status != http.StatusOK || a.body != "" {
		t.Errorf("HEAD: status %d", a.status)
	}
}

func TestALogsPageShowsItsEnd(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "line %06d of a log that is longer than a page\n", i)
	}
	text.WriteString("begun but not en")
	s.writeLog(12, 1, "build.log", text.String())
	body := s.page("/tasks/12/logs/build.log", "line 019999 of", "The end of 938 KiB.")
	_, shown, _ := strings.Cut(body, "<pre")
	_, shown, _ = strings.Cut(shown, ">")
	shown, _, _ = strings.Cut(shown, "</pre>")
	if len(shown) > logTail || len(shown) < logTail-200 {
		t.Errorf("%d bytes are shown, want a bit less than %d", len(shown), logTail)
	}
	if !strings.HasPrefix(shown, "line 0") || strings.Contains(shown, "begun") {
		t.Errorf("what is shown has half lines: %.60q … %q", shown, shown[len(shown)-60:])
	}
	// Page and stream together are the whole end, without a gap or an overlap.
	follow := regexp.MustCompile(`data-follow="([^"]+)"`).FindStringSubmatch(body)
	s.appendLog("ded\n")
	s.exec("update tasks set state = 'CLOSED' where id = 12")
	l := s.listen(strings.ReplaceAll(follow[1], "&amp;", "&"))
	l.wantText("begun but not ended\n")
	l.wantEnd()
	s.page("/tasks/12/logs/build.log", "begun but not ended\n</pre>")
}

func TestALogsPageOfOneEndlessLine(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.writeLog(4, 2, "build.log", strings.Repeat("x", logTail+100))
	if body := s.page("/tasks/4/logs/build.log"); !strings.Contains(body, strings.Repeat("x", logTail)) {
		t.Error("the end of the line is not shown")
	}
}

// TestALogsPageShowsALine asks for the line that a failure is about.
func TestALogsPageShowsALine(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "line %06d of a log <b> that is longer than a page\r\n", i+1)
	}
	s.writeLog(12, 1, "build.log", text.String())
	for _, test := range []struct {
		name, query    string
		with           []string
		without, above string
	}{
		{
			"In the middle", "?line=9000",
			[]string{`<mark id="line">line 009000 of a log &lt;b&gt; that is longer than a page` + "\n</mark>line 009001", "line 008900 of", "Around line 9000 of"},
			"data-follow", "line 008899 of",
		},
		{"The first", "?line=1", []string{`<mark id="line">line 000001 of`, "</mark>line 000002"}, "data-end", "line 020000"},
		{"The last", "?attempt=1&line=20000", []string{`<mark id="line">line 020000 of`}, "data-end", "line 019899 of"},
		{"One after the last", "?line=20050", []string{"line 020000 of"}, "<mark", "line 019949 of"},
		{"One far after the last", "?line=2147483647", []string{"Around line 2147483647"}, "<mark", "line 020000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			body := s.page("/tasks/12/logs/build.log"+test.query, test.with...)
			for _, text := range []string{test.without, test.above} {
				if strings.Contains(body, text) {
					t.Errorf("the page holds %q", text)
				}
			}
		})
	}
	for _, query := range []string{"?line=0", "?line=x", "?line=-1"} {
		if a := s.get("/tasks/12/logs/build.log" + query); a.status != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", query, a.status)
		}
	}
}
