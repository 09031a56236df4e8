package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/internal/autospec"
)

// processSpec computes %autorelease and %autochangelog, if the order has a
// history, and puts the processed spec in the place of the order's.
func (b *build) processSpec(ctx context.Context, order builders.SRPMOrder) error {
	spec, err := buildroot.ProcessSpec(ctx, order, b.rootLog, b.evaluate)
	if err != nil || spec == nil {
		return err
	}
	path := b.path("SOURCES", order.Spec)
	// What is there may be a link.
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("host: replace spec: %w", err)
	}
	if err := os.WriteFile(path, spec, 0o644); err != nil {
		return fmt.Errorf("host: replace spec: %w", err)
	}
	if err := os.Chtimes(path, b.order.Epoch, b.order.Epoch); err != nil {
		return fmt.Errorf("host: replace spec: %w", err)
	}
	// Specs of the history may have left macros of their own.
	return errors.Join(b.own(path), b.writeMacros())
}

// evaluate implements autospec.Evaluate by this host's rpm, with as little
// isolation as builds have.
func (b *build) evaluate(ctx context.Context, inputs []autospec.Input) ([]autospec.Version, error) {
	e, err := buildroot.NewEvaluation(b.dir, inputs)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	// What is printed beside the versions is not read.
	end, err := b.run(ctx, io.MultiWriter(e.Stdout(), e.Stderr()), "/bin/bash", "-c", autospec.Script, "history", e.Dir, b.path("tmp", "history"))
	if err != nil {
		return nil, err
	}
	return e.Versions(end.Code)
}
