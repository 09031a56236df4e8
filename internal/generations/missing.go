package generations

import (
	"errors"
	"fmt"
)

// ErrNoTag says that there is no tag of that name.
var ErrNoTag = errors.New("generations: no such tag")

// MissingError says that a tag has no such generation.
type MissingError struct {
	Tag    string
	Number int64 // 0 for the one before the newest
	// State is that of a generation that was there once, or is being made; empty
	// for none.
	State string
}

// Error implements error.
func (e *MissingError) Error() string {
	switch {
	case e.Number == 0:
		return fmt.Sprintf("generations: %s has no generation before its newest one", e.Tag)
	case e.State == "expired":
		return fmt.Sprintf("generations: generation %d of %s was removed, since newer ones replaced it long ago", e.Number, e.Tag)
	case e.State != "":
		return fmt.Sprintf("generations: generation %d of %s was never published", e.Number, e.Tag)
	}
	return fmt.Sprintf("generations: %s has no generation %d", e.Tag, e.Number)
}
