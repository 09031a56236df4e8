package distgit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err       error
		temporary bool
	}{
		{nil, false},
		{&os.PathError{Op: "write", Path: "pack", Err: syscall.ENOSPC}, true},
		{fmt.Errorf("wrapped: %w", syscall.EDQUOT), true},
		{syscall.ECONNREFUSED, true},
		{context.DeadlineExceeded, true}, // of a context within ours
		{io.ErrUnexpectedEOF, true},
		{os.ErrPermission, false},
		{&LimitError{What: "bytes", Limit: 1}, false},
		{ErrNotAllowed, false},
		{ErrCommitNotFound, false},
		{&DigestError{}, false},
	} {
		var temporary *TemporaryError
		got := classify(t.Context(), test.err)
		if errors.As(got, &temporary) != test.temporary || !errors.Is(got, test.err) {
			t.Errorf("classify(%v) = %v; temporary should be %t", test.err, got, test.temporary)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := classify(ctx, syscall.ECONNRESET); !errors.Is(got, context.Canceled) {
		t.Errorf("classify with a cancelled context = %v, want context.Canceled", got)
	}
}

func TestCappedReader(t *testing.T) {
	t.Parallel()
	for limit, fits := range map[int64]bool{4: false, 5: true, 6: true, 0: false} {
		got, err := io.ReadAll(newCappedReader(strings.NewReader("hello"), limit, "bytes"))
		var over *LimitError
		if errors.As(err, &over) == fits || string(got) != "hello"[:min(limit, 5)] {
			t.Errorf("5 bytes through a cap of %d: %q, %v", limit, got, err)
		}
	}
}
