package tasklog

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReader(t *testing.T) {
	t.Parallel()
	in := "plain\n\x1b[31mred\x1b[0m\r\nno end \x1b]0;title\nlast"
	for name, r := range map[string]io.Reader{
		"All at once":     strings.NewReader(in),
		"One byte a read": iotest.OneByteReader(strings.NewReader(in)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := io.ReadAll(Reader(r))
			if err != nil {
				t.Fatal(err)
			}
			if want := Printable(in); string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	t.Run("A line without end stays bounded and complete", func(t *testing.T) {
		t.Parallel()
		long := strings.Repeat("x", 3*pieceSize)
		got, err := io.ReadAll(Reader(strings.NewReader(long)))
		if err != nil || string(got) != long {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, len(long))
		}
	})
	t.Run("An error of the source comes through", func(t *testing.T) {
		t.Parallel()
		if _, err := io.ReadAll(Reader(iotest.ErrReader(io.ErrClosedPipe))); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
		}
	})
}
