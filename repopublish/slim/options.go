package slim

import (
	"context"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// Options say what is made.
type Options struct {
	// Out is the directory that becomes the repository, or a symbolic link to
	// it. It must not exist or be empty, unless Replace is set: then it may also
	// hold a repository, whoever made it, and nothing beside it. No source and
	// no external may be in it, nor it in one of them.
	Out     string
	Replace bool
	// Link makes RPMs of directories links to those: who writes into the one
	// changes the other. Otherwise they are copies, which share their blocks
	// where the file system can.
	Link bool
	// Packages select, each in one of the forms NAME, NAME.ARCH, N-V-R,
	// N-V-R.A, N-E:V-R.A (with * ? and [ ] as in file names), @MODULE:STREAM
	// for all artifacts of a stream, or @MODULE:STREAM/PROFILE.
	Packages []string
	// CompleteProfiles also takes the packages that profiles of the streams
	// name.
	CompleteProfiles bool
	// TrimArtifacts leaves out of stream documents what is not in the
	// repository.
	TrimArtifacts bool
	// KeepEmptyProfiles keeps profiles that lost all their packages, default
	// ones too; they install nothing.
	KeepEmptyProfiles bool
	// Drop are types of documents that are not taken: "group" or "updateinfo".
	Drop []string
	// Platform is the clients' stream of the module platform, which the
	// streams must be for; empty for any.
	Platform string
	// Externals are repositories that every client has beside this one.
	Externals   []*snapshot.Snapshot
	Compression repomd.Compression
	// Progress is told after every package that was taken, concurrently; nil
	// for nobody.
	Progress func(done, total int)
	// Check looks at the finished repository before it appears; its error is
	// returned as it is. Nil for no further check.
	Check func(ctx context.Context, dir string) error
}

// Report tells what was made.
type Report struct {
	Packages int    `json:"packages"`
	Size     int64  `json:"size"` // of all RPMs, in bytes
	Revision string `json:"revision"`
	// Added are packages that profiles asked for.
	Added []string `json:"added"`
	// Streams are the stream documents.
	Streams []StreamReport `json:"streams"`
	// Defaults, Obsoletes and Translations are the modules with such documents.
	Defaults     []string `json:"defaults"`
	Obsoletes    []string `json:"obsoletes"`
	Translations []string `json:"translations"`
	// Groups are the ids of package groups, Advisories those of updates.
	Groups     []string `json:"groups"`
	Advisories []string `json:"advisories"`
	// Warnings are in words.
	Warnings []string `json:"warnings"`
}

// newReport is a report of nothing, whose lists are lists also in JSON.
func newReport() Report {
	return Report{
		Added: []string{}, Streams: []StreamReport{}, Defaults: []string{}, Obsoletes: []string{}, Translations: []string{},
		Groups: []string{}, Advisories: []string{}, Warnings: []string{},
	}
}

// StreamReport tells what became of a stream document.
type StreamReport struct {
	Stream string `json:"stream"` // N:S:V:C:A
	// Packages are how many of the stream's artifacts the repository has.
	Packages int `json:"packages"`
	// Artifacts are how many the document lists, Trimmed those left out of it.
	Artifacts int `json:"artifacts"`
	Trimmed   int `json:"trimmed"`
	// Shortened are profiles that lost packages, with these; Dropped and Empty
	// are profiles that lost all.
	Shortened map[string][]string `json:"shortened"`
	Dropped   []string            `json:"dropped"`
	Empty     []string            `json:"empty"`
}
