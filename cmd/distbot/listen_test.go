package main

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnAddressComesFirst opens servers that can't listen where they are told to.
func TestAnAddressComesFirst(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	for name, test := range map[string]struct{ text, want string }{
		"that another process has":                {"listen: ADDR\n", "listen: ADDR: another process listens there"},
		"that is no address of this machine":      {"listen: \"192.0.2.1:8080\"\n", "listen: 192.0.2.1:8080: this machine does not have that address"},
		"that has no such host":                   {"listen: \"a b:8080\"\n", "listen: a b:8080: "},
		"for build hosts, that another one has":   {"listen: \"127.0.0.1:0\"\nbuilders: {listen: ADDR}\n", "builders.listen: ADDR: another process listens there"},
		"and where the state is, when that fails": {"listen: ADDR\nstate_dir: /proc/nowhere\n", "make state directory: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := taken.Addr().String()
			dir := t.TempDir()
			config, err := parseConfig([]byte("external_url: http://hub.example.org\n"+strings.ReplaceAll(test.text, "ADDR", address)), dir)
			if err != nil {
				t.Fatal(err)
			}
			s := &Server{Config: config, Logger: slog.New(slog.DiscardHandler)}
			if err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(test.want, "ADDR", address)) {
				t.Errorf("%v, want %q in it", err, test.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "state", "postgres")); !os.IsNotExist(err) {
				t.Errorf("the database was made all the same: %v", err)
			}
		})
	}
}
