package remote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

const (
	// logEvery is how often what logs have grown by is sent.
	logEvery = 500 * time.Millisecond
	// logTime bounds one round of sending.
	logTime = 30 * time.Second
)

// logStream sends the phase and the logs of an attempt while they change.
type logStream struct {
	attempt *attempt
	dir     string
	stop    context.CancelFunc
	done    chan struct{}

	// sending is held by who sends.
	sending sync.Mutex
	offsets map[string]int64
	// full are logs of which the hub takes no more.
	full map[string]bool

	mu sync.Mutex
	// phase is what the hub was not told yet.
	phase builders.Phase
	wake  chan struct{}
}

// startLogs begins to send what grows in dir, until ctx ends.
func startLogs(ctx context.Context, a *attempt, dir string) *logStream {
	s := &logStream{
		attempt: a, dir: dir, done: make(chan struct{}), offsets: map[string]int64{}, full: map[string]bool{}, wake: make(chan struct{}, 1),
	}
	ctx, s.stop = context.WithCancel(ctx)
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
	return s
}

func (s *logStream) run(ctx context.Context) {
	ticker := time.NewTicker(cmp.Or(s.attempt.client.logEvery, logEvery))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake:
		}
		round, cancel := context.WithTimeout(ctx, logTime)
		err := s.send(round)
		cancel()
		switch {
		case errors.Is(err, queue.ErrLostAttempt):
			return
		case err != nil && ctx.Err() == nil:
			s.attempt.client.Logger.Debug("remote: send logs", "claim", s.attempt.work.String(), "error", err)
		}
	}
}

// note has the hub told of a phase.
func (s *logStream) note(phase builders.Phase) {
	s.mu.Lock()
	s.phase = phase
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it is about to send
	}
}

// flush sends what is left, for a while. A build must not be lost for its log.
func (s *logStream) flush(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := again(ctx, most, func() error { return s.send(ctx) }); err != nil && !errors.Is(err, queue.ErrLostAttempt) {
		s.attempt.client.Logger.Warn("remote: the end of the logs was not sent", "claim", s.attempt.work.String(), "error", err)
	}
}

// close ends the sending and removes the logs.
func (s *logStream) close() {
	s.stop()
	<-s.done
	if err := os.RemoveAll(s.dir); err != nil {
		s.attempt.client.Logger.Warn("remote: remove logs", "dir", s.dir, "error", err)
	}
}

// send sends all that the hub was not told yet.
func (s *logStream) send(ctx context.Context) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	if err := s.sendPhase(ctx); err != nil {
		return err
	}
	for _, name := range tasklog.HostNames() {
		if err := s.sendLog(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *logStream) sendPhase(ctx context.Context) error {
	s.mu.Lock()
	phase := s.phase
	s.mu.Unlock()
	if phase == "" {
		return nil
	}
	err := s.attempt.post(ctx, "phase", phaseMessage{Phase: phase})
	if err != nil && passing(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phase {
		s.phase = ""
	}
	return err
}

// sendLog sends what a log has grown by.
func (s *logStream) sendLog(ctx context.Context, name string) error {
	file, err := openRegular(filepath.Join(s.dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	chunk := make([]byte, maxChunk)
	for !s.full[name] {
		n, err := file.ReadAt(chunk, s.offsets[name])
		if err != nil && !errors.Is(err, io.EOF) {
			return local(err)
		}
		if n == 0 {
			return nil
		}
		if err := s.sendChunk(ctx, name, chunk[:n]); err != nil {
			return err
		}
	}
	return nil
}

// sendChunk sends bytes of a log from its offset on, and moves the offset to
// where the hub's log ends.
func (s *logStream) sendChunk(ctx context.Context, name string, text []byte) error {
	offset := s.offsets[name]
	path := taskPath(s.attempt.work.Claim, "logs/"+name+"?offset="+strconv.FormatInt(offset, 10))
	r, err := s.attempt.client.request(ctx, http.MethodPost, path, s.attempt.token, bytes.NewReader(text))
	if err != nil {
		return err
	}
	var answer logAnswer
	if err := s.attempt.client.exchange(s.attempt.client.HTTP, r, &answer); err != nil {
		return err
	}
	switch end := offset + int64(len(text)); {
	case answer.Full:
		s.full[name] = true
	case answer.Size < 0 || answer.Size > end || answer.Size == offset:
		return local(fmt.Errorf("the hub has %d bytes of %s, %d were sent", answer.Size, name, end))
	}
	s.offsets[name] = answer.Size
	return nil
}
