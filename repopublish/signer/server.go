package signer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// requestTimeout bounds how long a caller may take until its request is there:
	// clients send it at once.
	requestTimeout = 10 * time.Second
	// answerTimeout bounds how long a caller may take to take the answer.
	answerTimeout = 30 * time.Second
	// workTimeout bounds the reading and signing of one package.
	workTimeout = 30 * time.Minute
)

// Server answers requests at a socket.
type Server struct {
	Keys   *Keys
	Record Record
	Audit  *AuditLog
	// Allow are the user ids of callers, as the kernel gives them (SO_PEERCRED).
	// Empty: nobody. Root is not allowed by itself.
	Allow  []uint32
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	callers  callers
	refusals refusals
}

// Listen makes the socket with a mode, and a group unless it is negative. What a
// killed signer left at the path is replaced; a signer that still listens there
// is an error.
func Listen(path string, mode os.FileMode, group int) (*net.UnixListener, error) {
	if conn, err := (&net.Dialer{Timeout: time.Second}).Dial("unix", path); err == nil {
		return nil, errors.Join(fmt.Errorf("signer: listen: somebody listens at %s", path), conn.Close())
	}
	// It gets its name when it has its mode.
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("signer: listen: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("signer: listen: %w", err)
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(temporary, mode)
	if err == nil && group >= 0 {
		err = os.Chown(temporary, -1, group)
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("signer: listen: %w", err), l.Close(), os.Remove(temporary))
	}
	return l, nil
}

// Serve answers until ctx ends; then it closes the socket, lets running requests
// end and returns. Its error is that of the first line of the log, or of the
// socket.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	if _, err := s.Audit.Append(Line{Event: EventStart, Detail: s.keysInWords()}); err != nil {
		return errors.Join(err, l.Close())
	}
	for _, change := range s.Keys.keepRetired(s.Audit.retired) {
		s.append(change.line())
	}
	s.refreshKeys() // by what the log says of them
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	defer s.logRest()
	var serving sync.WaitGroup
	defer serving.Wait()
	// Hashing and signing is work for the processor.
	work := make(chan struct{}, runtime.NumCPU())
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("signer: accept: %w", err)
		}
		peer, err := peerOf(conn)
		if err != nil {
			s.Logger.Warn("signer: who calls is not known", "error", err)
			conn.Close()
			continue
		}
		who := s.accountOf(peer)
		if !s.callers.enter(who) {
			s.turnAway(conn, peer, who)
			continue
		}
		serving.Go(func() {
			defer s.callers.leave(who)
			defer conn.Close()
			s.serve(context.WithoutCancel(ctx), conn, peer, work)
		})
	}
}

func (s *Server) accountOf(peer *unix.Ucred) account {
	if slices.Contains(s.Allow, peer.Uid) {
		return account{allowed: true, uid: peer.Uid}
	}
	return account{}
}

// turnAway refuses a caller that has too many connections. Nothing is waited for:
// the answer fits the buffer of a connection that is new.
func (s *Server) turnAway(conn *net.UnixConn, peer *unix.Ucred, who account) {
	defer conn.Close()
	if who.allowed {
		a := s.refused(peer, request{}, refuse(CodeUnavailable, "uid %d has %d connections already, which is all it may have", peer.Uid, maxPerCaller))
		s.reply(conn, a)
	}
}

func (s *Server) keysInWords() string {
	text := "keys:"
	for _, key := range s.Keys.List() {
		text += " " + key.Name + " " + key.Fingerprint
		if key.Retired != nil {
			text += " (retired)"
		}
	}
	return text
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// serve answers one connection.
func (s *Server) serve(ctx context.Context, conn *net.UnixConn, peer *unix.Ucred, work chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, workTimeout)
	defer cancel()
	_ = conn.SetDeadline(time.Now().Add(requestTimeout))
	if !s.accountOf(peer).allowed {
		s.reply(conn, s.refused(peer, request{}, refuse(CodeForbidden, "uid %d may not use the signer", peer.Uid)))
		return
	}
	var a answer
	r, file, err := receive(conn)
	if err != nil {
		a.Error = refuse(CodeBadRequest, "%v", err)
		s.log(peer, request{}, a.Error)
	} else {
		work <- struct{}{}
		a = s.answer(ctx, peer, r, file)
		<-work
	}
	if file != nil {
		file.Close()
	}
	s.reply(conn, a)
}

// reply sends an answer; a caller that has gone asks again.
func (s *Server) reply(conn net.Conn, a answer) {
	a.Version = ProtocolVersion
	message, err := encode(a)
	if err != nil {
		message, err = encode(answer{Version: ProtocolVersion, Error: refuse(CodeUnavailable, "the answer can't be sent: %v", err)})
	}
	if err == nil {
		_ = conn.SetDeadline(time.Now().Add(answerTimeout))
		_, err = conn.Write(message)
	}
	if err != nil {
		s.Logger.Info("signer: caller has gone", "error", err)
	}
}

// peerOf is who connected, as the kernel noted then.
func peerOf(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return peer, errors.Join(err, failed)
}

// receive reads a request and the file that came with it, nil where there is
// none.
func receive(conn *net.UnixConn) (r request, file *os.File, err error) {
	var prefix [4]byte
	// Room for one descriptor, or two where that is how the kernel rounds.
	control := make([]byte, unix.CmsgSpace(4))
	n, controls, flags, _, err := conn.ReadMsgUnix(prefix[:], control)
	if err != nil {
		return r, nil, err
	}
	if file, err = fileOf(control[:controls], flags); err != nil {
		return r, nil, err
	}
	if n == 0 {
		return r, file, io.ErrUnexpectedEOF
	}
	if _, err := io.ReadFull(conn, prefix[n:]); err != nil {
		return r, file, err
	}
	if err := decode(prefix, conn, &r); err != nil {
		return r, file, err
	}
	return r, file, nil
}

// fileOf takes the one file out of control messages.
func fileOf(control []byte, flags int) (*os.File, error) {
	if len(control) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, message := range messages {
		these, err := unix.ParseUnixRights(&message)
		if err == nil {
			fds = append(fds, these...)
		}
	}
	if len(fds) != 1 || flags&unix.MSG_CTRUNC != 0 {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		return nil, errors.New("want one file")
	}
	return os.NewFile(uintptr(fds[0]), "package"), nil
}

// log notes a refusal.
func (s *Server) log(peer *unix.Ucred, r request, refusal *RefusedError) {
	line := Line{Event: EventRefused, UID: &peer.Uid, PID: peer.Pid, Code: refusal.Code, Detail: clip(strings.TrimPrefix(r.Op+": ", ": ")+refusal.Text, 500)}
	if keyName.MatchString(r.Key) {
		line.Key = r.Key
	}
	if isDigest(r.SHA256) {
		line.SHA256 = r.SHA256
	}
	s.refusal(s.accountOf(peer), line)
}

func (s *Server) append(line Line) {
	if _, err := s.Audit.Append(line); err != nil {
		s.Logger.Error("signer: refusal not logged", "error", err)
	}
}

// clip bounds a text that came from outside.
func clip(text string, n int) string { return text[:min(len(text), n)] }
