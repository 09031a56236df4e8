package rootfs

import (
	"context"
	"fmt"
	"os"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/internal/autospec"
	"github.com/distbot/distbot/internal/sandbox"
)

// Where the specs of a package's history are evaluated, inside.
const (
	historyIn  = "/distbot-in/history"
	historyDir = buildDir + "/history"
)

// processSpec computes %autorelease and %autochangelog of the order's spec from
// its history, and returns the path of the processed spec on this host; empty
// when the order has no history. Specs are evaluated in the sandbox only.
func (b *build) processSpec(ctx context.Context, order builders.SRPMOrder) (string, error) {
	if order.History == "" {
		return "", nil
	}
	defer b.step("computing %autorelease and %autochangelog")()
	spec, err := buildroot.ProcessSpec(ctx, order, b.rootLog, b.evaluate)
	if err != nil {
		return "", inPhase(builders.PhaseSRPM, err)
	}
	b.specText = string(spec)
	path := b.path("processed.spec")
	if err := os.WriteFile(path, spec, 0o644); err != nil {
		return "", fmt.Errorf("rootfs: write processed spec: %w", err)
	}
	return path, nil
}

// evaluate implements autospec.Evaluate by the buildroot's rpm.
func (b *build) evaluate(ctx context.Context, inputs []autospec.Input) ([]autospec.Version, error) {
	e, err := buildroot.NewEvaluation(b.dir, inputs)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	result, err := b.run(ctx, e.Stdout(), e.Stderr(), []sandbox.Mount{{Source: e.Dir, Target: historyIn, ReadOnly: true}},
		"/bin/bash", "-c", autospec.Script, "history", historyIn, historyDir)
	if err != nil {
		return nil, err
	}
	return e.Versions(result.ExitCode)
}
