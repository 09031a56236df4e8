package mock

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Bounds of what is read to find a spec.
const (
	maxSpec    = 1 << 20
	maxPayload = 1 << 30
)

// specOf is the text of the spec that a task is about, so that the lines can be
// named which its failure is about; empty when it can't be read, which is no
// reason to say less of the failure. Nothing of it is evaluated.
func specOf(t task, in string) string {
	root, err := os.OpenRoot(in)
	if err != nil {
		return ""
	}
	defer root.Close()
	file, err := root.Open(t.spec())
	if err != nil {
		return ""
	}
	defer file.Close()
	if !strings.HasSuffix(t.spec(), ".rpm") {
		text, err := io.ReadAll(io.LimitReader(file, maxSpec))
		if err != nil {
			return ""
		}
		return string(text)
	}
	text, err := specIn(file)
	if err != nil {
		return ""
	}
	return text
}

// errFound ends a walk.
var errFound = errors.New("mock: found the spec")

// specIn is the text of the spec in a source package.
func specIn(file *os.File) (string, error) {
	pkg, err := rpmfile.Read(file)
	if err != nil {
		return "", err
	}
	text := ""
	err = rpmfile.WalkPayload(file, pkg, rpmfile.Limits{Bytes: maxPayload}, func(entry rpmfile.PayloadFile, content io.Reader) error {
		if !strings.HasSuffix(entry.Path, ".spec") {
			return nil
		}
		part, err := io.ReadAll(io.LimitReader(content, maxSpec))
		if err != nil {
			return err
		}
		text = string(part)
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return text, err
}
