package hostdoor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"
)

// message is one of PostgreSQL's.
func message(kind byte, body []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(out, body...)
}

func notify(t testing.TB, pid uint32, payload string) []byte {
	t.Helper()
	text, err := (&pgproto3.NotificationResponse{PID: pid, Channel: "public.river_insert", Payload: payload}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// hubPID is the backend that may notify.
const hubPID = 7

func testScreen() screen {
	return screen{queue: "host_1", hears: func(pid uint32) (bool, error) { return pid == hubPID, nil }}
}

func TestScreen(t *testing.T) {
	t.Parallel()
	row, ready := message('D', bytes.Repeat([]byte("row"), 50_000)), message('Z', []byte("I"))
	for name, test := range map[string]struct {
		said []byte
		pass bool
	}{
		"The hub's news of the host's queue passes":         {notify(t, hubPID, `{"queue": "host_1"}`), true},
		"The hub's cancellation passes":                     {notify(t, hubPID, `{"action": "cancel", "job_id": 5, "queue": "host_1"}`), true},
		"What another says of the queue is held back":       {notify(t, 8, `{"queue": "host_1"}`), false},
		"The hub's news of another queue are held back":     {notify(t, hubPID, `{"queue": "host_11"}`), false},
		"What is about all queues is held back":             {notify(t, 8, `{"action": "pause", "queue": "*"}`), false},
		"What is no JSON is held back":                      {notify(t, hubPID, `host_1`), false},
		"What says nothing is held back":                    {notify(t, hubPID, ``), false},
		"A queue of two values counts as its reader has it": {notify(t, hubPID, `{"queue": "host_1", "queue": "host_2"}`), false},
		"An empty message passes":                           {message('1', nil), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := append(bytes.Clone(row), ready...)
			if test.pass {
				want = append(append(bytes.Clone(row), test.said...), ready...)
			}
			for _, slow := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
				var got bytes.Buffer
				err := testScreen().copy(&got, slow(bytes.NewReader(append(append(bytes.Clone(row), test.said...), ready...))))
				if !errors.Is(err, io.EOF) {
					t.Fatalf("copy() = %v, want io.EOF", err)
				}
				if !bytes.Equal(got.Bytes(), want) {
					t.Errorf("passed on %d bytes, want %d", got.Len(), len(want))
				}
			}
		})
	}

	t.Run("A server that breaks the protocol is cut off", func(t *testing.T) {
		t.Parallel()
		for name, said := range map[string][]byte{
			"a length below its own":      {'D', 0, 0, 0, 3},
			"a notification without end":  {'A', 0, 1, 0, 0, 0},
			"a notification with no NULs": message('A', []byte("1234channel")),
			"half a message":              {'D', 0, 0, 0, 9, 'x'},
		} {
			if err := testScreen().copy(io.Discard, bytes.NewReader(said)); errors.Is(err, io.EOF) {
				t.Errorf("%s: copy() = %v, want another error than the end", name, err)
			}
		}
	})

	t.Run("What a pausing server said is passed on", func(t *testing.T) {
		t.Parallel()
		server, in := io.Pipe()
		out, host := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- testScreen().copy(host, server) }()
		// The first half of a message comes before its second was sent.
		for _, part := range [][]byte{row[:1000], row[1000:]} {
			written := make(chan error, 1)
			go func() {
				_, err := in.Write(part)
				written <- err
			}()
			got := make([]byte, len(part))
			if _, err := io.ReadFull(out, got); err != nil {
				t.Fatal(err)
			}
			if err := <-written; err != nil || !bytes.Equal(got, part) {
				t.Errorf("it was changed, %v", err)
			}
		}
		_ = in.Close()
		if err := <-done; !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}

func FuzzScreen(f *testing.F) {
	f.Add(append(message('D', []byte("row")), notify(f, 8, `{"queue": "host_1"}`)...))
	f.Add(notify(f, hubPID, `{"queue": "host_1"}`))
	f.Add([]byte{'A', 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, said []byte) {
		var got bytes.Buffer
		_ = testScreen().copy(&got, bytes.NewReader(said))
		// What the host gets is what was said without some notifications: no
		// message is torn but the last.
		rest := said
		passed := got.Bytes()
		for len(passed) >= 5 {
			length := min(int(binary.BigEndian.Uint32(passed[1:]))+1, len(passed))
			i := bytes.Index(rest, passed[:length])
			if i < 0 {
				t.Fatalf("the host gets %q, which was not said", passed[:length])
			}
			rest, passed = rest[i+length:], passed[length:]
		}
	})
}

// reads a client's bytes and takes the answers.
type client struct {
	io.Reader
	io.Writer
}

func FuzzReadStartup(f *testing.F) {
	startup, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "a"}}).Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(startup)
	f.Add([]byte{0, 0, 0, 8, 4, 210, 22, 47})
	f.Fuzz(func(t *testing.T, sent []byte) {
		from := bytes.NewReader(sent)
		parameters, err := readStartup(client{from, io.Discard})
		if err != nil {
			return
		}
		// PostgreSQL's own reader understands it the same.
		body := sent[:len(sent)-from.Len()]
		for binary.BigEndian.Uint32(body[4:]) == sslRequest || binary.BigEndian.Uint32(body[4:]) == gssencRequest {
			body = body[binary.BigEndian.Uint32(body):]
		}
		var message pgproto3.StartupMessage
		if err := message.Decode(body[4:]); err != nil {
			return // It reads no version but 3.0 and 3.2.
		}
		if diff := cmp.Diff(message.Parameters, parameters); diff != "" {
			t.Errorf("parameters (-pgproto3 +ours):\n%s", diff)
		}
	})
}
