package repomd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// At no time, and after no crash, there is a new repomd.xml with the signature
// of the old one.
func TestTheSignatureGoesBeforeTheSwitch(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	for _, tt := range []struct {
		name, text string
		signed     bool
		fail       int // number of the sync that fails
		want       []string
		err        error
	}{
		{"another text", "new", true, 0, []string{"old, signed", "old", "new"}, nil},
		{"another text without signature", "new", false, 0, []string{"old", "new"}, nil},
		{"the same text", "old", true, 0, []string{"old, signed", "old, signed"}, nil},
		{"trouble before", "new", true, 1, []string{"old, signed"}, broken},
		{"trouble with the signature", "new", true, 2, []string{"old, signed", "old"}, broken},
		{"trouble after the switch", "new", true, 3, []string{"old, signed", "old", "new"}, ErrNotSynced},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			if err := root.WriteFile("repomd.xml", []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			if tt.signed {
				if err := root.WriteFile("repomd.xml.asc", nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var states []string
			err = publish(root, []byte(tt.text), func(root *os.Root) error {
				state, err := root.ReadFile("repomd.xml")
				if err != nil {
					return err
				}
				if _, err := root.Lstat("repomd.xml.asc"); err == nil {
					state = fmt.Append(state, ", signed")
				} else if !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				if states = append(states, string(state)); len(states) == tt.fail {
					return broken
				}
				return syncDir(root)
			})
			if !errors.Is(err, tt.err) || errors.Is(err, ErrNotSynced) != (tt.err == ErrNotSynced) { //nolint:errorlint // the sentinel of the table
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, states); diff != "" {
				t.Errorf("states that were synced (-want +got)\n%s", diff)
			}
		})
	}
}
