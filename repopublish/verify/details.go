package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// listing are the documents that say something of packages.
var listing = [...]string{"primary", "filelists", "other"}

// digest stands for all that a document says of a package.
type digest [sha256.Size]byte

// digestOf is the digest of details, in whatever order, each counted once.
func digestOf(all []repomd.Detail) digest {
	lines := make([]string, len(all))
	for i, d := range all {
		lines[i] = d.Kind + "\x00" + d.Text + "\x00"
	}
	slices.Sort(lines)
	return sha256.Sum256([]byte(strings.Join(slices.Compact(lines), "")))
}

// digests are those of what the documents say of an RPM, if they are right.
func digests(pkg *rpmfile.Package, p repomd.PrimaryPackage) (map[string]digest, error) {
	right, err := rightDetails(pkg, p)
	if err != nil {
		return nil, err
	}
	all := map[string]digest{}
	for _, kind := range listing {
		all[kind] = digestOf(right[kind])
	}
	return all, nil
}

// rightDetails are what the documents say of an RPM, if they are right. The
// error is a *wrongError where XML can't express it.
func rightDetails(pkg *rpmfile.Package, p repomd.PrimaryPackage) (map[string][]repomd.Detail, error) {
	fragments, err := repomd.Render(pkg, repomd.File{Href: p.Href, SHA256: p.Checksum, Size: p.Size})
	if err != nil {
		return nil, &wrongError{err}
	}
	return repomd.DetailsOf(fragments)
}

// details are what the documents say of packages, and of which of them that is
// not what their headers say in the same words.
type details struct {
	said     map[string]map[string]digest // by document and checksum
	suspects map[string]bool              // checksums
}

// compare compares what the documents say of a package with what is right; nil
// where that is not known.
func (d *details) compare(checksum string, right map[string]digest) {
	for kind, want := range right {
		if said, ok := d.said[kind][checksum]; ok && said != want {
			d.suspects[checksum] = true
		}
	}
}

// readDetails reads what the documents say of packages.
func (v *verifier) readDetails(ctx context.Context) error {
	v.details = details{said: map[string]map[string]digest{}, suspects: map[string]bool{}}
	for _, kind := range listing {
		said := map[string]digest{}
		err := v.eachDetails(ctx, kind, func(pkgid string, all []repomd.Detail) {
			sum := digestOf(all)
			if old, twice := said[pkgid]; twice && old != sum {
				sum = digest{} // one of them is wrong
			}
			said[pkgid] = sum
		})
		if err != nil {
			return err
		}
		v.details.said[kind] = said
	}
	return nil
}

// eachDetails reads a document. What can't be read was found already, when
// packages were counted.
func (v *verifier) eachDetails(ctx context.Context, kind string, visit func(pkgid string, all []repomd.Detail)) error {
	if !v.of.Has(kind) {
		return nil
	}
	r, err := v.of.Document(kind)
	if err == nil {
		defer r.Close()
		err = repomd.ReadDetails(r, func(pkgid string, all []repomd.Detail) error {
			visit(pkgid, all)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return nil
		})
	}
	if err == nil || !isContent(err) {
		return err
	}
	known := func(f Finding) bool { return f.Rule == RuleDocument && strings.HasPrefix(f.Message, kind+": ") }
	if !slices.ContainsFunc(v.findings, known) {
		v.find(modulemd.Fatal, RuleDocument, "%s: %v", kind, err)
	}
	return nil
}

// suspectBatch is how many packages are explained at once, whose headers are in
// memory.
const suspectBatch = 500

// explain finds what is wrong with what documents say of packages, where it is
// not what is right word by word: some differences do no harm.
func (v *verifier) explain(ctx context.Context) error {
	var suspects []repomd.PrimaryPackage
	for _, p := range v.packages {
		if v.details.suspects[p.Checksum] {
			suspects = append(suspects, p)
			delete(v.details.suspects, p.Checksum)
		}
	}
	for batch := range slices.Chunk(suspects, suspectBatch) {
		if err := v.explainBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// suspect is a package with what its header says.
type suspect struct {
	repomd.PrimaryPackage
	right map[string][]repomd.Detail // by document
	all   map[repomd.Detail]bool     // also what documents may leave out
}

func (v *verifier) explainBatch(ctx context.Context, batch []repomd.PrimaryPackage) error {
	suspects := make([]*suspect, len(batch))
	work, working := errgroup.WithContext(ctx)
	work.SetLimit(workers)
	for i, p := range batch {
		work.Go(func() (err error) {
			suspects[i], err = v.suspect(working, p)
			var wrong *wrongError
			if errors.As(err, &wrong) {
				return nil // it was right a moment ago: who changes it is told by the next run
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	byChecksum := map[string]*suspect{}
	for _, s := range suspects {
		if s != nil {
			byChecksum[s.Checksum] = s
		}
	}
	for _, kind := range listing {
		err := v.eachDetails(ctx, kind, func(pkgid string, said []repomd.Detail) {
			if s := byChecksum[pkgid]; s != nil {
				v.differences(kind, s, said)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// suspect reads an RPM once more.
func (v *verifier) suspect(ctx context.Context, p repomd.PrimaryPackage) (*suspect, error) {
	pkg, err := v.header(ctx, p)
	if err != nil {
		return nil, err
	}
	s := &suspect{PrimaryPackage: p, all: map[repomd.Detail]bool{}}
	if s.right, err = rightDetails(pkg, p); err != nil {
		return nil, err
	}
	for _, d := range repomd.AllDetails(pkg) {
		s.all[d] = true
	}
	return s, nil
}

// differences are findings about what a document says of a package.
func (v *verifier) differences(kind string, s *suspect, said []repomd.Detail) {
	is, must := map[repomd.Detail]bool{}, map[repomd.Detail]bool{}
	for _, d := range said {
		is[d] = true
	}
	for _, d := range s.right[kind] {
		must[d] = true
	}
	extra, lacks := map[string][]string{}, map[string][]string{}
	for d := range is {
		if !must[d] && !s.all[d] {
			extra[d.Kind] = append(extra[d.Kind], d.Text)
		}
	}
	for d := range must {
		// How many entries a document has is up to whoever makes it.
		if !is[d] && d.Kind != "changelog" {
			lacks[d.Kind] = append(lacks[d.Kind], d.Text)
		}
	}
	for _, detail := range slices.Sorted(maps.Keys(merged(extra, lacks))) {
		v.find(severityOf(kind, detail, len(extra[detail]) > 0), RuleDetail, "%s", differenceText(kind, s.String(), detail, extra[detail], lacks[detail]))
	}
}

// differenceText says what a document says too much or too little.
func differenceText(kind, pkg, detail string, extra, lacks []string) string {
	slices.Sort(extra)
	slices.Sort(lacks)
	if !(repomd.Detail{Kind: detail}).Lists() {
		return fmt.Sprintf("%s: %s: its %s is %s, its header says %s", kind, pkg, detail, quoted(extra), quoted(lacks))
	}
	if detail == "file" {
		detail = "files"
	}
	var parts []string
	if len(extra) > 0 {
		parts = append(parts, fmt.Sprintf("in its %s but not in its header: %s", detail, examples(extra)))
	}
	if len(lacks) > 0 {
		parts = append(parts, fmt.Sprintf("in its header but not in its %s: %s", detail, examples(lacks)))
	}
	return fmt.Sprintf("%s: %s: %s", kind, pkg, strings.Join(parts, "; "))
}

// quoted is the one text that there is, or "nothing".
func quoted(texts []string) string {
	if len(texts) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%.200q", texts[0])
}

// severityOf is an error where clients choose other packages by what is wrong:
// dependencies and files. Which files primary.xml must have is a habit.
func severityOf(kind, detail string, extra bool) modulemd.Severity {
	switch detail {
	case "provides", "requires", "conflicts", "obsoletes", "recommends", "suggests", "supplements", "enhances":
		return modulemd.Error
	case "file":
		if kind == "filelists" || extra {
			return modulemd.Error
		}
	}
	return modulemd.Warning
}

func merged(a, b map[string][]string) map[string]bool {
	all := map[string]bool{}
	for _, m := range []map[string][]string{a, b} {
		for key := range m {
			all[key] = true
		}
	}
	return all
}
