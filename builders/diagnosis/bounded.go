package diagnosis

import (
	"encoding/json"
	"slices"
)

// MaxJSON bounds a finding in JSON, in bytes, once it is Bounded.
const MaxJSON = 64 << 10

// Bounds of numbers that may be anybody's.
const maxNumber = 1 << 30

// Known reports whether this is one of the kinds above.
func (k Kind) Known() bool {
	return slices.Contains([]Kind{
		KindOutOfMemory, KindTimeOut, KindDiskFull, KindLogSize, KindFileSize, KindProcesses, KindKilled,
		KindRepository, KindCorruptDownload, KindBuilderSetup, KindMissingRequires, KindConflict, KindFileConflict, KindScriptlet, KindBuildroot,
		KindBadSpec, KindWrongArch, KindMissingSource, KindBadSource, KindPatchHunk, KindUndefinedMacro, KindMissingCommand, KindMissingModule,
		KindMissingHeader, KindConfigure, KindCompileError, KindLinkError, KindBuildError, KindNetworkNeeded, KindPermission, KindMissingFile,
		KindCrash, KindTestFailure, KindCommandFailed, KindUnpackagedFiles, KindMissingFiles, KindBadFiles, KindArchInNoarch, KindUnreadableResult,
	}, k)
}

// logNames are the logs that a finding may name.
var logNames = []string{"checkout.log", "root.log", "build.log"}

// Bounded is the finding as Read could have made it, and at most MaxJSON long,
// whoever made it: another host's is hostile. Texts are one printable line each,
// what is too long or too much is cut, a kind that nobody knows is
// KindCommandFailed, a phase that nobody knows and a log that can't be are empty.
// The finding itself is not changed.
func (f Finding) Bounded() Finding {
	if !f.Phase.Known() {
		f.Phase = ""
	}
	if !f.Kind.Known() {
		f.Kind = KindCommandFailed
	}
	f.Reason, f.Object = clip(f.Reason, MaxReason), clip(f.Object, maxExcerptLine)
	if f.Line < 1 || f.Line > maxNumber || !slices.Contains(logNames, f.LogFile) {
		f.LogFile, f.Line = "", 0
	}
	if f.SpecLine < 0 || f.SpecLine > maxSpecLines {
		f.SpecLine = 0
	}
	f.Excerpt, f.Unpackaged = clipAll(f.Excerpt, maxExcerpt), clipAll(f.Unpackaged, maxUnpackaged)
	f.NotSearched = clipAll(f.NotSearched, maxNotSearched)
	missing := make([]Requirement, 0, min(len(f.Missing), maxMissing))
	for _, m := range f.Missing[:min(len(f.Missing), maxMissing)] {
		missing = append(missing, Requirement{
			Text: clip(m.Text, maxExcerptLine), NeededBy: clip(m.NeededBy, maxExcerptLine), Nearest: clipAll(m.Nearest, maxNearest),
		})
	}
	if f.Missing = missing; len(missing) == 0 {
		f.Missing = nil
	}
	for {
		text, err := json.Marshal(f)
		if err == nil && len(text) <= MaxJSON {
			return f
		}
		// Whatever the texts are, the excerpt and the reason fit.
		f.Unpackaged, f.Missing = f.Unpackaged[:len(f.Unpackaged)/2], f.Missing[:len(f.Missing)/2]
	}
}

// clipAll are the first of some texts, each as a line of an excerpt.
func clipAll(texts []string, most int) []string {
	if len(texts) == 0 {
		return nil
	}
	cut := make([]string, min(len(texts), most))
	for i := range cut {
		cut[i] = clip(texts[i], maxExcerptLine)
	}
	return cut
}
