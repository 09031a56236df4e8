package reproduce

import (
	"fmt"
	"io"

	"github.com/distbot/distbot/internal/tasklog"
)

// Result is what came of making a build again in its recorded buildroots.
type Result struct {
	// Packages are those of the architectures that were built again.
	Packages []PackageResult `json:"packages,omitempty"`
	// Roots tell how the new buildroots differ from the recorded ones; none do
	// when all went well.
	Roots []RootResult `json:"buildroots,omitempty"`
	// Missing are the packages of recorded buildroots that can't be had any more.
	Missing []Missing `json:"missing,omitempty"`
}

// PackageResult is how a package compares with the recorded one.
type PackageResult struct {
	// Arch is that of the task which made the package.
	Arch string `json:"arch"`
	Name string `json:"name"`
	// Recorded and Rebuilt are the SHA-256 of the files; empty where there is
	// none.
	Recorded   string      `json:"recorded"`
	Rebuilt    string      `json:"rebuilt"`
	Difference *Difference `json:"difference,omitempty"`
}

// Identical reports whether the two are the same, bit for bit.
func (p PackageResult) Identical() bool { return p.Recorded != "" && p.Recorded == p.Rebuilt }

// RootResult is how the buildroot of a task differs from the recorded one.
type RootResult struct {
	Arch string `json:"arch"`
	RootDifference
}

// Missing is a package that can't be had any more.
type Missing struct {
	Arch  string `json:"arch"`
	NEVRA string `json:"nevra"`
	// Repo is where it came from, empty where that was not known.
	Repo   string `json:"repo"`
	Reason string `json:"reason"`
}

// Identical reports whether all packages are the same, bit for bit.
func (r Result) Identical() bool {
	for _, p := range r.Packages {
		if !p.Identical() {
			return false
		}
	}
	return len(r.Packages) > 0
}

// Print tells the result in words. What packages say of themselves is made safe
// for a terminal.
func (r Result) Print(w io.Writer) {
	for _, m := range r.Missing {
		from := m.Repo
		if from == "" {
			from = "an unknown repository"
		}
		say(w, "  %s, of the buildroot for %s, came from %s: %s\n", m.NEVRA, m.Arch, from, m.Reason)
	}
	for _, root := range r.Roots {
		say(w, "  the buildroot for %s is not the recorded one:\n", root.Arch)
		root.print(w)
	}
	for _, p := range r.Packages {
		switch {
		case p.Identical():
			say(w, "  %s %s: bit-identical\n", p.Arch, p.Name)
		case p.Rebuilt == "":
			say(w, "  %s %s: was not made again\n", p.Arch, p.Name)
		case p.Recorded == "":
			say(w, "  %s %s: was not made before\n", p.Arch, p.Name)
		default:
			say(w, "  %s %s: differs\n", p.Arch, p.Name)
			p.Difference.print(w)
		}
	}
}

// say prints text of which anybody may have written a part.
func say(w io.Writer, format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = tasklog.Printable(text)
		}
	}
	fmt.Fprintf(w, format, args...)
}
