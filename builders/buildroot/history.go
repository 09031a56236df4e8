package buildroot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/autospec"
)

// ProcessSpec computes %autorelease and %autochangelog of the order's spec from
// its history, and returns the processed spec; nil when the order has no
// history. evaluate is the driver's, in its isolation; a *builders.Failure of
// its is returned as it is. What was computed is noted in log.
func ProcessSpec(ctx context.Context, order builders.SRPMOrder, log io.Writer, evaluate autospec.Evaluate) ([]byte, error) {
	if order.History == "" {
		return nil, nil
	}
	file, err := os.Open(order.History)
	if err != nil {
		return nil, fmt.Errorf("buildroot: open history: %w", err)
	}
	defer file.Close()
	history, err := autospec.Decode(file)
	if err != nil {
		return nil, fmt.Errorf("buildroot: %w", err)
	}
	processed, err := autospec.Process(ctx, history, evaluate)
	var wrong *autospec.SpecError
	if errors.As(err, &wrong) {
		return nil, &builders.Failure{Phase: builders.PhaseSRPM, Reason: wrong.Spec + ": " + wrong.Reason, Err: err}
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "release %s, of %d commits and %d specs\n", processed.Release, len(history.Commits), processed.Evaluated)
	return processed.Spec, nil
}

// maxVersions bounds what the evaluation of one batch of specs may print.
const maxVersions = 4 << 20

// Evaluation is one run of autospec.Script in a driver's isolation.
type Evaluation struct {
	// Dir holds its inputs, for everyone to read; it is the script's first
	// argument, as it is called inside.
	Dir    string
	inputs int
	output bytes.Buffer
	notes  bytes.Buffer
}

// NewEvaluation writes inputs below dir. Close removes them.
func NewEvaluation(dir string, inputs []autospec.Input) (*Evaluation, error) {
	path, err := os.MkdirTemp(dir, "history-")
	if err != nil {
		return nil, fmt.Errorf("buildroot: make directory: %w", err)
	}
	if err := errors.Join(os.Chmod(path, 0o755), autospec.WriteInputs(path, inputs)); err != nil {
		return nil, errors.Join(fmt.Errorf("buildroot: %w", err), os.RemoveAll(path))
	}
	return &Evaluation{Dir: path, inputs: len(inputs)}, nil
}

// Stdout and Stderr are what the script must print to.
func (e *Evaluation) Stdout() io.Writer {
	return &buildlog.Bounded{Buffer: &e.output, Left: maxVersions}
}

// Stderr is for its messages.
func (e *Evaluation) Stderr() io.Writer { return &buildlog.Tail{Buffer: &e.notes} }

// Versions are what the specs say, once the script has ended with that code.
func (e *Evaluation) Versions(code int) ([]autospec.Version, error) {
	const what = "the specs of the package's history can't be evaluated: "
	if code != 0 {
		ended := diagnosis.Exit{Step: diagnosis.StepSRPM, Code: code}
		finding, err := diagnosis.Read("", ended.Step, &e.notes, ended)
		if err != nil {
			return nil, fmt.Errorf("buildroot: %w", err)
		}
		// The words are in no log.
		finding.Line, finding.LogFile, finding.SpecLine = 0, "", 0
		failure := builders.Diagnosed(finding, ended)
		failure.Because(what + finding.Reason)
		return nil, failure
	}
	versions, err := autospec.ReadOutput(e.output.String(), e.inputs)
	if err != nil {
		return nil, &builders.Failure{Phase: builders.PhaseSRPM, Reason: what + "a spec ended the evaluation", Err: err}
	}
	return versions, nil
}

// Close removes the inputs.
func (e *Evaluation) Close() { _ = os.RemoveAll(e.Dir) } // its parent is removed too
