package closure

import (
	"context"
	"errors"
	"fmt"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/solv"
)

// contradictions are those of the given requirements that can't be met together with
// what the package needs anyway. Every other problem is left out of account, as
// each is told where it is: requirements that nothing meets, other conditional
// ones, conflicts, and that two versions of a package exclude each other.
func (c *checker) contradictions(ctx context.Context, questions []asked, available []bool, answers func(int32) solv.Answer) (found []asked, err error) {
	if len(questions) == 0 {
		return nil, nil
	}
	l := &logic{checker: c, available: available, answers: answers, texts: map[int32]string{}, provides: map[int32][]string{}}
	packages, err := l.packages(questions)
	if err != nil {
		return nil, fmt.Errorf("closure: %w", err)
	}
	pool, err := solv.New(c.machine)
	if err != nil {
		return nil, fmt.Errorf("closure: %w", err)
	}
	defer pool.Close()
	if _, err := pool.AddPackages("needs", solv.Rank{}, packages); err != nil {
		return nil, fmt.Errorf("closure: %w", err)
	}
	for i, a := range questions {
		_, err := pool.Solve(ctx, []solv.Job{{Name: questionName(i)}}, solv.Options{})
		var impossible *solv.UnsolvableError
		switch {
		case errors.As(err, &impossible):
			found = append(found, a)
		case err != nil:
			return nil, fmt.Errorf("closure: %s: %w", c.packages[a.pkg].NEVRA, err)
		}
	}
	return found, nil
}

// logic is what packages need of each other, without names and versions: each has
// a number, each set of packages that is required has a name, and packages that
// nobody needs are not there.
type logic struct {
	*checker
	available []bool
	answers   func(int32) solv.Answer

	texts    map[int32]string   // of requirements
	provides map[int32][]string // sets that a package is in
	reached  []int32            // packages, each a key of provides
	sets     int
}

func questionName(i int) string    { return fmt.Sprintf("question%d", i) }
func packageName(pkg int32) string { return fmt.Sprintf("package%d", pkg) }
func (l *logic) met(pkg int32) (requires []int32) {
	for _, r := range l.checker.packages[pkg].requires {
		if l.answers(r) == solv.Met {
			requires = append(requires, r)
		}
	}
	return requires
}

// packages are one for each question, and all that they may need.
func (l *logic) packages(questions []asked) ([]solv.Package, error) {
	var all []solv.Package
	for i, a := range questions {
		var texts []string
		if isSource(l.checker.packages[a.pkg].Arch) {
			// It is not installed, only what it requires.
			texts = l.requirementTexts(l.met(a.pkg))
		} else {
			l.reach(a.pkg)
			texts = []string{packageName(a.pkg)}
		}
		p, err := logicPackage(questionName(i), append(texts, l.requirementText(a.requirement)))
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	first := len(all)
	for i := 0; i < len(l.reached); i++ { // reaches further ones
		p, err := logicPackage(packageName(l.reached[i]), l.requirementTexts(l.met(l.reached[i])))
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	for i, pkg := range l.reached {
		for _, set := range l.provides[pkg] {
			all[first+i].Provides = append(all[first+i].Provides, rpmfile.Dependency{Name: set})
		}
	}
	return all, nil
}

func logicPackage(name string, requires []string) (solv.Package, error) {
	p := solv.Package{NEVRA: rpmfile.NEVRA{Name: name, Version: "1", Release: "1", Arch: "noarch"}, Dependencies: repomd.Dependencies{}}
	for _, text := range requires {
		d, err := solv.ParseDependency(text)
		if err != nil {
			return solv.Package{}, err
		}
		p.Requires = append(p.Requires, d)
	}
	return p, nil
}

func (l *logic) reach(pkg int32) {
	if _, known := l.provides[pkg]; !known {
		l.provides[pkg] = nil
		l.reached = append(l.reached, pkg)
	}
}

func (l *logic) requirementTexts(requirements []int32) (texts []string) {
	for _, r := range requirements {
		texts = append(texts, l.requirementText(r))
	}
	return texts
}

func (l *logic) requirementText(r int32) string {
	text, known := l.texts[r]
	if !known {
		text = l.requirements[r].Rich(l.set)
		l.texts[r] = text
	}
	return text
}

// set names a set of packages, of those that are available.
func (l *logic) set(providers []int32) string {
	l.sets++
	name := fmt.Sprintf("set%d", l.sets)
	for _, pkg := range providers {
		if l.available[pkg] {
			l.reach(pkg)
			l.provides[pkg] = append(l.provides[pkg], name)
		}
	}
	return name
}
