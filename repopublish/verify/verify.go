package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// Reading says of which repositories RPMs are read.
type Reading int

// The ways of reading.
const (
	// ReadDirectories reads those of repositories on this machine.
	ReadDirectories Reading = iota
	// ReadAll also reads those of repositories on the web.
	ReadAll
	// ReadNone reads none.
	ReadNone
)

// Options say how thoroughly repositories are verified.
type Options struct {
	// RPMs says where every RPM is read: its checksum, name, label and payload,
	// and all that the documents say of it. Where RPMs are not read, only their
	// places and sizes are looked at.
	RPMs Reading
	// Progress is told after every RPM of a repository that was read, or looked
	// at, one after the other; nil for nobody.
	Progress func(done, total int)
	// Snapshot says how repositories are read. Nothing is taken from the cache.
	Snapshot snapshot.Options
}

// Verify verifies repositories, and that clients can have them all at once. What
// is wrong with them is in the report; the error is that of the network, file
// system or context, or wraps snapshot.ErrNoRepository.
func Verify(ctx context.Context, sources []snapshot.Source, opts Options) (Report, error) {
	report := Report{Repos: []RepoReport{}, Findings: []Finding{}}
	var parts []modulemd.Part
	for _, source := range sources {
		v := &verifier{opts: opts, source: source, modules: &modulemd.Index{}, told: RepoReport{Name: source.Name}}
		v.reading = opts.RPMs == ReadAll || opts.RPMs == ReadDirectories && !source.IsURL()
		if err := v.verify(ctx); err != nil {
			return Report{}, fmt.Errorf("verify: %w", err)
		}
		report.Repos = append(report.Repos, v.told)
		report.Findings = append(report.Findings, v.findings...)
		parts = append(parts, modulemd.Part{Name: source.Name, Index: v.modules})
	}
	for _, f := range modulemd.Clashes(parts) {
		report.Findings = append(report.Findings, ofModules(f.Source, f))
	}
	report.sort()
	return report, nil
}

// ofModules is a finding about a module document.
func ofModules(repo string, f modulemd.Finding) Finding {
	message := f.Message
	if f.Document != "" {
		message = f.Document + ": " + message
	}
	if f.Line > 0 {
		message = fmt.Sprintf("modules.yaml:%d: %s", f.Line, message)
	}
	return Finding{f.Severity, Rule(f.Rule), repo, message}
}

// verifier verifies one repository.
type verifier struct {
	opts     Options
	source   snapshot.Source
	of       *snapshot.Snapshot
	packages []repomd.PrimaryPackage // without dependencies and files
	modules  *modulemd.Index
	told     RepoReport
	findings []Finding
	reading  bool // of RPMs
	details  details
}

func (v *verifier) find(severity modulemd.Severity, rule Rule, format string, args ...any) {
	v.findings = append(v.findings, Finding{severity, rule, v.source.Name, fmt.Sprintf(format, args...)})
}

// isContent says whether err is about what was read and not about reading.
func isContent(err error) bool {
	for _, of := range []error{
		snapshot.ErrUnstable, snapshot.ErrDamaged, repomd.ErrMalformed, repomd.ErrTooLarge, repomd.ErrChecksum, modulemd.ErrTooLarge,
	} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

func (v *verifier) verify(ctx context.Context) (err error) {
	opts := v.opts.Snapshot
	// What counts is what the server gives, not what it gave once.
	opts.All, opts.Reread = true, true
	if v.of, err = snapshot.Open(ctx, v.source, opts); err != nil {
		if isContent(err) {
			v.find(modulemd.Fatal, RuleDocument, "%v", err)
			return nil
		}
		return err
	}
	defer func() { err = errors.Join(err, v.of.Close()) }()
	v.told.Revision, v.told.Documents = v.of.Repomd.Revision, len(v.of.Repomd.Data)
	for _, d := range v.of.Repomd.Data {
		if err := v.document(ctx, d); err != nil {
			return err
		}
	}
	v.duplicates()
	if err := v.lists(ctx); err != nil {
		return err
	}
	if v.reading {
		if err := v.readDetails(ctx); err != nil {
			return err
		}
	}
	if err := v.rpms(ctx); err != nil {
		return err
	}
	return v.explain(ctx)
}
