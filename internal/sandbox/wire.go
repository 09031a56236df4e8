package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The caller and pid 1 talk over a socket pair. Every message is a four byte
// length, big endian, and JSON; descriptors travel with the length. The caller
// sends one request and then keeps its end open: its closing, by will or by
// death, is the order to die.

// maxFrame bounds one message. Environments and inline files are small.
const maxFrame = 16 << 20

// controlFD is the number of pid 1's end of the socket pair.
const controlFD = 3

// request is what pid 1 is to do: build a root and run a payload, or work on
// files with the ids of the mapping.
type request struct {
	// SetGroups says that supplementary groups can be dropped.
	SetGroups bool
	Run       *runRequest  `json:",omitempty"`
	Files     *fileRequest `json:",omitempty"`
}

// runRequest is a validated Spec with paths of the caller replaced by indices
// into the descriptors that came with the message; -1 is none.
type runRequest struct {
	layers
	Dir        int
	RootTmpfs  int64
	Mounts     []mountRequest
	Emulators  []emulatorRequest
	TmpSize    int64
	Hostname   string
	UID, GID   int
	Env        []string
	WorkDir    string
	Args       []string
	Network    bool
	NoSync     bool
	Linux32    bool
	NestUser   bool // single id map and UID != 0: see startPayload
	KeepGroups bool // supplementary groups cannot be changed
	Rlimits    []rlimit
	Stdin      bool
	OneOutput  bool
	Devices    map[string]int
	SetupOnly  bool // probe: build everything, start nothing
}

type mountRequest struct {
	Mount
	SourceFD int
	LayerFDs layers
}

// layers are the directories of an overlay.
type layers struct {
	Lower       []int
	Upper, Work int
}

type rlimit struct {
	Resource int
	Value    uint64
}

// reply is what pid 1 says: first started (with descriptors of the pipes) or
// an error, then the end of the payload. File requests have a single reply.
type reply struct {
	Error     *remoteError   `json:",omitempty"`
	Started   bool           `json:",omitempty"`
	Exited    *exitReply     `json:",omitempty"`
	Collected *CollectResult `json:",omitempty"`
}

type exitReply struct {
	Status uint32 // as from wait4
	MaxRSS int64  // bytes
}

// remoteError carries an error over the socket. It keeps what callers decide
// on: the errno, and whether it was ErrTooLarge.
type remoteError struct {
	Text     string
	Errno    syscall.Errno
	TooLarge bool
}

func newRemoteError(err error) *remoteError {
	re := &remoteError{Text: err.Error(), TooLarge: errors.Is(err, ErrTooLarge)}
	errors.As(err, &re.Errno)
	return re
}

func (e *remoteError) Error() string { return e.Text }

func (e *remoteError) Unwrap() error {
	switch {
	case e.TooLarge:
		return ErrTooLarge
	case e.Errno != 0:
		return e.Errno
	}
	return nil
}

// socketPair returns the caller's end and the end for the child. Both are
// closed on exec.
func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("sandbox: make socket pair: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "sandbox control")
	theirs := os.NewFile(uintptr(fds[1]), "sandbox control")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("sandbox: make socket pair: %w", err)
	}
	return conn.(*net.UnixConn), theirs, nil
}

func encodeFrame(v any) (head, body []byte, err error) {
	body, err = json.Marshal(v)
	if err != nil {
		return nil, nil, err
	}
	if len(body) > maxFrame {
		return nil, nil, fmt.Errorf("message of %d bytes is too long", len(body))
	}
	return binary.BigEndian.AppendUint32(nil, uint32(len(body))), body, nil
}

func frameLength(head []byte) (int, error) {
	n := binary.BigEndian.Uint32(head)
	if n > maxFrame {
		return 0, fmt.Errorf("message of %d bytes is too long", n)
	}
	return int(n), nil
}

// sendRequest sends v and fds from the caller to pid 1.
func sendRequest(conn *net.UnixConn, v *request, fds []int) error {
	head, body, err := encodeFrame(v)
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix(head, oob, nil); err != nil {
		return err
	}
	_, err = conn.Write(body)
	return err
}

// readReply reads one message of pid 1 and the descriptors that came with it.
// io.EOF means that pid 1 is gone.
func readReply(conn *net.UnixConn) (*reply, []*os.File, error) {
	head := make([]byte, 4)
	oob := make([]byte, unix.CmsgSpace(4*8))
	n, oobn, _, _, err := conn.ReadMsgUnix(head, oob)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, io.EOF
	}
	fds, err := parseRights(oob[:oobn])
	if err != nil {
		return nil, nil, err
	}
	files := make([]*os.File, len(fds))
	for i, fd := range fds {
		// Pipes of the payload: non-blocking ones are polled, so that closing
		// one ends a pending read.
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, nil, err
		}
		files[i] = os.NewFile(uintptr(fd), "sandbox pipe")
	}
	if _, err := io.ReadFull(conn, head[n:]); err != nil {
		return nil, files, err
	}
	size, err := frameLength(head)
	if err != nil {
		return nil, files, err
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, files, err
	}
	var r reply
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, files, err
	}
	return &r, files, nil
}

func parseRights(oob []byte) ([]int, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var all []int
	for _, m := range msgs {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
		}
		all = append(all, fds...)
	}
	return all, nil
}

// receiveRequest is pid 1's side of sendRequest.
func receiveRequest() (*request, []int, error) {
	head := make([]byte, 4)
	oob := make([]byte, unix.CmsgSpace(4*253))
	n, oobn, _, _, err := unix.Recvmsg(controlFD, head, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, io.EOF
	}
	fds, err := parseRights(oob[:oobn])
	if err != nil {
		return nil, nil, err
	}
	if err := readFull(controlFD, head[n:]); err != nil {
		return nil, nil, err
	}
	size, err := frameLength(head)
	if err != nil {
		return nil, nil, err
	}
	body := make([]byte, size)
	if err := readFull(controlFD, body); err != nil {
		return nil, nil, err
	}
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, nil, err
	}
	return &r, fds, nil
}

// sendReply is pid 1's side of readReply.
func sendReply(v *reply, fds ...int) error {
	head, body, err := encodeFrame(v)
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(controlFD, head, oob, nil, unix.MSG_NOSIGNAL); err != nil {
		return err
	}
	for len(body) > 0 {
		n, err := unix.Write(controlFD, body)
		if err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

func readFull(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		b = b[n:]
	}
	return nil
}
