package main

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/tags"
)

// TestDrift changes a tag by hand between two starts.
func TestDrift(t *testing.T) {
	t.Parallel()
	var log logText
	f := newFlowOn(t, 1, dbtest.NewURL(t), slog.New(slog.NewTextHandler(&log, nil)))
	locked := func() bool {
		var is bool
		if err := f.pool.QueryRow(t.Context(), `select locked from tag_config c join tags t on t.id = c.tag_id
			where t.name = 'f37' and c.revoke_event is null`).Scan(&is); err != nil {
			t.Fatal(err)
		}
		return is
	}
	lock := true
	editor := &tags.Editor{Pool: f.pool, Jobs: f.server.client}
	if _, err := editor.Do(t.Context(), "admin", "freeze", func(e *tags.Edit) error {
		return e.EditTag(t.Context(), "f37", tags.TagChange{Locked: &lock})
	}); err != nil {
		t.Fatal(err)
	}
	// Every start calls this.
	if err := f.server.applyDistro(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !locked() {
		t.Error("a start with the file that was applied already opened a tag that was locked since")
	}
	if text := log.String(); !strings.Contains(text, "the tags differ from distro.yaml") || !strings.Contains(text, "f37") {
		t.Errorf("the log does not tell of the difference: %s", text)
	}
	text, err := os.ReadFile(f.server.Config.Distro)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.server.Config.Distro, append(text, "# edited\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.server.applyDistro(t.Context()); err != nil {
		t.Fatal(err)
	}
	if locked() {
		t.Error("a start with a file that was edited did not apply it")
	}
}
