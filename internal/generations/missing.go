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
	Number int64 // 0 for the one before that which it shows
	// State is that of a generation that was there once, or never came so far:
	// building; published where only its files are gone; empty for none.
	State string
}

// Error implements error.
func (e *MissingError) Error() string {
	switch {
	case e.Number == 0:
		return fmt.Sprintf("generations: %s has no generation before the one it shows", e.Tag)
	case e.State == "expired":
		return fmt.Sprintf("generations: generation %d of %s was removed, since newer ones replaced it long ago", e.Number, e.Tag)
	case e.State == "published":
		return fmt.Sprintf("generations: the files of generation %d of %s are gone", e.Number, e.Tag)
	case e.State != "":
		return fmt.Sprintf("generations: generation %d of %s was never published", e.Number, e.Tag)
	}
	return fmt.Sprintf("generations: %s has no generation %d", e.Tag, e.Number)
}
