package verify

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/repopublish/identity"
)

// duplicates looks for packages that clients can't tell apart.
func (v *verifier) duplicates() {
	byName := map[rpmfile.NEVRA]repomd.PrimaryPackage{}
	byHref := map[string]repomd.PrimaryPackage{}
	for _, p := range v.packages {
		if !repomd.IsChecksum(p.ChecksumType, p.Checksum) {
			v.find(modulemd.Error, RuleChecksum, "%s has a checksum of type %q, which is not trusted", p.NEVRA, p.ChecksumType)
		}
		old, twice := byName[p.NEVRA]
		switch {
		case twice && old.Checksum == p.Checksum:
			v.find(modulemd.Warning, RuleDuplicate, "%s is listed twice, at %q and %q", p.NEVRA, old.Href, p.Href)
		case twice:
			v.find(modulemd.Error, RuleDuplicate, "%s is there twice with different content, at %q and %q", p.NEVRA, old.Href, p.Href)
		}
		byName[p.NEVRA] = p
		if old, twice := byHref[p.Href]; twice && old.NEVRA != p.NEVRA {
			v.find(modulemd.Error, RuleDuplicate, "%s and %s are both at %q", old.NEVRA, p.NEVRA, p.Href)
		}
		byHref[p.Href] = p
	}
}

// lists compares filelists.xml and other.xml with primary.xml.
func (v *verifier) lists(ctx context.Context) error {
	for _, kind := range []string{"filelists", "other"} {
		if !v.of.Has(kind) {
			continue
		}
		ids, err := v.ids(ctx, kind)
		if err != nil && isContent(err) {
			v.find(modulemd.Fatal, RuleDocument, "%s: %v", kind, err)
			continue
		}
		if err != nil {
			return err
		}
		v.compare(kind, ids)
	}
	return nil
}

func (v *verifier) ids(ctx context.Context, kind string) (ids []string, err error) {
	r, err := v.of.Document(kind)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	err = v.count(kind, bufio.NewReaderSize(r, 1<<10), func(r io.Reader) (int, error) {
		err := repomd.ReadIDs(kind, r, func(id string) error {
			ids = append(ids, id)
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return nil
		})
		return len(ids), err
	})
	return ids, err
}

// maxExamples is how many packages a finding about many names.
const maxExamples = 3

func (v *verifier) compare(kind string, ids []string) {
	names := map[string]string{}
	ordered := len(ids) == len(v.packages)
	for i, p := range v.packages {
		names[p.Checksum] = p.String()
		ordered = ordered && ids[i] == p.Checksum
	}
	if ordered {
		return
	}
	seen := map[string]bool{}
	var unknown, missing []string
	for _, id := range ids {
		seen[id] = true
		if names[id] == "" {
			unknown = append(unknown, id)
		}
	}
	for _, p := range v.packages {
		if !seen[p.Checksum] {
			missing = append(missing, p.String())
		}
	}
	switch {
	case len(unknown) > 0:
		v.find(modulemd.Error, RuleDisagree, "%s lists packages that primary does not, by pkgid: %s", kind, examples(unknown))
	case len(missing) == 0:
		v.find(modulemd.Note, RuleOrder, "%s lists the packages in another order than primary, or some twice", kind)
	}
	if len(missing) > 0 {
		v.find(modulemd.Error, RuleDisagree, "%s lacks packages: %s", kind, examples(missing))
	}
}

func examples(all []string) string {
	var some []string
	for _, text := range all[:min(len(all), maxExamples)] {
		some = append(some, fmt.Sprintf("%.200s", text))
	}
	text := strings.Join(some, ", ")
	if n := len(all) - maxExamples; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}

// workers is how many RPMs are looked at at once.
const workers = 8

// rpms looks at every RPM, and whether modular ones are listed.
func (v *verifier) rpms(ctx context.Context) error {
	var mu sync.Mutex
	var read []identity.RPM
	work, working := errgroup.WithContext(ctx)
	work.SetLimit(workers)
	done := 0
	for _, p := range v.packages {
		work.Go(func() error {
			rpm, err := v.rpm(working, p)
			mu.Lock()
			defer mu.Unlock()
			if done++; v.opts.Progress != nil {
				v.opts.Progress(done, len(v.packages))
			}
			var wrong *wrongError
			switch {
			case errors.As(err, &wrong):
				v.find(modulemd.Error, RuleRPM, "%v", wrong)
				return nil
			case err != nil:
				return err
			}
			read = append(read, rpm.RPM)
			v.details.compare(p.Checksum, rpm.details)
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	if v.reading {
		v.told.Read = len(read)
	}
	var refused *identity.Error
	if errors.As(identity.Check(read, v.modules, nil), &refused) {
		for _, problem := range refused.Problems {
			v.find(modulemd.Error, RuleModular, "%s; clients refuse to install it", problem)
		}
	}
	v.likelyModular()
	return nil
}

// wrongError is what is wrong with an RPM.
type wrongError struct{ err error }

// Error implements error.
func (e *wrongError) Error() string { return e.err.Error() }

// looked is what was learnt of an RPM.
type looked struct {
	identity.RPM
	details map[string]digest // by document; nil where the RPM was not read
}

// rpm looks at one RPM. The label is known only if it is read.
func (v *verifier) rpm(ctx context.Context, p repomd.PrimaryPackage) (looked, error) {
	if !v.reading {
		err := v.of.Find(ctx, p)
		if isOfRPM(err) {
			err = &wrongError{err}
		}
		return looked{RPM: identity.RPM{NEVRA: p.NEVRA}}, err
	}
	pkg, err := v.header(ctx, p)
	if err != nil {
		return looked{}, err
	}
	if pkg.NEVRA != p.NEVRA {
		return looked{}, &wrongError{errors.New(p.Href + " is " + pkg.String() + " in its header, primary.xml says " + p.String())}
	}
	details, err := digests(pkg, p)
	return looked{identity.RPM{NEVRA: pkg.NEVRA, Label: pkg.ModularityLabel}, details}, err
}

// header reads an RPM, whose checksum must be that of primary.xml, and compares
// what its headers say of its size and payload. The error is a *wrongError where
// the RPM is to blame.
func (v *verifier) header(ctx context.Context, p repomd.PrimaryPackage) (*rpmfile.Package, error) {
	f, err := v.of.RPM(ctx, p)
	if isOfRPM(err) {
		return nil, &wrongError{err}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	pkg, err := rpmfile.Read(f)
	if err != nil {
		return nil, &wrongError{fmt.Errorf("%s: %w", p.Href, err)}
	}
	payload := sha256.New()
	n, err := io.Copy(payload, f)
	if err != nil {
		return nil, err
	}
	got := hex.EncodeToString(payload.Sum(nil))
	switch size := pkg.HeaderEnd - pkg.HeaderStart + n; {
	case pkg.SignedSize > 0 && size != pkg.SignedSize:
		return nil, &wrongError{fmt.Errorf("%s has %d bytes of main header and payload, its signature header says %d", p.Href, size, pkg.SignedSize)}
	case pkg.PayloadDigest != "" && got != pkg.PayloadDigest:
		return nil, &wrongError{fmt.Errorf("%s has a payload with SHA-256 %s, its header says %.64q", p.Href, got, pkg.PayloadDigest)}
	}
	return pkg, nil
}

// likelyModular warns of packages that look modular and are not listed, where
// their headers were not read.
func (v *verifier) likelyModular() {
	if v.reading {
		return
	}
	listed := v.modules.ByArtifact()
	for _, p := range v.packages {
		looks := strings.Contains(p.Release, ".module+") || strings.Contains(p.Release, ".module_")
		if looks && p.Arch != "src" && len(listed[modulemd.FormatArtifact(p.NEVRA)]) == 0 {
			v.find(modulemd.Warning, RuleModular, "%s looks modular, but no stream document lists it", p.NEVRA)
		}
	}
}
