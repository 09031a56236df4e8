// Package verify says what is wrong with repositories, whoever made them:
// documents that are not what repomd.xml says, packages that are not where they
// should be, documents that do not agree, and module documents that make clients
// crash, abort, or mistake one thing for another, each alone and all together.
//
// It knows repodata and packages. It refuses to know which packages belong into
// a repository; what they require of one another is for package closure.
package verify

import (
	"cmp"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
)

// Rule names what was violated, for scripts. Findings about module documents
// have the rules of package modulemd.
type Rule string

// The rules.
const (
	// RuleDocument: a document is missing, damaged, or can't be read.
	RuleDocument Rule = "document"
	// RuleOpenChecksum: a document's content is not what repomd.xml says.
	RuleOpenChecksum Rule = "open-checksum"
	// RuleCount: a document announces another number of packages.
	RuleCount Rule = "count"
	// RuleDisagree: documents list different packages.
	RuleDisagree Rule = "disagree"
	// RuleOrder: documents list the packages in different orders.
	RuleOrder Rule = "order"
	// RuleDuplicate: a package is listed twice, or two of one name are.
	RuleDuplicate Rule = "duplicate"
	// RuleRPM: an RPM is missing, damaged, or another one.
	RuleRPM Rule = "rpm"
	// RuleDetail: a document says something of a package that its header does
	// not, or lacks what the header says.
	RuleDetail Rule = "detail"
	// RuleChecksum: a checksum that can be forged.
	RuleChecksum Rule = "checksum"
	// RuleModular: a modular RPM that no stream document lists.
	RuleModular Rule = "modular"
)

// Finding is one thing that is wrong.
type Finding struct {
	Severity modulemd.Severity `json:"severity"`
	Rule     Rule              `json:"rule"`
	Repo     string            `json:"repo"`
	Message  string            `json:"message"`
}

// String is "REPO: SEVERITY: MESSAGE [RULE]".
func (f Finding) String() string {
	return f.Repo + ": " + f.Severity.String() + ": " + f.Message + " [" + string(f.Rule) + "]"
}

// Report is the result.
type Report struct {
	Repos []RepoReport `json:"repos"`
	// Findings are the worst first, then by repository, rule and message.
	Findings []Finding `json:"findings"`
}

// RepoReport says what was looked at.
type RepoReport struct {
	Name      string `json:"name"`
	Revision  string `json:"revision"`
	Packages  int    `json:"packages"`
	Documents int    `json:"documents"`
	Streams   int    `json:"streams"`
	// Read is how many RPMs were read.
	Read int `json:"read"`
}

// OK says whether there is no finding that is an error.
func (r Report) OK() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity >= modulemd.Error })
}

func (r *Report) sort() {
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Repo, b.Repo),
			strings.Compare(string(a.Rule), string(b.Rule)), strings.Compare(a.Message, b.Message),
		)
	})
}
