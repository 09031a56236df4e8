package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
)

func TestHostileMessages(t *testing.T) {
	t.Parallel()
	b := setup(t, func(s *Server) { s.MaxLog = 1000 })
	l := newLiar(t, b, "far-1")
	l.begin(t)
	huge := strings.Repeat("x", maxFinish)
	for name, test := range map[string]struct {
		path    string
		message any
		status  int
	}{
		"An unknown phase":              {taskPath(l.claim, "phase"), phaseMessage{Phase: "<script>"}, 400},
		"A failure in an unknown phase": {taskPath(l.claim, "fail"), failMessage{builders.Failure{Phase: "nowhere"}}, 400},
		"What is no JSON":               {taskPath(l.claim, "phase"), json.RawMessage(`"phase"`), 400},
		"A huge message":                {taskPath(l.claim, "release"), reasonMessage{Reason: huge}, 413},
		"A huge end":                    {taskPath(l.claim, "finish"), finishMessage{Outcome: builders.Outcome{Driver: huge}}, 413},
		"A huge heartbeat":              {Prefix + "heartbeat", queue.HostStatus{Unready: huge}, 413},
		"A huge list of attempts":       {Prefix + "heartbeat", queue.HostStatus{Running: make([]queue.Claim, maxRunning+1)}, 400},
		"Less than no memory":           {Prefix + "heartbeat", queue.HostStatus{MemoryFree: -1}, 400},
		"A driver that is none":         {taskPath(l.claim, "finish"), finishMessage{Outcome: builders.Outcome{Driver: "a b"}}, 400},
		"A package with a NUL":          {taskPath(l.claim, "finish"), finishMessage{Outcome: builders.Outcome{Driver: "x", Installed: []builders.Installed{{NEVRA: "a\x00b"}}}}, 400},
		"A digest that is none":         {taskPath(l.claim, "finish"), finishMessage{Outcome: builders.Outcome{Driver: "x", Installed: []builders.Installed{{NEVRA: "a-1-1.noarch", Digest: "zz"}}}}, 400},
		"A host without capacity":       {Prefix + "connect", queue.HostInfo{Driver: "x"}, 400},
		"A host of a strange arch":      {Prefix + "connect", queue.HostInfo{Driver: "x", Capacity: 1, Arches: []string{"x86_64'; drop table hosts"}}, 400},
		"A host of endless arches":      {Prefix + "connect", queue.HostInfo{Driver: "x", Capacity: 1, Arches: make([]string, maxNames+1)}, 400},
		"An instance with a NUL":        {Prefix + "connect", queue.HostInfo{Driver: "x", Capacity: 1, Instance: "a\x00b"}, 400},
		"A huge instance":               {Prefix + "connect", queue.HostInfo{Driver: "x", Capacity: 1, Instance: strings.Repeat("x", 1000)}, 400},
		"A host with less than no disk": {Prefix + "connect", queue.HostInfo{Driver: "x", Capacity: 1, Status: queue.HostStatus{DiskFree: -1}}, 400},
		"A negative offset":             {taskPath(l.claim, "logs/build.log?offset=-1"), "x", 400},
		"No offset":                     {taskPath(l.claim, "logs/build.log"), "x", 400},
		"A log of the hub":              {taskPath(l.claim, "logs/checkout.log?offset=0"), "x", 400},
		"A log elsewhere":               {taskPath(l.claim, "logs/..%2f..%2f1%2fbuild.log?offset=0"), "x", 400},
		"A huge piece of a log":         {taskPath(l.claim, "logs/build.log?offset=0"), strings.Repeat("x", maxChunk+1), 413},
		"A task that is none":           {Prefix + "tasks/x/1/begin", nil, 400},
		"An attempt that is none":       {Prefix + "tasks/1/99999999999/begin", nil, 400},
		"A path that is none":           {Prefix + "tasks/1/1/elsewhere", nil, 404},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			if status, p := l.post(t, test.path, test.message); status != test.status {
				t.Errorf("%d %+v, want %d", status, p, test.status)
			}
		})
	}
	t.Run("A log ends at its limit, however much is sent", func(t *testing.T) {
		var answer logAnswer
		var size int64
		for range 10 {
			status, text := l.raw(t, "POST", fmt.Sprintf("%s?offset=%d", taskPath(l.claim, "logs/build.log"), size), nil, strings.NewReader(strings.Repeat("y", 400)))
			if err := json.Unmarshal(text, &answer); err != nil || status != http.StatusOK {
				t.Fatalf("%d %s", status, text)
			}
			size = answer.Size
		}
		log := b.logOf(t, l.claim, "build.log")
		if !answer.Full || len(log) != 1000 || !strings.HasSuffix(log, "was not kept)\n") {
			t.Errorf("answer %+v, the log has %d bytes and ends with %q", answer, len(log), log[max(0, len(log)-40):])
		}
	})
	t.Run("A piece of a log that comes again is written once", func(t *testing.T) {
		for _, piece := range []struct {
			offset int
			text   string
			want   int64
		}{{0, "abc", 3}, {0, "abc", 3}, {1, "bcde", 5}, {9, "late", 5}, {5, "f", 6}, {2, "c", 6}} {
			_, text := l.raw(t, "POST", fmt.Sprintf("%s?offset=%d", taskPath(l.claim, "logs/root.log"), piece.offset), nil, strings.NewReader(piece.text))
			if want := fmt.Sprintf(`{"size":%d}`, piece.want); string(text) != want {
				t.Errorf("%q at %d: %s, want %s", piece.text, piece.offset, text, want)
			}
		}
		if got := b.logOf(t, l.claim, "root.log"); got != "abcdef" {
			t.Errorf("the log is %q", got)
		}
	})
	t.Run("Files outside of a repository are not there", func(t *testing.T) {
		writeFile(t, filepath.Join(b.stages.ReposDir, "secret"), "secret")
		if err := os.Symlink(filepath.Join(b.stages.ReposDir, "secret"), filepath.Join(b.repoDir(), "link")); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"..%2f..%2f..%2fsecret", "%2fetc%2fpasswd", "link", "repodata", "repodata%2f..%2f..%2f..%2f..%2fsecret", "a%00b", "."} {
			if status, text := l.raw(t, "GET", taskPath(l.claim, "repos/0/"+path), nil, nil); status/100 == 2 || strings.Contains(string(text), "secret") {
				t.Errorf("%s: %d %s", path, status, text)
			}
		}
		for _, place := range []string{"1", "-1", "x", "99999999999"} {
			if status, _ := l.raw(t, "GET", taskPath(l.claim, "repos/"+place+"/repodata/repomd.xml"), nil, nil); status/100 == 2 {
				t.Errorf("repository %s: %d", place, status)
			}
		}
		status, text := l.raw(t, "GET", taskPath(l.claim, "repos/0/repodata/repomd.xml"), http.Header{"Range": {"bytes=1-6"}}, nil)
		if status != http.StatusPartialContent || string(text) != "repomd" {
			t.Errorf("%d %q, want a part of the file", status, text)
		}
	})
}
