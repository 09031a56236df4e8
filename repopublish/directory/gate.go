package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/identity"
)

// withLabel is what is remembered of a modular RPM: the state of its file and
// the label in its header. Of others it is the state alone.
func withLabel(state, label string) string {
	if label == "" {
		return state
	}
	return state + "\t" + label
}

// stateOf is the state of the file that withLabel was given.
func stateOf(origin string) string {
	state, _, _ := strings.Cut(origin, "\t")
	return state
}

// labelOf is the label that withLabel was given.
func labelOf(origin string) string {
	_, label, _ := strings.Cut(origin, "\t")
	return label
}

// gate decides whether module documents and modular RPMs may appear together.
type gate struct {
	opts    Options
	modular []identity.RPM
	// kept are the documents of the repository of before; nil where others are
	// given, or there are none.
	kept *repomd.Data
}

// newGate takes the RPMs that are modular.
func newGate(opts Options, items []repomd.Item, keep []repomd.Data) gate {
	g := gate{opts: opts}
	for _, item := range items {
		if label := labelOf(item.Origin); label != "" {
			g.modular = append(g.modular, identity.RPM{NEVRA: item.NEVRA, Label: label})
		}
	}
	if i := slices.IndexFunc(keep, func(d repomd.Data) bool { return d.Type == "modules" }); i >= 0 {
		g.kept = &keep[i]
	}
	return g
}

// check refuses modular RPMs that no stream document lists, or returns them as
// warnings if they are allowed, and kept documents that clients would die of;
// those that are given were checked by MergeModules. The error wraps
// identity.ErrRefused or modulemd.ErrInvalid.
func (g gate) check() (warnings []string, err error) {
	if len(g.modular) == 0 && g.kept == nil || g.passed() {
		return nil, nil
	}
	index, err := g.documents()
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	err = identity.Check(g.modular, index, nil)
	var refused *identity.Error
	switch {
	case errors.As(err, &refused) && g.opts.AllowUnlisted:
		return refused.Problems, nil
	case err != nil:
		return nil, fmt.Errorf("directory: %s: %w", g.opts.Dir, err)
	}
	return nil, g.pass()
}

// documents are those that the repository gets.
func (g gate) documents() (*modulemd.Index, error) {
	switch {
	case g.opts.Modules != nil:
		return modulemd.Read(g.opts.Modules, modulemd.ReadOptions{Source: "modules.yaml"})
	case g.kept == nil:
		return &modulemd.Index{}, nil
	}
	root, err := os.OpenRoot(g.opts.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	r, err := g.kept.Open(root.FS())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	index, err := modulemd.ReadFrom(r, modulemd.ReadOptions{Source: g.kept.Href})
	if err == nil {
		if bad := modulemd.AtLeast(append(index.Check(), index.Findings...), modulemd.Fatal); len(bad) > 0 {
			err = &modulemd.FindingsError{Findings: bad}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keep modules of before: %w; give other ones, or drop them", err)
	}
	return index, nil
}

// passedName is a file of the cache that says what passed the gate last: large
// module documents take longer to read than all else of an update.
const passedName = "passed"

// passed says whether the last run checked the very same.
func (g gate) passed() bool {
	if g.opts.CacheDir == "" || !g.opts.Update {
		return false
	}
	last, err := os.ReadFile(filepath.Join(g.opts.CacheDir, passedName))
	return err == nil && string(last) == g.sum()
}

// pass remembers what was checked.
func (g gate) pass() error {
	if g.opts.CacheDir == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(g.opts.CacheDir, passedName), []byte(g.sum()), 0o600); err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	return nil
}

// sum identifies documents and RPMs.
func (g gate) sum() string {
	sum := sha256.New()
	switch {
	case g.opts.Modules != nil:
		of := sha256.Sum256(g.opts.Modules)
		fmt.Fprintf(sum, "given %x\n", of)
	case g.kept != nil:
		fmt.Fprintf(sum, "kept %s\n", g.kept.SHA256)
	}
	for _, rpm := range g.modular {
		fmt.Fprintf(sum, "%s\n", modulemd.FormatArtifact(rpm.NEVRA))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
