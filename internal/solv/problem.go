package solv

/*
#include "binding.h"
*/
import "C"

import (
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Bounds of what is told of jobs that can't be done.
const (
	maxProblems  = 20
	maxRules     = 50
	maxSolutions = 10
	maxElements  = 50
)

// UnsolvableError says why jobs can't be done.
type UnsolvableError struct {
	Problems []Problem // at least one, at most 20
}

// Error tells the problems in one line.
func (e *UnsolvableError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return "solv: solve: " + strings.Join(texts, "; ")
}

// Problem is a contradiction: rules that can't all be kept.
type Problem struct {
	Rules []Rule
	// Solutions are ways out, each of them one or more things to do together,
	// in libsolv's words: "do not ask to install foo".
	Solutions [][]string
}

// String tells the rules in one line, the telling ones only: that something is
// asked for is left out where another rule says what is wrong with it.
func (p Problem) String() string {
	var texts, requests []string
	for _, r := range p.Rules {
		if r.Kind == Request || r.Kind == Other {
			requests = append(requests, r.Text)
		} else {
			texts = append(texts, r.Text)
		}
	}
	if len(texts) == 0 {
		texts = requests
	}
	return strings.Join(texts, ", ")
}

// RuleKind says what a rule is about.
type RuleKind string

// The kinds of rules. Which fields of a Rule are set beside Kind and Text is in
// parentheses.
const (
	NothingProvides  RuleKind = "nothing provides"  // a requirement of a package (Source, Dependency)
	NothingRequested RuleKind = "nothing requested" // provides what a job requires (Dependency)
	UnknownPackage   RuleKind = "unknown package"   // in a job (Dependency is its name)
	Requires         RuleKind = "requires"          // providers exist, but none can be installed (Source, Dependency)
	Conflicts        RuleKind = "conflicts"         // (Source, Target, Dependency)
	Obsoletes        RuleKind = "obsoletes"         // (Source, Target, Dependency)
	SameName         RuleKind = "same name"         // two versions of one package (Source, Target)
	NotInstallable   RuleKind = "not installable"   // other architecture, or excluded (Source)
	InferiorArch     RuleKind = "inferior arch"     // a better architecture of it was chosen (Source)
	Request          RuleKind = "request"           // the job itself
	Other            RuleKind = "other"             // see Text (any)
)

// Rule is one of the rules that contradict one another.
type Rule struct {
	Kind       RuleKind
	Source     rpmfile.NEVRA // zero where there is none
	Target     rpmfile.NEVRA
	Dependency string // as a spec writes it
	Text       string // in libsolv's and dnf's words
}

// kindOf translates libsolv's numbers.
func kindOf(t C.SolverRuleinfo) RuleKind {
	switch t {
	case C.SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP:
		return NothingProvides
	case C.SOLVER_RULE_JOB_NOTHING_PROVIDES_DEP:
		return NothingRequested
	case C.SOLVER_RULE_JOB_UNKNOWN_PACKAGE:
		return UnknownPackage
	case C.SOLVER_RULE_PKG_REQUIRES:
		return Requires
	case C.SOLVER_RULE_PKG_CONFLICTS, C.SOLVER_RULE_PKG_SELF_CONFLICT:
		return Conflicts
	case C.SOLVER_RULE_PKG_OBSOLETES, C.SOLVER_RULE_PKG_IMPLICIT_OBSOLETES, C.SOLVER_RULE_YUMOBS:
		return Obsoletes
	case C.SOLVER_RULE_PKG_SAME_NAME:
		return SameName
	case C.SOLVER_RULE_PKG_NOT_INSTALLABLE:
		return NotInstallable
	case C.SOLVER_RULE_INFARCH:
		return InferiorArch
	case C.SOLVER_RULE_JOB:
		return Request
	}
	return Other
}

// problems reads what a solver that failed has to say.
func (p *Pool) problems(solver *C.Solver) []Problem {
	var problems []Problem
	for id := C.solver_next_problem(solver, 0); id != 0 && len(problems) < maxProblems; id = C.solver_next_problem(solver, id) {
		problems = append(problems, Problem{Rules: p.rules(solver, id), Solutions: solutions(solver, id)})
	}
	return problems
}

func (p *Pool) rules(solver *C.Solver, problem C.Id) []Rule {
	ids := takeIDs(C.binding_rules(solver, problem))
	var rules []Rule
	for r := range slices.Chunk(ids, 4) {
		kind := C.SolverRuleinfo(r[0])
		rule := Rule{
			Kind: kindOf(kind), Source: p.nevra(r[1]), Target: p.nevra(r[2]),
			Text: C.GoString(C.solver_problemruleinfo2str(solver, kind, r[1], r[2], r[3])),
		}
		if r[3] != 0 {
			rule.Dependency = C.GoString(C.pool_dep2str(p.c, r[3]))
		}
		if !slices.Contains(rules, rule) && len(rules) < maxRules {
			rules = append(rules, rule)
		}
	}
	return rules
}

// nevra is the package of an id, zero if it is none.
func (p *Pool) nevra(id C.Id) rpmfile.NEVRA {
	if i := int(id) - firstID; i >= 0 && i < len(p.packages) {
		return p.packages[i].NEVRA
	}
	return rpmfile.NEVRA{}
}

func solutions(solver *C.Solver, problem C.Id) [][]string {
	var all [][]string
	for id := C.solver_next_solution(solver, problem, 0); id != 0 && len(all) < maxSolutions; id = C.solver_next_solution(solver, problem, id) {
		var todo []string
		var p, rp C.Id
		for e := C.solver_next_solutionelement(solver, problem, id, 0, &p, &rp); e != 0 && len(todo) < maxElements; e = C.solver_next_solutionelement(solver, problem, id, e, &p, &rp) {
			todo = append(todo, C.GoString(C.solver_solutionelement2str(solver, p, rp)))
		}
		all = append(all, todo)
	}
	return all
}
