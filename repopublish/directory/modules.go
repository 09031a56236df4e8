package directory

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/distbot/distbot/internal/modulemd"
)

// ModulesFile is a file of module documents.
type ModulesFile struct {
	Name string
	Text []byte
}

// MergeModules makes one modules.yaml of several files. Stream documents of one
// N:S:V:C:A must be equal, or one a part of the other; defaults are united. The
// error says what clients would die of, throw away, or lose, and wraps
// modulemd.ErrInvalid, ErrConflict or ErrTooLarge. The findings are what else
// is to be said.
func MergeModules(files []ModulesFile) ([]byte, []modulemd.Finding, error) {
	var parts []modulemd.Part
	var findings []modulemd.Finding
	for _, f := range files {
		index, err := modulemd.Read(f.Text, modulemd.ReadOptions{Source: f.Name})
		if err == nil {
			err = index.Err()
		}
		if err != nil {
			return nil, nil, fmt.Errorf("directory: %s: %w", f.Name, err)
		}
		findings = append(findings, index.Findings...)
		parts = append(parts, modulemd.Part{Name: f.Name, Index: index})
	}
	merged, err := modulemd.Merge(parts, modulemd.MergeOptions{UnionSubsets: true, StrictDefaultStreams: true})
	if err != nil {
		return nil, nil, fmt.Errorf("directory: %w", err)
	}
	checked := merged.Check()
	if bad := modulemd.AtLeast(checked, modulemd.Error); len(bad) > 0 {
		return nil, nil, fmt.Errorf("directory: %w", &modulemd.FindingsError{Findings: bad})
	}
	if len(merged.Modules()) == 0 {
		return nil, nil, errors.New("directory: the files hold no module documents")
	}
	var text bytes.Buffer
	if err := merged.Write(&text); err != nil {
		return nil, nil, fmt.Errorf("directory: %w", err)
	}
	return text.Bytes(), append(append(findings, merged.Findings...), checked...), nil
}
