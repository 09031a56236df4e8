// Package identity is the gate between modular RPMs and the world: it refuses
// RPMs that a repository would offer without the stream documents they belong
// to. dnf does not install such packages ("No available modular metadata for
// modular package"), and what it makes of them beside other repositories
// depends on chance.
//
// To which streams an RPM belongs is said by module documents alone, never by
// its ModularityLabel, which is text of any kind; that there is a label tells
// that it is modular.
//
// It knows RPMs by name and label, and documents. It refuses to know where they
// are.
package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// ErrRefused is wrapped by every refusal.
var ErrRefused = errors.New("modular packages without their stream documents")

// RPM is what the gate must know of an RPM.
type RPM struct {
	rpmfile.NEVRA
	Label string // the header's ModularityLabel; empty for RPMs that are not modular
}

// Error lists what is refused, each in words. Its text has the first fifty.
type Error struct{ Problems []string }

// Error implements error.
func (e *Error) Error() string {
	const most = 50
	shown, rest := e.Problems, ""
	if n := len(shown) - most; n > 0 {
		shown, rest = shown[:most], fmt.Sprintf("\n  and %d more", n)
	}
	noun := "problems"
	if len(e.Problems) == 1 {
		noun = "problem"
	}
	return fmt.Sprintf("identity: %d %s:\n  %s%s", len(e.Problems), noun, strings.Join(shown, "\n  "), rest)
}

// Unwrap is ErrRefused.
func (e *Error) Unwrap() error { return ErrRefused }

// Check refuses, with an *Error, a repository of the given RPMs and documents in
// which an RPM is modular and no document lists it. Source RPMs may be missing
// from documents, since nothing installs them.
//
// Where the RPMs were taken from another repository, source are its documents;
// then the published ones must be of these, each the same document but for
// artifacts and profiles' RPMs that may be left out, and must list every RPM
// that they list there. Otherwise source is nil.
func Check(rpms []RPM, published, source *modulemd.Index) error {
	var problems []string
	listed := published.ByArtifact()
	for _, r := range rpms {
		artifact := modulemd.FormatArtifact(r.NEVRA)
		if r.Label != "" && len(listed[artifact]) == 0 && r.Arch != "src" && r.Arch != "nosrc" {
			problems = append(problems, fmt.Sprintf("%s is modular (label %q), but no stream document lists it", r.NEVRA, r.Label))
		}
	}
	if source != nil {
		problems = append(problems, checkSource(rpms, published, source)...)
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return &Error{problems}
	}
	return nil
}

// checkSource compares with the documents of where the RPMs come from.
func checkSource(rpms []RPM, published, source *modulemd.Index) (problems []string) {
	from := map[modulemd.NSVCA]*modulemd.Stream{}
	for _, s := range source.Streams {
		from[s.NSVCA] = s
	}
	for _, s := range published.Streams {
		switch whole := from[s.NSVCA]; {
		case whole == nil:
			problems = append(problems, fmt.Sprintf("the stream document %s is not of the source", s))
		case !modulemd.IsPartOf(s, whole):
			problems = append(problems, fmt.Sprintf("the stream document %s is not the source's: it differs in %s",
				s, strings.Join(modulemd.Differences(s, whole), ", ")))
		}
	}
	here, there := published.ByArtifact(), source.ByArtifact()
	for _, r := range rpms {
		artifact := modulemd.FormatArtifact(r.NEVRA)
		for _, s := range there[artifact] {
			if !slices.ContainsFunc(here[artifact], func(p *modulemd.Stream) bool { return p.NSVCA == s.NSVCA }) {
				problems = append(problems, fmt.Sprintf("%s belongs to %s at the source, but no such document lists it here", r.NEVRA, s))
			}
		}
	}
	return problems
}
