package remote

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// Peer is the host that a request comes from.
type Peer struct {
	HostID int64
	Name   string
}

// Server answers hosts. It must be reached through a listener that knows hosts
// by their certificates, and by nobody else. It is safe for concurrent use;
// fields are not changed after the first request.
type Server struct {
	Stages *builders.Stages
	// Identify says which host a request comes from, by its certificate; false
	// when it is none that counts.
	Identify func(*http.Request) (Peer, bool)
	// Around wraps what answers requests, for Identify to know whose they are;
	// nil wraps it in nothing.
	Around func(http.Handler) http.Handler
	// Bell rings at hosts; nil rings nowhere.
	Bell Bell
	// WorkDir holds checked-out sources while they are sent.
	WorkDir string
	// MaxLog bounds each log of an attempt, in bytes. Default 512 MiB.
	MaxLog int64
	// MaxRequests bounds how many requests of one host are answered at a time,
	// besides those that keep its lease, which have a bound of their own: a host
	// that is busy stays one that lives, and besides files. Default 64.
	MaxRequests int
	// MaxFiles bounds how many files move between one host and the hub at a time.
	// Default 64.
	MaxFiles int
	Logger   *slog.Logger

	// stall and messageTime stand for the constants of these names in tests.
	stall, messageTime time.Duration

	admission admission
	once      sync.Once
	routes    http.Handler
}

// HTTP returns a server for requests of hosts, with time limits that keep a host
// from holding on to connections. Bodies of files have limits of their own. It
// speaks HTTP/1.1 only: there a host has no more requests under way than
// connections, which the listener bounds, and each has deadlines of its own.
func (s *Server) HTTP() *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: s, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(s.route)
	w = outgoing{w, http.NewResponseController(w), cmp.Or(s.stall, stall)}
	if err := s.limit(w, r); err != nil {
		s.Logger.Error("remote: limit time of request", "error", err)
		writeProblem(w, http.StatusInternalServerError, problem{Code: codeInternal, Message: "the hub failed; its log tells why"})
		return
	}
	s.routes.ServeHTTP(w, r)
}

func (s *Server) route() {
	mux := http.NewServeMux()
	for _, route := range []struct {
		pattern string
		kind    kind
		answer  answerer
	}{
		{"POST probe", kindLease, s.probe},
		{"POST connect", kindLease, s.connect},
		{"POST heartbeat", kindLease, s.heartbeat},
		{"POST disconnect", kindLease, s.disconnect},
		{"POST tasks/{task}/{attempt}/begin", kindMessage, s.begin},
		{"GET tasks/{task}/{attempt}/sources", kindSources, s.sources},
		{"GET tasks/{task}/{attempt}/source-package", kindSourcePackage, s.sourcePackage},
		{"GET tasks/{task}/{attempt}/repos/{repo}/{path...}", kindRepo, s.repo},
		{"POST tasks/{task}/{attempt}/phase", kindMessage, s.phase},
		{"POST tasks/{task}/{attempt}/logs/{name}", kindMessage, s.log},
		{"PUT tasks/{task}/{attempt}/results/{name}", kindUpload, s.upload},
		{"POST tasks/{task}/{attempt}/finish", kindEnd, s.finish},
		{"POST tasks/{task}/{attempt}/fail", kindEnd, s.fail},
		{"POST tasks/{task}/{attempt}/release", kindEnd, s.release},
		{"POST tasks/{task}/{attempt}/refuse", kindEnd, s.refuse},
	} {
		method, path, _ := strings.Cut(route.pattern, " ")
		mux.HandleFunc(method+" "+Prefix+path, s.answer(route.kind, route.answer))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusNotFound, problem{Code: codeNotFound, Message: "there is nothing here for hosts"})
	})
	s.routes = mux
	if s.Around != nil {
		s.routes = s.Around(mux)
	}
}

// request is a request of a host that is known.
type request struct {
	*http.Request
	peer    Peer
	session string
	claim   queue.Claim
	// token is the SHA-256 of what was shown; of nothing when nothing was.
	token []byte
	// control changes the request's time limits.
	control *http.ResponseController
}

// holder is the process that the request says it is of, of the host whose
// certificate it has.
func (r *request) holder() queue.Holder { return queue.Holder{ID: r.peer.HostID, ClientID: r.session} }

// requestError is a request that no hub could answer.
type requestError struct {
	status int
	text   string
}

// Error implements error.
func (e *requestError) Error() string { return e.text }

func bad(format string, args ...any) error {
	return &requestError{status: http.StatusBadRequest, text: fmt.Sprintf(format, args...)}
}

// answerer answers a request; what it returns is told to the host.
type answerer func(http.ResponseWriter, *request) error

// answer lets a request through whose host is known.
func (s *Server) answer(kind kind, do answerer) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		peer, ok := s.Identify(hr)
		if !ok {
			writeProblem(w, http.StatusForbidden, problem{Code: codeIdentity, Message: "no host is known by this certificate"})
			return
		}
		r := &request{Request: hr, peer: peer, session: hr.Header.Get(headerSession), control: http.NewResponseController(w)}
		if err := r.parse(); err != nil {
			s.refuseRequest(w, r, err)
			return
		}
		leave, ok := s.admission.enter(s.bounds(r, kind))
		if !ok {
			w.Header().Set("Retry-After", "1")
			writeProblem(w, http.StatusTooManyRequests, problem{Code: codeBusy, Message: "too many requests of this host at once"})
			return
		}
		defer leave()
		if err := do(w, r); err != nil {
			s.refuseRequest(w, r, err)
		}
	}
}

// parse reads what every request may have.
func (r *request) parse() error {
	if r.Header.Get("Content-Encoding") != "" {
		// What is small here must not become large there.
		return &requestError{status: http.StatusUnsupportedMediaType, text: "bodies are not compressed"}
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	digest := sha256.Sum256([]byte(token))
	r.token = digest[:]
	if len(r.session) > 100 {
		return bad("the session is too long")
	}
	if r.PathValue("task") == "" {
		return nil
	}
	task, err := strconv.ParseInt(r.PathValue("task"), 10, 64)
	if err != nil || task < 1 {
		return bad("%.40q is no task", r.PathValue("task"))
	}
	attempt, err := strconv.ParseInt(r.PathValue("attempt"), 10, 32)
	if err != nil || attempt < 1 {
		return bad("%.40q is no attempt", r.PathValue("attempt"))
	}
	r.claim = queue.Claim{TaskID: task, Attempt: int32(attempt)}
	return nil
}

// limit bounds the time in which a body must have arrived, also one that nobody
// will read. It is lifted by who has read it: else the server would take its end
// for that of the connection.
func (s *Server) limit(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	return http.NewResponseController(w).SetReadDeadline(time.Now().Add(cmp.Or(s.messageTime, messageTime)))
}

// unlimit lifts the limit of the time in which a body must arrive.
func (r *request) unlimit() error {
	if err := r.control.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("remote: lift limit of request: %w", err)
	}
	return nil
}

// message reads a JSON body of at most size bytes.
func (s *Server) message(r *request, size int64, into any) error {
	text, err := io.ReadAll(io.LimitReader(r.Body, size+1))
	switch {
	case err != nil:
		return &requestError{status: http.StatusRequestTimeout, text: "the request did not arrive as a whole"}
	case int64(len(text)) > size:
		return &requestError{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("the request has more than %d bytes", size)}
	}
	if err := json.Unmarshal(text, into); err != nil {
		return bad("the request can't be understood: %v", err)
	}
	return r.unlimit()
}

// slowly reads a body of any length that must keep coming: each read may take as
// long as a body may stall, and brings what has arrived. Over TLS that is a
// record, of 16 KiB at most. At the body's end there is nothing to wait for any
// more: the answer may take its time.
type slowly struct {
	io.Reader
	control *http.ResponseController
	stall   time.Duration
}

// Read implements io.Reader.
func (r slowly) Read(p []byte) (int, error) {
	if err := r.control.SetReadDeadline(time.Now().Add(r.stall)); err != nil {
		return 0, err
	}
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		// Else the server, which listens for the connection's end from now on,
		// would take the deadline for it.
		if err := r.control.SetReadDeadline(time.Time{}); err != nil {
			return n, err
		}
	}
	return n, err
}

// body is the request's body as a file.
func (s *Server) body(r *request) io.Reader {
	return slowly{Reader: r.Body, control: r.control, stall: cmp.Or(s.stall, stall)}
}

// outgoing writes answers of any length that the host must keep taking.
type outgoing struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

// Write implements io.Writer.
func (w outgoing) Write(p []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(w.stall)); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w outgoing) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// refuseRequest answers with an error.
func (s *Server) refuseRequest(w http.ResponseWriter, r *request, err error) {
	status, p := explain(err)
	if p.Code == codeInternal || p.Code == codeFull {
		s.Logger.Error("remote: answer a host", "host", r.peer.Name, "path", r.URL.Path, "error", err)
	} else {
		s.Logger.Debug("remote: refused", "host", r.peer.Name, "path", r.URL.Path, "status", status, "reason", p.Message)
	}
	if r.Method == http.MethodPut {
		// Else the server would wait for the rest of the file before it answers.
		w.Header().Set("Connection", "close")
	}
	writeProblem(w, status, p)
}

// explain finds the answer to an error. What went wrong in the hub is not told.
func explain(err error) (int, problem) {
	var request *requestError
	var failure *builders.Failure
	switch {
	case errors.As(err, &request):
		return request.status, problem{Code: codeRequest, Message: request.text}
	case errors.Is(err, queue.ErrLostAttempt):
		return http.StatusConflict, problem{Code: codeLostAttempt, Message: "the attempt is not open, or is not this host's"}
	case errors.Is(err, queue.ErrLostLease):
		return http.StatusConflict, problem{Code: codeLostLease, Message: "this process is not the host"}
	case errors.Is(err, queue.ErrTaskOver):
		return http.StatusGone, problem{Code: codeTaskOver, Message: "the task needs no more work"}
	case errors.Is(err, queue.ErrUnknownHost):
		return http.StatusForbidden, problem{Code: codeIdentity, Message: "the host is not enrolled"}
	case errors.Is(err, queue.ErrHostTaken):
		return http.StatusConflict, problem{Code: codeTaken, Message: "another process works with this host's credentials"}
	case errors.Is(err, builders.ErrToken):
		return http.StatusForbidden, problem{Code: codeToken, Message: "this is not the attempt's token"}
	case errors.Is(err, builders.ErrSealed):
		return http.StatusConflict, problem{Code: codeSealed, Message: "the attempt has other results"}
	case errors.As(err, &failure):
		told := *failure
		told.Reason, told.Err = queue.OneLine(failure.Error()), nil
		return http.StatusUnprocessableEntity, problem{Code: codeFailure, Message: told.Reason, Failure: &told}
	case errors.Is(err, store.ErrDigest), errors.Is(err, store.ErrTooLarge), errors.Is(err, io.ErrUnexpectedEOF):
		return http.StatusUnprocessableEntity, problem{Code: codeRequest, Message: "the bytes are not those that were announced"}
	case full(err):
		return http.StatusInsufficientStorage, problem{Code: codeFull, Message: "no space is left on the hub's disk"}
	case errors.Is(err, fs.ErrNotExist):
		return http.StatusNotFound, problem{Code: codeNotFound, Message: "there is no such file"}
	case queue.Passing(err), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, problem{Code: codePassing, Message: "the hub can't answer at the moment"}
	}
	return http.StatusInternalServerError, problem{Code: codeInternal, Message: "the hub failed; its log tells why"}
}

// full reports whether a disk of the hub, or of its database, has no room.
func full(err error) bool {
	var pg *pgconn.PgError
	return errors.Is(err, store.ErrFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		errors.As(err, &pg) && pg.Code == diskFull
}

// diskFull is PostgreSQL's SQLSTATE disk_full.
const diskFull = "53100"

func writeProblem(w http.ResponseWriter, status int, p problem) { writeJSON(w, status, p) }

func writeJSON(w http.ResponseWriter, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		// All that is answered is ours, and of types that can be written.
		status, text = http.StatusInternalServerError, []byte(`{"code":"internal"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever asked is gone if it fails
}

// newSecret makes a text that nobody guesses, of 256 random bits.
func newSecret() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	return fmt.Sprintf("%x", secret)
}
