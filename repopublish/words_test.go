package repopublish

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestInWords(t *testing.T) {
	t.Parallel()
	address := func(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: port} }
	path := &fs.PathError{Op: "open", Path: "/srv/distbot/store/tmp/x-4711", Err: syscall.ENOSPC}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a file":             {fmt.Errorf("repopublish: write x86_64: %w", path), "write x86_64: open: no space left on device"},
		"a package":          {&fs.PathError{Op: "read", Path: "/srv/distbot/Packages/h/hello-1-1.noarch.rpm", Err: syscall.EIO}, "read hello-1-1.noarch.rpm: input/output error"},
		"a link":             {fmt.Errorf("x86_64: %w", &os.LinkError{Op: "link", Old: "/srv/a", New: "/srv/repos/f37/hello-1-1.noarch.rpm", Err: syscall.ENOENT}), "x86_64: link hello-1-1.noarch.rpm: no such file or directory"},
		"a connection":       {fmt.Errorf("get repomd.xml: %w", &net.OpError{Op: "read", Net: "tcp", Source: address(49152), Addr: address(443), Err: syscall.ECONNRESET}), "get repomd.xml: read: connection reset by peer"},
		"a name":             {&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "mirror.example", Server: "127.0.0.53:53"}}, "dial: lookup mirror.example: no such host"},
		"several at once":    {&unmadeError{1, 7, "f37", fmt.Errorf("sync .partial-7/x86_64: %w, %w", path, path)}, "sync x86_64: open: no space left on device, open: no space left on device"},
		"nothing to shorten": {errors.New("repopublish: conn closed"), "conn closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := inWords(test.err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
