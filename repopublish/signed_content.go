package repopublish

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// NeedSignaturesExtra is the extra setting of a tag that names the keys without
// whose signatures no package reaches its repository: a name or fingerprint, or
// a list of them. It is not inherited.
const NeedSignaturesExtra = "repo.need_signatures"

// sign puts the signed copies of packages in their places. A repository that is
// to be signed is not published unsigned: without a signer it waits.
func (p *Publisher) sign(ctx context.Context, c *content) error {
	if err := p.signPackages(ctx, c); err != nil {
		return err
	}
	return p.placeCopies(ctx, c)
}

// ids are those of all packages, each once.
func (c *content) ids() []int64 {
	var ids []int64
	for _, repo := range c.repos {
		ids = append(ids, repo.rpmIDs...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// leaveOut removes packages, by their numbers.
func (r *archContent) leaveOut(out func(i int) bool) {
	n := 0
	for i, build := range r.builds {
		if out(i) {
			continue
		}
		r.items[n], r.rpmIDs[n], r.builds[n] = r.items[i], r.rpmIDs[i], build
		n++
	}
	r.items, r.rpmIDs, r.builds = r.items[:n], r.rpmIDs[:n], r.builds[:n]
}

// signRepomds writes repomd.xml.asc of each architecture of a tree.
func (p *Publisher) signRepomds(ctx context.Context, tree string, generationID int64, c *content) error {
	if len(c.keys) == 0 {
		return nil
	}
	for _, a := range c.arches {
		dir := filepath.Join(tree, a, "repodata")
		document, err := os.ReadFile(filepath.Join(dir, "repomd.xml"))
		if err != nil {
			return err
		}
		asc, err := p.Signing.SignRepomd(ctx, generationID, a, document, c.keys)
		if err != nil {
			return err
		}
		if err := writeSynced(filepath.Join(dir, "repomd.xml.asc"), []byte(asc)); err != nil {
			return err
		}
	}
	return nil
}

// writeSynced writes a new file and syncs it.
func writeSynced(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
