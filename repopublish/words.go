package repopublish

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/queue"
)

// inWords is an error for people, on pages and at forges: without where in the
// program it arose, without where on the server files lie, and without what is
// another with each try, such as names of temporary files and ports.
func inWords(err error) string {
	var unmade *unmadeError
	own := ""
	if errors.As(err, &unmade) {
		err, own = unmade.err, fmt.Sprintf("%s%d/", partial, unmade.number)
	}
	text := withoutPlaces(err.Error(), err)
	if own != "" {
		text = strings.ReplaceAll(text, own, "")
	}
	return queue.OneLine(strings.ReplaceAll(text, "repopublish: ", ""))
}

// withoutPlaces shortens, in the text of an error, what it wraps of the file
// system and of the network to operation and cause, with the name of a package.
func withoutPlaces(text string, err error) string {
	switch e := err.(type) { //nolint:errorlint // what it wraps is looked at one by one
	case *fs.PathError:
		return strings.ReplaceAll(text, e.Error(), e.Op+packageIn(e.Path)+": "+withoutPlaces(e.Err.Error(), e.Err))
	case *os.LinkError:
		return strings.ReplaceAll(text, e.Error(), e.Op+packageIn(e.New)+": "+withoutPlaces(e.Err.Error(), e.Err))
	case *net.OpError:
		return strings.ReplaceAll(text, e.Error(), e.Op+": "+withoutPlaces(e.Err.Error(), e.Err))
	case *net.DNSError:
		return strings.ReplaceAll(text, e.Error(), "lookup "+e.Name+": "+e.Err) // without which server said so
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return withoutPlaces(text, inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			text = withoutPlaces(text, inner)
		}
	}
	return text
}

// packageIn is the file name of a package, after a blank; empty for other files.
func packageIn(path string) string {
	if name := filepath.Base(path); strings.HasSuffix(name, ".rpm") {
		return " " + name
	}
	return ""
}
