package repopublish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// NeedSignaturesExtra is the extra setting of a tag that names the keys without
// whose signatures no package reaches its repository: a name or fingerprint, or
// a list of them. It is not inherited.
const NeedSignaturesExtra = "repo.need_signatures"

// parseNeed reads names or fingerprints of keys.
func parseNeed(value json.RawMessage) (names []string, err error) {
	if value == nil {
		return nil, nil
	}
	var one string
	if err := json.Unmarshal(value, &one); err == nil {
		names = strings.Fields(one)
	} else if err := json.Unmarshal(value, &names); err != nil {
		return nil, errors.New("want the name or the fingerprint of a key, or a list of them")
	}
	if len(names) > maxSigningKeys || slices.Contains(names, "") {
		return nil, fmt.Errorf("want at most %d names or fingerprints, none of them empty", maxSigningKeys)
	}
	return names, nil
}

// sign puts the signed copies of packages in their places. A repository that is
// to be signed is not published unsigned: without a signer it waits. Packages of
// one that only requires signatures are the copies that the first key it names
// has signed.
func (p *Publisher) sign(ctx context.Context, c *content) error {
	if len(c.keys) == 0 && len(c.need) == 0 {
		return nil
	}
	if p.Signing == nil {
		return ErrNoSigner
	}
	key, err := p.keyOfPackages(ctx, c)
	if err != nil {
		return err
	}
	copies, err := p.Signing.SignedCopies(ctx, c.ids(), key)
	if err != nil {
		return err
	}
	for _, repo := range c.repos {
		for i, id := range repo.rpmIDs {
			item := &repo.items[i]
			if blob := copies[id]; blob.SHA256 != item.SHA256 {
				// Other bytes than the unsigned package's, and than those of
				// another key, get another name.
				item.SHA256, item.Size, item.Href = blob.SHA256, blob.Size, path.Join("Packages", key, strings.TrimPrefix(item.Href, "Packages/"))
			}
		}
	}
	return p.requireSignatures(ctx, c)
}

// keyOfPackages is the name of the key that has signed the packages of a
// repository, or is about to.
func (p *Publisher) keyOfPackages(ctx context.Context, c *content) (string, error) {
	if len(c.keys) > 0 {
		return c.keys[0], nil
	}
	keys, err := p.Signing.Keys(ctx)
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		if key.Name == c.need[0] || key.Fingerprint == c.need[0] {
			return key.Name, nil
		}
	}
	if len(c.ids()) > 0 { // Something was signed with it a moment ago.
		return "", fmt.Errorf("key %s: %w", c.need[0], ErrNoKey)
	}
	return "", nil
}

// requireSignatures looks once more at what is about to be published.
func (p *Publisher) requireSignatures(ctx context.Context, c *content) error {
	if len(c.need) == 0 {
		return nil
	}
	have, err := p.Signing.Signatures(ctx, c.ids())
	if err != nil {
		return err
	}
	for _, repo := range c.repos {
		for i, id := range repo.rpmIDs {
			if lacking := LackingKeys(c.need, have[id]); len(lacking) > 0 {
				return fmt.Errorf("%s has no signature by %s any more", repo.items[i].NVRA(), strings.Join(lacking, " and "))
			}
		}
	}
	return nil
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

// whyUnsigned says why a build is not in a repository that requires signatures;
// empty for another reason.
func (g *generation) whyUnsigned(build int64) string {
	if g == nil || g.unsigned[build] == nil {
		return ""
	}
	return g.unsigned[build].why()
}
