package tags

import "fmt"

// Fault is the class of a refusal, by Koji's fault codes.
type Fault int

// The classes.
const (
	FaultGeneric    Fault = 1000
	FaultTag        Fault = 1003
	FaultNotAllowed Fault = 1004
)

// RefusedError says why a change of the tag model was not made. Nothing was changed.
type RefusedError struct {
	Fault Fault
	Text  string
	// Err is the cause, where there is one.
	Err error
}

// Unwrap returns the cause.
func (r *RefusedError) Unwrap() error { return r.Err }

// Error implements error.
func (r *RefusedError) Error() string { return r.Text }

func refuse(fault Fault, format string, args ...any) error {
	return &RefusedError{Fault: fault, Text: fmt.Sprintf(format, args...)}
}
