package modulemd

import (
	"fmt"
	"strings"
)

// Severity says what a [Finding] does to those who use the repository.
type Severity int

const (
	// Note is worth knowing; nobody is hurt.
	Note Severity = iota
	// Warning says that the document is read, but means something else than it seems
	// to, or tools other than dnf refuse it.
	Warning
	// Error says that libmodulemd throws the document away, or a client cannot use it.
	Error
	// Fatal says that a client crashes, aborts, or loses other documents, too.
	Fatal
)

// String is "note", "warning", "error" or "fatal".
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	case Error:
		return "error"
	case Fatal:
		return "fatal"
	}
	return fmt.Sprintf("Severity(%d)", int(s))
}

// MarshalText is String, for JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Rule names what was violated, for scripts; see the constants.
type Rule string

// The rules. Those of syntax and form stop the document they are found in from
// being used, the others do not.
const (
	// RuleYAML: not YAML, or YAML that libyaml does not read. dnf aborts on it.
	RuleYAML Rule = "yaml"
	// RuleLimit: deeper, longer or more than this package reads.
	RuleLimit Rule = "limit"
	// RuleAlias: a YAML alias; libmodulemd reads none.
	RuleAlias Rule = "alias"
	// RuleHeader: document type, format version or data are missing or unknown.
	RuleHeader Rule = "header"
	// RulePackager: an author's document, which has no place in an index.
	RulePackager Rule = "packager"
	// RuleForm: a value is not of the form it must have.
	RuleForm Rule = "form"
	// RuleMissing: a mandatory value is missing.
	RuleMissing Rule = "missing"
	// RuleUnknownKey: a key the format does not have (an error if strict).
	RuleUnknownKey Rule = "unknown-key"
	// RuleDuplicateKey: a key occurs twice in a mapping; mostly the last wins.
	RuleDuplicateKey Rule = "duplicate-key"
	// RuleNumber: a number that is none or out of range.
	RuleNumber Rule = "number"
	// RuleDate: not a day of the calendar. dnf dies of such a service level.
	RuleDate Rule = "date"
	// RuleContext: a static context with wrong characters or length.
	RuleContext Rule = "context"
	// RuleDependency: positive and negative streams mixed.
	RuleDependency Rule = "dependency"
	// RuleComponents: build order and architectures of components contradict.
	RuleComponents Rule = "components"
	// RuleArtifact: an artifact is not N-E:V-R.A, or a strange one.
	RuleArtifact Rule = "artifact"
	// RuleRPMMap: an entry of the RPM map contradicts itself.
	RuleRPMMap Rule = "rpm-map"
	// RuleObsoletes: an obsoletes document contradicts itself.
	RuleObsoletes Rule = "obsoletes"
	// RuleXMD: extra metadata that libmodulemd loses when it writes.
	RuleXMD Rule = "xmd"
	// RuleDuplicateStream: one N:S:V:C:A with different content.
	RuleDuplicateStream Rule = "duplicate-stream"
	// RuleSuperseded: a later document of one index takes the place of another.
	RuleSuperseded Rule = "superseded"
	// RuleNoContext and RuleNoArch: a stream without context or architecture.
	RuleNoContext Rule = "no-context"
	RuleNoArch    Rule = "no-arch"
	// RuleArch: an artifact whose architecture is not for the stream's.
	RuleArch Rule = "arch"
	// RuleProfileRPM: a profile names an RPM that is no artifact.
	RuleProfileRPM Rule = "profile-rpm"
	// RuleDefaultStream: the default stream has no document.
	RuleDefaultStream Rule = "default-stream"
	// RuleDefaultProfile: a default profile that the stream does not have.
	RuleDefaultProfile Rule = "default-profile"
	// RuleDashStream: a required stream with '-' inside, misread by libdnf.
	RuleDashStream Rule = "dash-stream"
	// RuleRequires: a required module or stream that no document has.
	RuleRequires Rule = "requires"
	// RuleDefaultsClash: two defaults documents that dnf cannot unite.
	RuleDefaultsClash Rule = "defaults-clash"
	// RuleDefaultStreamClash: two default streams, so that none is.
	RuleDefaultStreamClash Rule = "default-stream-clash"
	// RuleOrphan: obsoletes or translations of a stream that no document has.
	RuleOrphan Rule = "orphan"
)

// Finding is one thing that is wrong with a document, or between documents.
type Finding struct {
	Severity Severity `json:"severity"`
	Rule     Rule     `json:"rule"`
	// Source names the text, as given to [Read] or [Clashes]; may be empty.
	Source string `json:"source,omitempty"`
	// Document says which document, such as "modulemd perl:5.30:1:c0ffee:x86_64"
	// or, when that is unknown, "document 3".
	Document string `json:"document,omitempty"`
	// Line of the text, from 1; 0 when no single line is to blame.
	Line int `json:"line,omitempty"`
	// Message says in words what is wrong and what comes of it.
	Message string `json:"message"`
}

// String is "SOURCE:LINE: SEVERITY: DOCUMENT: MESSAGE [RULE]" without the
// parts that are unknown.
func (f Finding) String() string {
	var b strings.Builder
	if f.Source != "" {
		b.WriteString(f.Source)
		b.WriteByte(':')
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, "%d:", f.Line)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(f.Severity.String() + ": ")
	if f.Document != "" {
		b.WriteString(f.Document + ": ")
	}
	fmt.Fprintf(&b, "%s [%s]", f.Message, f.Rule)
	return b.String()
}

// FindingsError is the error form of findings.
type FindingsError struct{ Findings []Finding }

// Error is the first finding, and how many follow.
func (e *FindingsError) Error() string {
	if len(e.Findings) == 0 {
		return "modulemd: no findings"
	}
	s := "modulemd: " + e.Findings[0].String()
	if n := len(e.Findings) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Unwrap is [ErrInvalid].
func (e *FindingsError) Unwrap() error { return ErrInvalid }

// AtLeast are those findings that are as severe as least or worse.
func AtLeast(findings []Finding, least Severity) []Finding {
	var out []Finding
	for _, f := range findings {
		if f.Severity >= least {
			out = append(out, f)
		}
	}
	return out
}
