package repomd

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// counter hashes and counts what is written to it.
type counter struct {
	hash.Hash
	n int64
}

func newCounter() counter { return counter{Hash: sha256.New()} }

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Hash.Write(p)
	c.n += int64(n)
	return n, err
}

// hashState is what a counter has come to, so that another one can go on from
// there; empty for none. It begins with how much was written.
type hashState string

// errNoState is wrapped where a counter can't go on.
var errNoState = errors.New("not the state of a hash")

// state returns what the counter has come to.
func (c *counter) state() hashState {
	m, ok := c.Hash.(encoding.BinaryAppender)
	if !ok {
		return ""
	}
	b, err := m.AppendBinary(binary.LittleEndian.AppendUint64(nil, uint64(c.n)))
	if err != nil {
		return ""
	}
	return hashState(b)
}

// resume goes on where the counter of a state had come to. The error wraps
// errNoState, and leaves the counter as it was.
func (c *counter) resume(s hashState) error {
	const length = 8
	if len(s) < length {
		return fmt.Errorf("repomd: %w", errNoState)
	}
	sum := sha256.New()
	m, ok := sum.(encoding.BinaryUnmarshaler)
	if !ok {
		return fmt.Errorf("repomd: %w", errNoState)
	}
	if err := m.UnmarshalBinary([]byte(s[length:])); err != nil {
		return fmt.Errorf("repomd: %w: %w", errNoState, err)
	}
	c.Hash, c.n = sum, int64(binary.LittleEndian.Uint64([]byte(s[:length])))
	return nil
}
