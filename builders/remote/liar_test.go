package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// liar is a host that sends what it likes.
type liar struct {
	b         *bundle
	transport *http.Transport
	id        int64
	session   string
	claim     queue.Claim
	token     string
}

// newLiar connects a host and gives it an attempt of the source task of a new
// build, which it begins.
func newLiar(tb testing.TB, b *bundle, name string) *liar {
	tb.Helper()
	l := &liar{b: b}
	l.id, l.transport = b.enroll(tb, name)
	var connected connectAnswer
	l.mustPost(tb, Prefix+"connect", queue.HostInfo{Arches: []string{"x86_64"}, Capacity: 2, Driver: "liar"}, &connected)
	l.session = connected.Session
	return l
}

// begin gives the host the source task of a new build and begins it.
func (l *liar) begin(tb testing.TB) {
	tb.Helper()
	build := l.b.Start(tb, l.b.NewBuild(1))
	l.claim = queuetest.Give(tb, l.b.Pool, queue.Holder{ID: l.id, ClientID: l.session}, queuetest.Task(tb, l.b.Pool, build, queue.MethodBuildSRPM, ""))
	var begun beginAnswer
	l.mustPost(tb, taskPath(l.claim, "begin"), nil, &begun)
	l.token = begun.Token
}

// send sends a request and returns the status and the code of the answer.
func (l *liar) send(tb testing.TB, method, path string, header http.Header, body io.Reader) (status int, p problem) {
	tb.Helper()
	status, text := l.raw(tb, method, path, header, body)
	if status/100 == 2 {
		return status, problem{}
	}
	if err := json.Unmarshal(text, &p); err != nil {
		tb.Fatalf("%s %s: %d, and its body is no problem: %.200q", method, path, status, text)
	}
	return status, p
}

func (l *liar) raw(tb testing.TB, method, path string, header http.Header, body io.Reader) (int, []byte) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, "https://"+l.b.address+path, body)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set(headerSession, l.session)
	r.Header.Set("Authorization", "Bearer "+l.token)
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	response, err := l.transport.RoundTrip(r)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return response.StatusCode, text
}

// post sends a message.
func (l *liar) post(tb testing.TB, path string, message any) (int, problem) {
	tb.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		tb.Fatal(err)
	}
	return l.send(tb, http.MethodPost, path, nil, bytes.NewReader(text))
}

func (l *liar) mustPost(tb testing.TB, path string, message, answer any) {
	tb.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		tb.Fatal(err)
	}
	status, body := l.raw(tb, http.MethodPost, path, nil, bytes.NewReader(text))
	if status != http.StatusOK {
		tb.Fatalf("%s: %d %s", path, status, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		tb.Fatal(err)
	}
}

// put sends a result.
func (l *liar) put(tb testing.TB, name string, content []byte, digest string) (int, problem) {
	tb.Helper()
	return l.send(tb, http.MethodPut, taskPath(l.claim, "results/"+name), http.Header{headerSHA256: {digest}}, bytes.NewReader(content))
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// outcome is what an honest driver tells.
func outcome() builders.Outcome { return builders.Outcome{Driver: "liar", RepoKey: "key"} }
