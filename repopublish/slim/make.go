package slim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/repopublish/identity"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// Make makes a repository of packages of the sources. It appears at once, whole,
// or not at all. The error is a *MissingError, wraps ErrRefused, ErrExists,
// identity.ErrRefused or an error of package snapshot, is that of opts.Check, or
// of the file system or context.
func Make(ctx context.Context, sources []*snapshot.Snapshot, opts Options) (Report, error) {
	all, err := read(ctx, sources)
	if err != nil {
		return Report{}, err
	}
	externals, err := read(ctx, opts.Externals)
	if err != nil {
		return Report{}, err
	}
	p := plan{all: all, externals: externals, opts: opts, report: newReport()}
	if err := p.make(ctx); err != nil {
		return Report{}, err
	}
	report, err := p.publish(ctx)
	if errors.Is(err, identity.ErrRefused) {
		err = p.explain(err)
	}
	return report, err
}

// plan is a repository before it is written.
type plan struct {
	all, externals *catalog
	opts           Options
	out            out

	packages []available
	whole    *modulemd.Index // the documents as the sources have them
	index    *modulemd.Index // as the repository gets them
	modules  []byte          // their text
	// Nil for none.
	comps, updateinfo []byte
	report            Report
}

// make decides what the repository consists of.
func (p *plan) make(ctx context.Context) error {
	var err error
	if p.out, err = findOut(ctx, slices.Concat(p.all.sources, p.externals.sources), p.opts); err != nil {
		return err
	}
	chosen, err := p.all.choose(ctx, p.opts.Packages)
	if err != nil {
		return err
	}
	if p.opts.CompleteProfiles {
		p.report.Added = append(p.report.Added, p.all.complete(chosen)...)
	}
	if p.packages, err = p.all.unique(chosen); err != nil {
		return err
	}
	if p.whole, err = p.all.documents(chosen); err != nil {
		return err
	}
	if err := required(p.whole, p.externals, p.opts); err != nil {
		return err
	}
	trimmed, err := p.trim()
	if err != nil {
		return err
	}
	if p.opts.TrimArtifacts {
		p.report.Warnings = append(p.report.Warnings, unmasked(p.whole, trimmed, []*catalog{p.all, p.externals})...)
	}
	companions(trimmed, &p.report)
	if p.comps, err = p.groups(); err != nil {
		return err
	}
	if p.updateinfo, err = p.advisories(); err != nil {
		return err
	}
	p.modules, p.index, err = validate(trimmed, p.externals, &p.report)
	return err
}

// trim takes out of the documents what the repository does not have.
func (p *plan) trim() (*modulemd.Index, error) {
	have := shipped{artifacts: map[string]bool{}, names: map[string]bool{}}
	here := map[string]bool{}
	for _, a := range p.packages {
		here[modulemd.FormatArtifact(a.NEVRA)] = true
		have.names[a.Name] = true
	}
	for artifact := range here {
		have.artifacts[artifact] = true
	}
	for artifact := range p.externals.artifact {
		have.artifacts[artifact] = true
	}
	for name := range p.externals.named {
		have.names[name] = true
	}
	var streams []*modulemd.Stream
	for _, s := range p.whole.Streams {
		told := StreamReport{Stream: s.String(), Shortened: map[string][]string{}, Dropped: []string{}, Empty: []string{}}
		keepRPM, keepEmptied, err := trimProfiles(s, p.whole, have, p.opts, &told)
		if err != nil {
			return nil, err
		}
		edit := modulemd.Edit{KeepRPM: keepRPM, KeepEmptied: keepEmptied}
		if p.opts.TrimArtifacts {
			edit.KeepArtifact = func(artifact string) bool { return here[artifact] }
		}
		edited, err := s.Edit(edit)
		if err != nil {
			return nil, fmt.Errorf("slim: %w: %w", err, ErrRefused)
		}
		for _, artifact := range s.Artifacts {
			if here[artifact] {
				told.Packages++
			}
		}
		told.Artifacts, told.Trimmed = len(edited.Artifacts), len(s.Artifacts)-len(edited.Artifacts)
		p.report.Streams = append(p.report.Streams, told)
		streams = append(streams, edited)
	}
	return modulemd.NewIndex(streams, p.whole.Defaults, p.whole.Obsoletes, p.whole.Translations), nil
}

// explain adds to a refusal of the gate what is wrong with the sources'
// documents, which may be why.
func (p *plan) explain(err error) error {
	var bad []modulemd.Finding
	for _, part := range p.all.modules {
		bad = append(bad, modulemd.AtLeast(part.Index.Findings, modulemd.Error)...)
	}
	if len(bad) == 0 {
		return err
	}
	text := "the sources have documents that can't be used:"
	for _, f := range bad[:min(len(bad), 5)] {
		text += "\n  " + f.String()
	}
	return fmt.Errorf("%w\n%s", err, text)
}

// identities is the gate: the packages by their headers, the documents by those of
// the sources.
func (p *plan) identities(rpms []identity.RPM) error {
	slices.SortFunc(rpms, func(a, b identity.RPM) int { return slices.Compare([]string{a.String()}, []string{b.String()}) })
	return identity.Check(rpms, p.index, p.whole)
}
