package closure

import (
	"fmt"
	"io"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// Report is the result of a check.
type Report struct {
	// Packages is how many were checked, each once for every machine.
	Packages int `json:"packages"`
	// Machines are the architectures of clients that were looked at.
	Machines []string `json:"machines"`
	// Combinations of module streams that were looked at, on all machines; 1
	// where there are no modules.
	Combinations int `json:"combinations"`
	// Problems are sorted by package, machine and requirement.
	Problems []Problem `json:"problems"`
	// Findings are what is wrong with the module documents: those that clients
	// can't read, those that clash between repositories, and streams that can't
	// be active.
	Findings []modulemd.Finding `json:"findings"`
}

// Problem is a requirement that nothing meets.
type Problem struct {
	Package rpmfile.NEVRA `json:"package"`
	Repo    string        `json:"repo"`
	// Machine is the client's architecture.
	Machine     string `json:"machine"`
	Requirement string `json:"requirement"`
	// Combinations are those in which the package can be seen and the
	// requirement is not met, in words.
	Combinations []string `json:"combinations"`
	// Always: in every combination in which the package can be seen.
	Always bool `json:"always"`
	// Nearest says what comes nearest, or what is hidden, each in words.
	Nearest []string `json:"nearest"`
}

// OK says whether everything is closed: no problems, and no finding that is an
// error.
func (r Report) OK() bool {
	return len(r.Problems) == 0 && len(modulemd.AtLeast(r.Findings, modulemd.Error)) == 0
}

// maxNamed is how many combinations of a problem are written out.
const maxNamed = 4

// where says in which combinations the problem is.
func (p Problem) where() string {
	switch n := len(p.Combinations); {
	case p.Always && n > 1:
		return "in every combination of module streams"
	case n > maxNamed:
		return fmt.Sprintf("with %s, and %d more", strings.Join(p.Combinations[:maxNamed], "; "), n-maxNamed)
	default:
		return "with " + strings.Join(p.Combinations, "; ")
	}
}

// WriteText writes the problems as dnf repoclosure does, and below each
// requirement where it is not met and what comes nearest.
func (r Report) WriteText(out io.Writer) error {
	var b strings.Builder
	packages := 0
	for i := 0; i < len(r.Problems); packages++ {
		p := r.Problems[i]
		n := 1
		for i+n < len(r.Problems) && r.Problems[i+n].samePackage(p) {
			n++
		}
		fmt.Fprintf(&b, "package: %s from %s\n  unresolved deps (%d):\n", p.Package, p.Repo, n)
		for _, p := range r.Problems[i : i+n] {
			fmt.Fprintf(&b, "    %s\n", p.Requirement)
			if r.Combinations > len(r.Machines) {
				fmt.Fprintf(&b, "      %s\n", p.where())
			}
			for _, text := range p.Nearest {
				fmt.Fprintf(&b, "      %s\n", text)
			}
		}
		i += n
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "modules: %s\n", f)
	}
	if len(r.Problems) > 0 {
		fmt.Fprintf(&b, "Repoclosure ended with unresolved dependencies (%d) across %d packages.\n", len(r.Problems), packages)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (p Problem) samePackage(q Problem) bool {
	return p.Package == q.Package && p.Repo == q.Repo && p.Machine == q.Machine
}
