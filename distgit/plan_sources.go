package distgit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// missingSource says, as a refusal, which source or patch of a spec is for
// certain neither in the tree nor in its sources file; empty when none is.
// Builds never download what Source: names, so that git says of every file what
// it is.
func missingSource(tree *Tree, spec *Spec) (string, error) {
	listed := make(map[string]bool)
	text, err := tree.ReadFile(SourcesFile, maxSourcesBytes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	files, err := ParseSources(text)
	if err != nil {
		return "", err
	}
	for _, file := range files {
		listed[file.Name] = true
	}
	for _, source := range slices.Concat(spec.Sources, spec.Patches) {
		name, known := source.FileName()
		if !known || source.Conditional || name == "" || tree.has(name) || listed[name] {
			continue
		}
		if strings.Contains(source.Text, "://") {
			return fmt.Sprintf("%s:%d: %s is not in sources: upload it to the lookaside and list it there, builds don't download %s",
				spec.File, source.Line, name, source.Text), nil
		}
		return fmt.Sprintf("%s:%d: %s is neither in the repository nor in its sources file", spec.File, source.Line, name), nil
	}
	return "", nil
}
