package slim

import (
	"bytes"
	"fmt"

	"github.com/distbot/distbot/internal/modulemd"
)

// validate returns the text of the documents, read again as clients do, and
// refuses what they can't use and what clashes with a repository beside.
func validate(x *modulemd.Index, externals *catalog, report *Report) ([]byte, *modulemd.Index, error) {
	var text bytes.Buffer
	if err := x.Write(&text); err != nil {
		return nil, nil, fmt.Errorf("slim: %w", err)
	}
	read, err := modulemd.Read(text.Bytes(), modulemd.ReadOptions{Source: "modules.yaml"})
	if err != nil {
		return nil, nil, fmt.Errorf("slim: %w: %w", err, ErrRefused)
	}
	parts := append([]modulemd.Part{{Name: "this repository", Index: read}}, externals.modules...)
	findings := append(append(append([]modulemd.Finding(nil), read.Findings...), read.Check()...), modulemd.Clashes(parts)...)
	if bad := modulemd.AtLeast(findings, modulemd.Error); len(bad) > 0 {
		return nil, nil, fmt.Errorf("slim: %w: the module documents can't be published: %w", ErrRefused, &modulemd.FindingsError{Findings: bad})
	}
	for _, f := range modulemd.AtLeast(findings, modulemd.Warning) {
		report.Warnings = append(report.Warnings, f.String())
	}
	return text.Bytes(), read, nil
}
