package repopublish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
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
	own, err := p.ownSignature(ctx, q, c)
	if err != nil {
		return nil, err
	}
	unsigned, err := c.lackSignatures(ctx, q, own, builds)
	if err != nil || len(unsigned) == 0 {
		return builds, err
	}
	maps.Copy(c.unsigned, unsigned)
	instead, err := c.inPlaceOf(ctx, q, own, unsigned, precedence)
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

// ownSignature is the signature that every package is about to get, of the first
// of the repository's keys that signs; none where it has no keys.
func (p *Publisher) ownSignature(ctx context.Context, q *db.Queries, c *content) ([]RecordedSignature, error) {
	if len(c.keys) == 0 {
		return nil, nil
	}
	rows, err := q.SigningKeysByName(ctx, c.keys)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	for _, name := range c.keys {
		i := slices.IndexFunc(rows, func(row db.SigningKey) bool { return row.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("key %s: %w: %w", name, errUnsyncedKey, ErrNoKey)
		}
		if !p.Signing.hasEnded(rows[i]) {
			return []RecordedSignature{{Key: name, Fingerprint: rows[i].Fingerprint, Copy: store.Blob{SHA256: "made when it is published"}}}, nil
		}
	}
	return nil, nil
}

// lackSignatures returns those of some builds that have a package for the
// repository of which there is no copy to publish, see copyToPublish, beside
// that with the signature of its own.
func (c *content) lackSignatures(ctx context.Context, q *db.Queries, own []RecordedSignature, builds []int64) (map[int64]*unsignedBuild, error) {
	rows, err := q.SignaturesOfBuilds(ctx, builds)
	if err != nil {
		return nil, fmt.Errorf("list signatures: %w", err)
	}
	unsigned := map[int64]*unsignedBuild{}
	for len(rows) > 0 {
		// The rows of one package.
		row, n := rows[0], 0
		have := slices.Clone(own)
		for ; n < len(rows) && rows[n].ID == row.ID; n++ {
			if s := rows[n]; s.Key != "" {
				have = append(have, RecordedSignature{RPMID: s.ID, Key: s.Key, Fingerprint: s.Fingerprint, Copy: store.Blob{SHA256: s.Sha256, Size: s.Size}})
			}
		}
		rows = rows[n:]
		if unsigned[row.BuildID] != nil || !slices.ContainsFunc(c.arches, func(a string) bool { return arch.Serves(a, row.Arch) }) {
			continue
		}
		if _, why := copyToPublish(c.keys, c.need, have); why != "" {
			unsigned[row.BuildID] = &unsignedBuild{
				pkg: row.PackageID, lacks: fmt.Sprintf("%s-%s-%s.%s %s", row.Name, row.Version, row.Release, row.Arch, why),
			}
		}
	}
	return unsigned, nil
}

// inPlaceOf finds the newest build after each unsigned one that has all
// signatures, by package. It notes in c which of those between lack one. Mostly
// the build before is signed: it looks at one of each package, then at two, then
// at four, so that a long history costs few queries, and a short way little.
func (c *content) inPlaceOf(
	ctx context.Context, q *db.Queries, own []RecordedSignature, unsigned map[int64]*unsignedBuild, precedence func([]int64) (map[int64][]int64, error),
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
		more, err := c.lackSignatures(ctx, q, own, batch)
		if err != nil {
			return nil, err
		}
		for pkg, builds := range rest {
			looked := builds[:min(n, len(builds))]
			i := slices.IndexFunc(looked, func(build int64) bool { return more[build] == nil })
			for _, build := range looked {
				if more[build] == nil {
					break // what comes behind it would not be there signed either
				}
				c.unsigned[build] = more[build]
			}
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
