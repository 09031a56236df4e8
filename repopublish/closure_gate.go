package repopublish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/repopublish/closure"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// ClosureExtra is the extra setting of a tag that says what becomes of a
// repository whose requirements nothing meets: a Policy. It is not inherited.
const ClosureExtra = "repo.closure"

// Policy says what becomes of a repository in which a check finds something.
type Policy string

// The policies.
const (
	// PolicyOff: nothing is checked. The default.
	PolicyOff Policy = "off"
	// PolicyWarn: what is found is recorded with the generation.
	PolicyWarn Policy = "warn"
	// PolicyBlock: the repository is refused.
	PolicyBlock Policy = "block"
)

// parsePolicy reads the setting's value; off where it is not set.
func parsePolicy(value json.RawMessage) (Policy, error) {
	if value == nil {
		return PolicyOff, nil
	}
	var text string
	if err := json.Unmarshal(value, &text); err == nil {
		switch policy := Policy(text); policy {
		case PolicyOff, PolicyWarn, PolicyBlock:
			return policy, nil
		}
	}
	return "", errors.New(`want "off", "warn" or "block"`)
}

// readSettings reads what the tag itself says of its repository. A value that
// can't be understood is a *RefusedError.
func (c *content) readSettings(ctx context.Context, reader tagview.Reader, tagID int64) error {
	extra, err := reader.Extra(ctx, tagID)
	if err != nil {
		return fmt.Errorf("repopublish: read settings of tag %d: %w", tagID, err)
	}
	var problems []string
	for _, setting := range []struct {
		name string
		read func(json.RawMessage) error
	}{
		{SigningKeysExtra, func(v json.RawMessage) (err error) { c.keys, err = parseSigningKeys(v); return err }},
		{NeedSignaturesExtra, func(v json.RawMessage) (err error) { c.need, err = parseNeed(v); return err }},
		{ClosureExtra, func(v json.RawMessage) (err error) { c.closure, err = parsePolicy(v); return err }},
	} {
		if err := setting.read(extra[setting.name]); err != nil {
			problems = append(problems, setting.name+": "+err.Error())
		}
	}
	return refuseAll(GateSettings, problems)
}

// checkClosure looks whether all that the packages of a tree require is met by
// it and by the tag's external repositories, on every architecture and for each
// combination of module streams. Before the tree is shown.
func (p *Publisher) checkClosure(ctx context.Context, tree, tag string, c *content) error {
	if c.closure == PolicyOff {
		return nil
	}
	found := &generations.Closure{Policy: string(c.closure), Listed: []string{}}
	var problems, unchecked []string
	reading := p.externals.begin(c.closure)
	for _, a := range c.arches {
		more, err := p.checkArch(ctx, filepath.Join(tree, a), tag, a, c, reading)
		switch {
		case errors.Is(err, modulemd.ErrTooLarge) && c.closure == PolicyBlock:
			return refuse(GateClosure, fmt.Errorf("%s: %w", a, err))
		case err != nil && (ctx.Err() != nil || c.closure == PolicyBlock):
			return fmt.Errorf("check requirements of %s: %w", a, err)
		case err != nil:
			unchecked = append(unchecked, a+": "+inWords(err))
			continue
		}
		problems = append(problems, more...)
	}
	if c.closure == PolicyBlock {
		if err := refuseAll(GateClosure, problems); err != nil {
			return err
		}
	}
	found.Problems, found.Listed = len(problems), bounded(problems)
	found.Unchecked = strings.Join(bounded(unchecked), "; ")
	c.found = found
	if !found.OK() {
		first := found.Unchecked
		if len(found.Listed) > 0 {
			first = found.Listed[0]
		}
		p.Logger.Warn("repopublish: the repository is not closed", "tag", tag, "problems", found.Problems, "first", first)
	}
	return nil
}

// checkArch checks the repository of one architecture, and says in words what it
// found.
func (p *Publisher) checkArch(ctx context.Context, dir, tag, a string, c *content, reading *externalReading) (problems []string, err error) {
	repos := []closure.Repo{{Name: tag, Files: os.DirFS(dir), Modules: c.repos[a].index, Check: true}}
	var opened []*snapshot.Snapshot
	defer func() {
		for _, s := range opened {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, external := range c.external {
		s, err := reading.open(ctx, external, a, filepath.Join(p.CacheDir, externalDir))
		if err != nil {
			return nil, fmt.Errorf("external repository %s: %w", external.Name, err)
		}
		opened = append(opened, s)
		modules, err := s.Modules()
		if err != nil {
			return nil, fmt.Errorf("external repository %s: %w", external.Name, err)
		}
		repos = append(repos, closure.Repo{Name: s.Name, Files: s, Modules: modules})
	}
	report, err := closure.Check(ctx, repos, closure.Options{Machine: machineOf(a)})
	if err != nil {
		return nil, err
	}
	for _, problem := range report.Problems {
		problems = append(problems, a+": "+problemText(problem, report.Combinations > 1))
	}
	for _, f := range modulemd.AtLeast(report.Findings, modulemd.Error) {
		problems = append(problems, a+": "+f.String())
	}
	return problems, nil
}

// machineOf is the architecture of the machines that a repository is for: of
// 32-bit x86 the one that runs all of its packages.
func machineOf(a string) string {
	if arch.Canonical(a) == "i386" {
		return "i686"
	}
	return a
}

// problemText is a requirement that nothing meets, in a line.
func problemText(problem closure.Problem, combinations bool) string {
	text := problem.Package.String() + " requires " + problem.Requirement + ", which nothing provides"
	if combinations && !problem.Always {
		text += " with " + strings.Join(problem.Combinations[:min(len(problem.Combinations), maxCombinations)], "; ")
		if n := len(problem.Combinations) - maxCombinations; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
	}
	if len(problem.Nearest) > 0 {
		text += "; " + problem.Nearest[0]
	}
	return text
}

// maxCombinations is how many combinations of module streams a problem names.
const maxCombinations = 3
