package repopublish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
)

// unsignedBuild is a build that a tag has and its repository does not, since a
// package of it lacks a signature that the tag requires.
type unsignedBuild struct {
	pkg int64
	// lacks says which package lacks whose signature.
	lacks string
	// stays is the NVR of what the repository has of the package instead; empty
	// for nothing.
	stays string
}

// why follows "NVR is not in the repository of TAG, ".
func (b *unsignedBuild) why() string {
	if b.stays == "" {
		return "nor is another build of the package: " + b.lacks
	}
	return "where " + b.stays + " stays: " + b.lacks
}

// errUnsyncedKey says that the fingerprint of a key of the signer is needed and
// not known yet.
var errUnsyncedKey = errors.New("a key of the signer is not known yet")

// onlySigned returns the builds of a repository with, in the place of each that
// lacks a signature, the newest build of its package that has them all: what the
// repository would have if those that lack one were not tagged. Where there is
// none the package has no place. precedence lists all builds of packages, see
// tagview.Reader.Precedence; it is asked only where something lacks a signature.
// It notes in c which builds lack one.
func (p *Publisher) onlySigned(
	ctx context.Context, q *db.Queries, c *content, builds []int64, precedence func(packages []int64) (map[int64][]int64, error),
) ([]int64, error) {
	if len(c.need) == 0 {
		return builds, nil
	}
	if p.Signing == nil {
		return nil, ErrNoSigner
	}
	need, err := c.needed(ctx, q)
	if err != nil {
		return nil, err
	}
	unsigned, err := c.lackSignatures(ctx, q, need, builds)
	if err != nil || len(unsigned) == 0 {
		return builds, err
	}
	maps.Copy(c.unsigned, unsigned)
	instead, err := c.inPlaceOf(ctx, q, need, unsigned, precedence)
	if err != nil {
		return nil, err
	}
	var signed []int64
	for _, build := range builds {
		if lacking := unsigned[build]; lacking == nil {
			signed = append(signed, build)
		} else if older := instead[lacking.pkg]; older != 0 {
			signed = append(signed, older)
		}
	}
	for build, b := range c.unsigned {
		p.Logger.Warn("repopublish: build left out", "build", build, "reason", b.lacks, "stays", b.stays)
	}
	return signed, nil
}

// needed are the keys whose signatures packages must have already: not that
// which they are about to be signed with.
func (c *content) needed(ctx context.Context, q *db.Queries) ([]string, error) {
	if len(c.keys) == 0 {
		return c.need, nil
	}
	own := []string{c.keys[0]}
	if slices.ContainsFunc(c.need, func(key string) bool { return key != c.keys[0] && len(key) == fingerprintDigits }) {
		rows, err := q.SigningKeysByName(ctx, own)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return nil, fmt.Errorf("key %s: %w: %w", c.keys[0], errUnsyncedKey, ErrNoKey)
		}
		own = append(own, rows[0].Fingerprint)
	}
	return slices.DeleteFunc(slices.Clone(c.need), func(key string) bool { return slices.Contains(own, key) }), nil
}

// fingerprintDigits is how long the fingerprint of a key is, in hexadecimal.
const fingerprintDigits = 40

// lackSignatures returns those of some builds that have a package for the
// repository which lacks a signature.
func (c *content) lackSignatures(ctx context.Context, q *db.Queries, need []string, builds []int64) (map[int64]*unsignedBuild, error) {
	if len(need) == 0 || len(builds) == 0 {
		return nil, nil
	}
	rows, err := q.MissingSignatures(ctx, db.MissingSignaturesParams{BuildIds: builds, Keys: need})
	if err != nil {
		return nil, fmt.Errorf("list missing signatures: %w", err)
	}
	unsigned, first, keys := map[int64]*unsignedBuild{}, map[int64]int64{}, map[int64][]string{}
	for _, row := range rows {
		if !slices.ContainsFunc(c.arches, func(a string) bool { return arch.Serves(a, row.Arch) }) {
			continue
		}
		if unsigned[row.BuildID] == nil {
			unsigned[row.BuildID], first[row.BuildID] = &unsignedBuild{pkg: row.PackageID}, row.ID
		}
		if row.ID == first[row.BuildID] {
			keys[row.BuildID] = append(keys[row.BuildID], row.Key)
			unsigned[row.BuildID].lacks = fmt.Sprintf("%s-%s-%s.%s has no signature by %s", row.Name, row.Version, row.Release, row.Arch, strings.Join(keys[row.BuildID], " and "))
		}
	}
	return unsigned, nil
}

// inPlaceOf finds the newest build after each unsigned one that has all
// signatures, by package. It notes in c which of those between lack one. Mostly
// the build before is signed: it looks at one of each package, then at two, then
// at four, so that a long history costs few queries, and a short way little.
func (c *content) inPlaceOf(
	ctx context.Context, q *db.Queries, need []string, unsigned map[int64]*unsignedBuild, precedence func([]int64) (map[int64][]int64, error),
) (map[int64]int64, error) {
	packages := make([]int64, 0, len(unsigned))
	for _, b := range unsigned {
		packages = append(packages, b.pkg)
	}
	slices.Sort(packages)
	rest, err := precedence(packages)
	if err != nil {
		return nil, err
	}
	for build, b := range unsigned {
		// One that is not there, of a past that nobody knows, has nothing behind it.
		if i := slices.Index(rest[b.pkg], build); i >= 0 {
			rest[b.pkg] = rest[b.pkg][i+1:]
		} else {
			delete(rest, b.pkg)
		}
	}
	instead := map[int64]int64{}
	for n := 1; len(rest) > 0; n *= 2 {
		var batch []int64
		for _, builds := range rest {
			batch = append(batch, builds[:min(n, len(builds))]...)
		}
		more, err := c.lackSignatures(ctx, q, need, batch)
		if err != nil {
			return nil, err
		}
		maps.Copy(c.unsigned, more)
		for pkg, builds := range rest {
			looked := builds[:min(n, len(builds))]
			i := slices.IndexFunc(looked, func(build int64) bool { return more[build] == nil })
			if rest[pkg] = builds[len(looked):]; i >= 0 {
				instead[pkg] = looked[i]
			}
			if i >= 0 || len(rest[pkg]) == 0 {
				delete(rest, pkg)
			}
		}
	}
	return instead, c.noteInstead(ctx, q, instead)
}

// noteInstead notes what is in the places of unsigned builds.
func (c *content) noteInstead(ctx context.Context, q *db.Queries, instead map[int64]int64) error {
	rows, err := q.NVRsOfBuilds(ctx, slices.Collect(maps.Values(instead)))
	if err != nil {
		return fmt.Errorf("read builds: %w", err)
	}
	nvrs := make(map[int64]string, len(rows))
	for _, row := range rows {
		nvrs[row.ID] = row.Nvr
	}
	for _, b := range c.unsigned {
		b.stays = nvrs[instead[b.pkg]]
	}
	return nil
}
