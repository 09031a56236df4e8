package builders_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue/queuetest"
)

// historian is an installation whose commit 1 comes with a history, and which
// notes what the driver gets of it.
type historian struct {
	*installation
	mu  sync.Mutex
	got map[string]string // by NVR's version: the history's text
	log bytes.Buffer
}

// Prepare implements builders.Sources.
func (h *historian) Prepare(ctx context.Context, order builders.SourceOrder, dir string, log io.Writer) error {
	if order.Commit == queuetest.Commit(1) {
		if err := os.WriteFile(order.History, []byte("the history"), 0o644); err != nil {
			return err
		}
	}
	return h.installation.Prepare(ctx, order, dir, log)
}

// SRPM implements builders.Driver.
func (h *historian) SRPM(ctx context.Context, order builders.SRPMOrder) (builders.Outcome, error) {
	text := "none"
	if order.History != "" {
		content, err := os.ReadFile(order.History)
		if err != nil {
			return builders.Outcome{}, err
		}
		text = string(content)
	}
	outcome, err := h.installation.SRPM(ctx, order)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, entry := range []string{"1", "7"} {
		if _, statErr := os.Stat(order.ResultDir + "/hello-" + entry + "-1.src.rpm"); statErr == nil {
			h.got[entry] = text
		}
	}
	return outcome, err
}

// Write implements io.Writer: the log.
func (h *historian) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(p)
}

func TestAHistory(t *testing.T) {
	t.Parallel()
	h := &historian{installation: newInstallation(t, "x86_64"), got: map[string]string{}}
	h.driver, h.stages.Sources, h.stages.Logger = h, h, slog.New(slog.NewTextHandler(h, nil))
	h.work(t)
	for _, n := range []int{1, 7} {
		h.complete(t, h.build(t, n, script{}))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.got["1"] != "the history" || h.got["7"] != "none" {
		t.Errorf("the driver got %q, want the history of commit 1 and none of commit 7", h.got)
	}
	// Both were planned as hello-1-1.
	const message = "planned under another name"
	if n := strings.Count(h.log.String(), message); n != 1 || !strings.Contains(h.log.String(), "planned=hello-1-1 nvr=hello-7-1") {
		t.Errorf("the log notes %d differences, want that of hello-7-1:\n%s", n, h.log.String())
	}
}
