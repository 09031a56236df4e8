package builders

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestUnreadable(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err            error
		infrastructure bool
	}{
		"bytes that are no package are the package's fault": {io.ErrUnexpectedEOF, false},
		"a disk that fails is not":                          {&fs.PathError{Op: "read", Path: "blob", Err: syscall.EIO}, true},
		"a file that is gone is not":                        {func() error { _, err := os.Open("/does/not/exist"); return err }(), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failure *Failure
			if err := unreadable("hello.rpm can't be read", test.err); !errors.As(err, &failure) || failure.Infrastructure != test.infrastructure {
				t.Errorf("got %+v, want infrastructure %t", failure, test.infrastructure)
			}
		})
	}
}
