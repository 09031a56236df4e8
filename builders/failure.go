package builders

import (
	"errors"

	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/autospec"
)

// Failure says why a task failed.
//
//nolint:errname // a failure is a noun of the domain, shown on pages as such
type Failure struct {
	Phase Phase
	// Infrastructure is true when the package is not to blame and trying
	// again may help.
	Infrastructure bool
	// Reason is one line for people: what happened, to which object.
	Reason string
	// Finding is what the logs say of it; nil when no log does.
	Finding *diagnosis.Finding
	// Ended is how the command ended whose log was read.
	Ended diagnosis.Exit
	Err   error
}

// Diagnosed is the failure of a finding.
func Diagnosed(finding diagnosis.Finding, ended diagnosis.Exit) *Failure {
	f := &Failure{Phase: finding.Phase, Infrastructure: finding.Infrastructure, Reason: finding.Reason, Finding: &finding, Ended: ended}
	if ended.Limit != nil {
		f.Err = ended.Limit
	}
	return f
}

// Judge reads from the log why the command of the step that was begun last
// failed: ended is how it did, err that it could not be run, or was ended for a
// *diagnosis.Limit. It returns a *Failure with its finding, nil when the command
// did not fail, and other errors as they are.
func Judge(log *diagnosis.Log, ended diagnosis.Exit, err error) error {
	ended.Step = log.Step()
	if err != nil && !errors.As(err, &ended.Limit) {
		return err
	}
	if err == nil && ended.Code == 0 {
		return nil
	}
	return Diagnosed(log.Finding(ended), ended)
}

// NotUnpacked says of a source package that rpm refused what that means.
func NotUnpacked(err error) error {
	var failure *Failure
	if errors.As(err, &failure) && failure.Finding != nil && failure.Ended.Limit == nil {
		failure.Finding.Kind = diagnosis.KindBadSource
		failure.Because("the source package can't be unpacked: " + failure.Reason)
	}
	return err
}

// InSpec finds the line of the spec that the failure is about. text is that of the
// spec; where it was processed, lines are those of the one that people wrote.
func (f *Failure) InSpec(text string) {
	if f.Finding == nil {
		return
	}
	f.Finding.FindInSpec(text)
	f.Finding.MapSpecLine(func(line int) int { return autospec.OriginalLine(text, line) })
	f.Reason = f.Finding.Reason
}

// Because gives the failure another reason, cut as all reasons are.
func (f *Failure) Because(reason string) {
	f.Reason = diagnosis.OneLine(reason)
	if f.Finding != nil {
		f.Finding.Reason = f.Reason
	}
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Err != nil && f.Reason == "" {
		return f.Err.Error()
	}
	return f.Reason
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }
