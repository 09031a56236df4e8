package verify

import (
	"errors"
	"io/fs"

	"github.com/distbot/distbot/repopublish/snapshot"
)

// isOfRPM says whether err is about one RPM, which others may be better than.
func isOfRPM(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, snapshot.ErrDenied) || errors.Is(err, snapshot.ErrElsewhere) || isContent(err)
}
