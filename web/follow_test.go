package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// event is a server-sent event as a browser takes it.
type event struct{ name, id, data string }

// text is the event's data.
func (e event) text(tb testing.TB) string {
	tb.Helper()
	var text string
	if err := json.Unmarshal([]byte(e.data), &text); err != nil {
		tb.Fatalf("event %+v: %v", e, err)
	}
	return text
}

// listener reads a stream of events.
type listener struct {
	t      testing.TB
	status int
	events chan event
	beats  chan struct{}
	// close hangs up.
	close context.CancelFunc
}

// listen opens a stream. It is closed with the test.
func (s *site) listen(path string, headers ...string) *listener {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	s.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request) //nolint:bodyclose // the reader closes it
	if err != nil {
		s.t.Fatal(err)
	}
	l := &listener{t: s.t, status: response.StatusCode, events: make(chan event, 1000), beats: make(chan struct{}, 1000), close: cancel}
	if l.status == http.StatusOK && response.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		s.t.Errorf("Content-Type %q", response.Header.Get("Content-Type"))
	}
	go func() {
		defer close(l.events)
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		var e event
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case ":":
				l.beats <- struct{}{}
			case "":
				if e != (event{}) {
					l.events <- e
				}
				e = event{}
			}
		}
	}()
	return l
}

// next waits for the next event; ok is false at the end of the stream.
func (l *listener) next() (e event, ok bool) {
	l.t.Helper()
	select {
	case e, ok = <-l.events:
		return e, ok
	case <-time.After(20 * time.Second):
		l.t.Fatal("no event within 20 s")
		return event{}, false
	}
}

// want waits for an event of a name.
func (l *listener) want(name string) event {
	l.t.Helper()
	e, ok := l.next()
	if !ok || e.name != name {
		l.t.Fatalf("event %+v (stream open: %v), want %s", e, ok, name)
	}
	return e
}

// wantText collects text events until there are as many bytes as want has.
func (l *listener) wantText(want string) event {
	l.t.Helper()
	var got string
	var e event
	for len(got) < len(want) {
		e = l.want("text")
		got += e.text(l.t)
	}
	if got != want {
		l.t.Fatalf("text %q, want %q", got, want)
	}
	return e
}

// wantEnd waits for "done" and the end of the stream.
func (l *listener) wantEnd() {
	l.t.Helper()
	l.want("done")
	if e, ok := l.next(); ok {
		l.t.Fatalf("event %+v after done", e)
	}
}

// appendLog adds to the build.log of task 12, as its worker does.
func (s *site) appendLog(text string) {
	s.t.Helper()
	file, err := os.OpenFile(filepath.Join(s.config.Logs.Dir(12, 1), "build.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

func TestALogIsFollowedUntilItsTaskIsOver(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	l := s.listen("/tasks/12/logs/build.log/follow?attempt=1&offset=14")
	l.wantText("checking for gcc... gcc\n+ make\n")
	s.appendLog("\x1b[1mgcc\x1b[0m <hello.c>\nhalf a li")
	e := l.wantText("gcc <hello.c>\n")
	if e.id != "1:67" {
		t.Errorf("id %q, want 1:67: the whole lines", e.id)
	}
	s.appendLog("ne\n")
	l.wantText("half a line\n")
	// What is written before the end is sent before "done", line or not.
	s.appendLog("last words")
	s.exec("update tasks set state = 'CLOSED', finished_at = now() where id = 12")
	l.wantText("last words")
	l.wantEnd()
}

func TestALogThatIsNotThereYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	// The stream is open before anything was sent, a heartbeat included.
	s := newFixture(t, func(c *Config) { c.Heartbeat = time.Hour })
	l := s.listen("/tasks/12/logs/root.log/follow")
	s.writeLog(12, 1, "root.log", "Installing\n")
	l.wantText("Installing\n")
	s.exec("update tasks set state = 'FAILED' where id = 12")
	l.wantEnd()
}

func TestAFollowerGoesOnToTheNextAttempt(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	l := s.listen("/tasks/12/logs/build.log/follow?attempt=1&offset=45")
	s.appendLog("killed in the mid")
	s.exec("update tasks set state = 'FREE', attempt = 2 where id = 12")
	l.wantText("killed in the mid")
	if e := l.want("attempt"); e.data != "2" || e.id != "2:0" {
		t.Errorf("event %+v, want attempt 2 from its beginning", e)
	}
	s.writeLog(12, 3, "build.log", "again\n")
	s.exec("update tasks set state = 'OPEN', attempt = 3 where id = 12")
	l.want("attempt")
	l.wantText("again\n")
	s.exec("update tasks set state = 'CLOSED' where id = 12")
	l.wantEnd()
}

func TestABrokenConnectionGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	l := s.listen("/tasks/12/logs/build.log/follow?offset=14")
	last := l.wantText("checking for gcc... gcc\n+ make\n")
	l.close()
	s.appendLog("more\n")
	l = s.listen("/tasks/12/logs/build.log/follow?offset=14", "Last-Event-ID", last.id)
	l.wantText("more\n")
	l.close()
	if l := s.listen("/tasks/12/logs/build.log/follow", "Last-Event-ID", "x"); l.status != http.StatusBadRequest {
		t.Errorf("an id that is none of ours: status %d", l.status)
	}
}

func TestAFinishedLogIsSentAndEnds(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	l := s.listen("/tasks/4/logs/build.log/follow")
	l.wantText("+ make\n+ make check\n")
	l.wantEnd()
}

func TestABuildsPageIsToldOfEveryChange(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	fingerprint := func() string {
		row, err := s.queriesOf().BuildFingerprint(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		return row.Fingerprint
	}
	seen := fingerprint()
	l := s.listen("/builds/3/events?seen=" + seen)
	for _, change := range []string{
		"update tasks set phase = 'files' where id = 12",
		"update tasks set state = 'OPEN', attempt = 3 where id = 13",
		"update builds set nvr = 'hello-2.0-3.fc37' where id = 3",
		"update reports set sent_seq = seq where build_id = 3 and context = 'distbot/f37/x86_64'",
		"update tasks set state = 'CLOSED' where build_id = 3",
		"update builds set state = 'COMPLETE', finished_at = now(), tagged_rev = 10 where id = 3",
		"insert into tag_builds (tag_id, build_id, package_id, create_event) select 1, id, package_id, 1 from builds where id = 3",
	} {
		s.exec(change)
		if e := l.want("changed"); e.id != fingerprint() {
			t.Errorf("after %s: id %q, want the new fingerprint %s", change, e.id, fingerprint())
		}
	}
	// Everything is done but a status that is still to be sent.
	s.exec("update builds set published_at = now() where id = 3")
	l.want("changed")
	s.exec("update reports set sent_seq = seq where build_id = 3")
	l.want("changed")
	l.wantEnd()

	// Who comes back is told what changed meanwhile, and only that.
	l = s.listen("/builds/3/events?seen=x", "Last-Event-ID", seen)
	l.want("changed")
	l.wantEnd()
	l = s.listen("/builds/3/events?seen=" + fingerprint())
	l.wantEnd()
}

func TestFollowersAreCountedAndBounded(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *Config) { c.Followers = 2 })
	first, second := s.listen("/builds/3/events"), s.listen("/tasks/12/logs/build.log/follow")
	first.want("changed")
	second.want("text")
	s.page("/metrics", "distbot_web_followers 2\n")
	for _, path := range []string{"/builds/3/events", "/tasks/12/logs/build.log/follow"} {
		a := s.get(path)
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "Too many live pages") {
			t.Errorf("GET %s: status %d, want 503", path, a.status)
		}
	}
	s.page("/builds/3") // pages don't count
	first.close()
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(s.page("/metrics"), "distbot_web_followers 1\n") {
		if time.Now().After(deadline) {
			t.Fatal("a follower that hung up is still counted after 20 s")
		}
	}
	if l := s.listen("/builds/3/events"); l.status != http.StatusOK {
		t.Errorf("status %d after one hung up", l.status)
	}
}

func TestAnIdleStreamBeats(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *Config) { c.Heartbeat = 20 * time.Millisecond })
	l := s.listen("/tasks/12/logs/build.log/follow?offset=45")
	for range 3 {
		select {
		case <-l.beats:
		case <-time.After(20 * time.Second):
			t.Fatal("no heartbeat within 20 s")
		}
	}
}

func TestHeadOfAStreamEnds(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for _, path := range []string{"/builds/3/events", "/tasks/12/logs/build.log/follow"} {
		if a := s.do(http.MethodHead, path); a.status != http.StatusOK || a.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
			t.Errorf("HEAD %s: status %d", path, a.status)
		}
	}
}
