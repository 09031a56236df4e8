package signer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrUnreachable is wrapped when there is no signer at the socket, or it went
// away before it answered. To ask again is safe: the answer will be the same.
var ErrUnreachable = errors.New("the signer can't be reached")

// Client asks a signer. Safe for concurrent use; each request is a connection.
type Client struct {
	// Socket is the path of the signer's socket.
	Socket string
}

// SignRPM has an RPM signed with a key: the signature is one of its main header.
// rpm is read by the signer from its beginning, whatever its offset, and must be
// open for reading until SignRPM returns; digest is the SHA-256 that was recorded
// of it. The error is a *RefusedError or wraps ErrUnreachable.
func (c *Client) SignRPM(ctx context.Context, key string, rpm *os.File, digest string) (*Signature, error) {
	return c.sign(ctx, request{Op: opSignRPM, Key: key, SHA256: digest}, rpm)
}

// SignRepomd has a repomd.xml signed, whose SHA-256 was recorded before.
func (c *Client) SignRepomd(ctx context.Context, key string, document []byte) (*Signature, error) {
	sum := sha256.Sum256(document)
	return c.sign(ctx, request{Op: opSignRepomd, Key: key, SHA256: hex.EncodeToString(sum[:]), Document: document}, nil)
}

// Keys returns the signer's keys by name, retired ones too.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	a, err := c.ask(ctx, request{Op: opKeys}, nil)
	if err != nil {
		return nil, err
	}
	return a.Keys, nil
}

func (c *Client) sign(ctx context.Context, r request, file *os.File) (*Signature, error) {
	a, err := c.ask(ctx, r, file)
	if err != nil {
		return nil, err
	}
	if a.Signature == nil {
		return nil, fmt.Errorf("signer: %s: the answer has no signature: %w", r.Op, ErrUnreachable)
	}
	return a.Signature, nil
}

// ask sends a request and waits for the answer.
func (c *Client) ask(ctx context.Context, r request, file *os.File) (*answer, error) {
	r.Version = ProtocolVersion
	a, err := c.exchange(ctx, r, file)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("signer: %s: %w", r.Op, context.Cause(ctx))
	}
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, fmt.Errorf("signer: %s: %w: %w", r.Op, ErrUnreachable, err)
	case a.Error != nil:
		return nil, a.Error
	case a.Version != ProtocolVersion:
		return nil, refuse(CodeVersion, "the signer speaks version %d of the protocol, this program %d", a.Version, ProtocolVersion)
	}
	return a, nil
}

func (c *Client) exchange(ctx context.Context, r request, file *os.File) (*answer, error) {
	message, err := encode(r)
	if err != nil {
		return nil, refuse(CodeBadRequest, "%v", err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	// A refusal may come before all was sent, and is what matters then.
	sent := send(conn, message, file)
	var prefix [4]byte
	var a answer
	if _, err := io.ReadFull(conn, prefix[:]); err != nil {
		return nil, errors.Join(sent, err)
	}
	if err := decode(prefix, conn, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

// send sends a message, with a file on its first byte where there is one.
func send(conn net.Conn, message []byte, file *os.File) error {
	if file != nil {
		raw, err := file.SyscallConn()
		if err != nil {
			return err
		}
		var sent error
		err = raw.Control(func(fd uintptr) {
			_, _, sent = conn.(*net.UnixConn).WriteMsgUnix(message[:1], unix.UnixRights(int(fd)), nil)
		})
		if err := errors.Join(err, sent); err != nil {
			return err
		}
		message = message[1:]
	}
	_, err := io.Copy(conn, bytes.NewReader(message))
	return err
}
