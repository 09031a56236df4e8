package hostdoor

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	// notification is the type of NotificationResponse.
	notification = 'A'
	// maxNotification is more than PostgreSQL lets anybody send: a channel of 63
	// bytes and a payload of 7,999.
	maxNotification = 16 << 10
	// screenBuffer is what is read and written at a time.
	screenBuffer = 32 << 10
)

// errNoNotification says that a server breaks the protocol.
var errNoNotification = errors.New("a notification that can't be read")

// screen copies what PostgreSQL says to a host and holds back notifications
// that are none of its business.
type screen struct {
	// queue is the host's own.
	queue string
	// hears reports whether the backend of a process id may notify hosts.
	hears func(pid uint32) (bool, error)
}

// copy copies messages until an end fails; io.EOF is the end of src between two
// messages. What it has not passed on when src pauses is flushed.
func (s screen) copy(dst io.Writer, src io.Reader) error {
	in, out := bufio.NewReaderSize(src, screenBuffer), bufio.NewWriterSize(dst, screenBuffer)
	for {
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("hostdoor: write to host: %w", err)
			}
		}
		if err := s.message(out, in); err != nil {
			return fmt.Errorf("hostdoor: pass message on: %w", err)
		}
	}
}

// message passes one message on: a type, a length that counts itself, a body.
func (s screen) message(out *bufio.Writer, in *bufio.Reader) error {
	var head [5]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return err
	}
	length := int64(binary.BigEndian.Uint32(head[1:])) - 4
	if length < 0 {
		return fmt.Errorf("a message of type %q is shorter than its length", head[0])
	}
	if head[0] != notification {
		if _, err := out.Write(head[:]); err != nil {
			return err
		}
		return s.body(out, in, length)
	}
	if length > maxNotification {
		return fmt.Errorf("a notification of %d bytes", length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return noEnd(err)
	}
	pass, err := s.passes(body)
	if err != nil || !pass {
		return err
	}
	if _, err := out.Write(head[:]); err != nil {
		return err
	}
	_, err = out.Write(body)
	return err
}

// noEnd makes the end of the stream an error where it is inside a message.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// body copies a body of any length, and does not keep what has come of it
// waiting for the rest.
func (s screen) body(out *bufio.Writer, in *bufio.Reader, length int64) error {
	for length > 0 {
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if _, err := in.Peek(1); err != nil {
			return noEnd(err)
		}
		n, err := io.CopyN(out, in, min(length, int64(in.Buffered())))
		if err != nil {
			return err
		}
		length -= n
	}
	return nil
}

// passes decides about one notification: it must be about the host's queue and
// from a hub. Both of what River sends to workers, news of jobs and cancellations,
// name the queue.
func (s screen) passes(body []byte) (bool, error) {
	var message pgproto3.NotificationResponse
	if message.Decode(body) != nil {
		return false, errNoNotification
	}
	var about struct {
		Queue string `json:"queue"`
	}
	if err := json.Unmarshal([]byte(message.Payload), &about); err != nil || about.Queue != s.queue {
		return false, nil //nolint:nilerr // what River did not write is held back, that is all
	}
	return s.hears(message.PID)
}
