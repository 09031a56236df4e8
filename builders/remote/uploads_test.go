package remote

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestResultsAreSealedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	l := newLiar(t, b, "far-1")
	l.begin(t)
	good := sourcePackage(t)
	file := builders.Upload{Name: "hello-1-1.src.rpm", SHA256: sumOf(good), Size: int64(len(good))}
	finish := func(files ...builders.Upload) (int, problem) {
		return l.post(t, taskPath(l.claim, "finish"), finishMessage{Outcome: outcome(), Results: files})
	}
	if status, p := finish(file); p.Code != codeSealed {
		t.Errorf("what was not sent can't be a result: %d %+v", status, p)
	}
	for range 2 { // the second time it is there
		if status, p := l.put(t, file.Name, good, file.SHA256); status != http.StatusOK {
			t.Fatalf("%d %+v", status, p)
		}
	}
	if status, p := l.put(t, file.Name, good[:100], sumOf(good[:100])); p.Code != codeSealed {
		t.Errorf("a file does not change: %d %+v", status, p)
	}
	other := file
	other.SHA256 = sumOf([]byte("other"))
	for _, files := range [][]builders.Upload{{}, {other}, {file, file}, {file, {Name: "x.rpm", SHA256: file.SHA256, Size: file.Size}}} {
		if status, p := finish(files...); p.Code != codeSealed {
			t.Errorf("finish with %v: %d %+v", files, status, p)
		}
	}
	for range 2 { // the answer may have been lost
		if status, p := finish(file); status != http.StatusOK {
			t.Fatalf("finish: %d %+v", status, p)
		}
	}
	if status, p := finish(other); p.Code != codeSealed {
		t.Errorf("a second end with other results: %d %+v", status, p)
	}
	if status, p := l.post(t, taskPath(l.claim, "fail"), failMessage{}); p.Code != codeSealed {
		t.Errorf("a failure after the end: %d %+v", status, p)
	}
	if status, p := l.put(t, "more-1-1.src.rpm", good, file.SHA256); p.Code != codeLostAttempt {
		t.Errorf("a result after the end: %d %+v", status, p)
	}
	if status, p := l.post(t, taskPath(l.claim, "logs/build.log?offset=0"), "x"); p.Code != codeLostAttempt {
		t.Errorf("a log after the end: %d %+v", status, p)
	}
	token := l.token
	l.token = newSecret()
	if status, p := finish(file); p.Code != codeToken {
		t.Errorf("the end with another token: %d %+v", status, p)
	}
	l.token = token
	got := queuetest.Values[string](t, b.Pool, "select name || ' ' || sha256 from task_artifacts")
	if diff := cmp.Diff([]string{file.Name + " " + file.SHA256}, got); diff != "" {
		t.Errorf("results (-want +got)\n%s", diff)
	}
}

func TestHostileResults(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	l := newLiar(t, b, "far-1")
	l.begin(t)
	content := []byte("content")
	for name, test := range map[string]struct {
		file, digest string
		code         string
	}{
		"A path up":                   {"..%2f..%2fetc%2fpasswd.rpm", sumOf(content), codeFailure},
		"A path down":                 {"a%2fb.rpm", sumOf(content), codeFailure},
		"An absolute path":            {"%2fetc%2fpasswd.rpm", sumOf(content), codeFailure},
		"A backslash":                 {"a%5cb.rpm", sumOf(content), codeFailure},
		"A NUL":                       {"a%00.rpm", sumOf(content), codeFailure},
		"A line break":                {"a%0ab.rpm", sumOf(content), codeFailure},
		"An option":                   {"-rf.rpm", sumOf(content), codeFailure},
		"A hidden file":               {".rpm", sumOf(content), codeFailure},
		"What is no package":          {"passwd", sumOf(content), codeFailure},
		"A name without end":          {strings.Repeat("a", 300) + ".rpm", sumOf(content), codeFailure},
		"Bytes of another digest":     {"a.rpm", sumOf([]byte("other")), codeRequest},
		"A digest that is a path":     {"a.rpm", "../../../../etc/passwd", codeFailure},
		"A digest in capital letters": {"a.rpm", strings.ToUpper(sumOf(content)), codeFailure},
		"No digest":                   {"a.rpm", "", codeFailure},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			if status, p := l.put(t, test.file, content, test.digest); p.Code != test.code {
				t.Errorf("%d %+v, want %s", status, p, test.code)
			}
		})
	}
	t.Run("A file of unknown length is refused", func(t *testing.T) {
		status, p := l.send(t, http.MethodPut, taskPath(l.claim, "results/a.rpm"), http.Header{headerSHA256: {sumOf(content)}}, io.MultiReader(bytes.NewReader(content)))
		if status != http.StatusLengthRequired || p.Code != codeRequest {
			t.Errorf("%d %+v", status, p)
		}
	})
	t.Run("A compressed file is refused", func(t *testing.T) {
		var bomb bytes.Buffer
		z := gzip.NewWriter(&bomb)
		if _, err := io.CopyN(z, zeros{}, 64<<20); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"results/a.rpm", "finish", "logs/build.log?offset=0"} {
			method := http.MethodPost
			if strings.HasPrefix(path, "results") {
				method = http.MethodPut
			}
			status, p := l.send(t, method, taskPath(l.claim, path), http.Header{"Content-Encoding": {"gzip"}}, bytes.NewReader(bomb.Bytes()))
			if status != http.StatusUnsupportedMediaType {
				t.Errorf("%s: %d %+v", path, status, p)
			}
		}
	})
	if n := queuetest.Value[int](t, b.Pool, "select count(*) from task_uploads"); n != 0 {
		t.Errorf("%d uploads were noted", n)
	}
	b.nothingReceived(t)
}

// TestAnnouncedBytes announces more for an attempt than it may send, all at a
// time: what is too much is refused before a byte of it is read, and what breaks
// off makes room again.
func TestAnnouncedBytes(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	l := newLiar(t, b, "far-1")
	l.begin(t)
	const most, fit = 16 << 30, 4 // the largest file, and how many of them fit
	conns := make([]net.Conn, 2*fit)
	refused := make(chan string, len(conns))
	for i := range conns {
		conns[i] = dial(t, l, l.head("PUT", fmt.Sprintf("results/%d.rpm", i), most)+"x")
		go func() {
			answer, err := http.ReadResponse(bufio.NewReader(conns[i]), nil)
			if err != nil {
				return // closed below
			}
			defer answer.Body.Close()
			text, _ := io.ReadAll(answer.Body) // what is missing of it will be told
			refused <- answer.Status + " " + string(text)
		}()
	}
	for range fit {
		if got := receive(t, "a refusal", refused); !strings.HasPrefix(got, "422") || !strings.Contains(got, "have more than 68719476736 bytes") {
			t.Errorf("one too many: %s", got)
		}
	}
	b.awaitActive(t, place{host: l.id, kind: kindUpload, claim: l.claim}, fit)
	if got := queuetest.Value[string](t, b.Pool, "select count(*) || ' of ' || sum(size) from task_uploads"); got != "4 of 68719476736" {
		t.Errorf("announced: %s", got)
	}
	good := sourcePackage(t)
	if status, p := l.put(t, "hello-1-1.src.rpm", good, sumOf(good)); p.Code != codeFailure {
		t.Errorf("one more: %d %+v", status, p)
	}
	if status, p := l.post(t, taskPath(l.claim, "finish"), finishMessage{Outcome: outcome(), Results: []builders.Upload{{Name: "0.rpm", SHA256: sumOf(nil), Size: most}}}); p.Code != codeSealed {
		t.Errorf("what has not arrived can't be a result: %d %+v", status, p)
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	queuetest.WaitRow(t, b.Pool, "the room is given back", "select count(*) = 0 from task_uploads")
	if status, p := l.put(t, "hello-1-1.src.rpm", good, sumOf(good)); status != http.StatusOK {
		t.Errorf("now that there is room: %d %+v", status, p)
	}
	b.nothingReceived(t)
}

// nothingReceived makes sure that no part of a file is left in the store.
func (b *bundle) nothingReceived(tb testing.TB) {
	tb.Helper()
	left, err := os.ReadDir(filepath.Join(b.dir, "store", "tmp"))
	if err != nil || len(left) > 0 {
		tb.Errorf("left in the store: %v, %v", left, err)
	}
}

// TestHubDiesWhileReceiving leaves what a hub leaves that dies in the middle of
// an upload: the file can be sent again, also with other bytes.
func TestHubDiesWhileReceiving(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	l := newLiar(t, b, "far-1")
	l.begin(t)
	queuetest.Exec(t, b.Pool, "insert into task_uploads (task_id, attempt, name, sha256, size, stored) values ($1, $2, 'a.rpm', $3, 60::bigint << 30, false)",
		l.claim.TaskID, l.claim.Attempt, sumOf([]byte("other")))
	content := bytes.Repeat([]byte("x"), 100)
	if status, p := l.put(t, "a.rpm", content, sumOf(content)); status != http.StatusOK {
		t.Fatalf("%d %+v", status, p)
	}
	want := "a.rpm " + sumOf(content) + " 100 true"
	if got := queuetest.Value[string](t, b.Pool, "select concat_ws(' ', name, sha256, size, case when stored then 'true' end) from task_uploads"); got != want {
		t.Errorf("noted: %s, want %s", got, want)
	}
}

// zeros never ends.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
