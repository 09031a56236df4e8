package repopublish

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/distbot/distbot/internal/store"
)

// signPackages has the packages of a repository that names keys signed with the
// first of them that still signs. c.keys are those that do, from then on, that
// one first. The error wraps ErrNoKey where none of them does.
func (p *Publisher) signPackages(ctx context.Context, c *content) error {
	if len(c.keys) == 0 {
		return nil
	}
	if p.Signing == nil {
		return ErrNoSigner
	}
	rows, err := p.Signing.ownKeys(ctx, c.keys)
	if err != nil {
		return err
	}
	for i, row := range rows {
		err := p.Signing.unlessEnded(ctx, row, func() error {
			_, err := p.Signing.SignedCopies(ctx, c.ids(), row.Name)
			return err
		})
		if errors.Is(err, errEnded) {
			continue
		}
		c.keys = nil
		for _, row := range rows[i:] {
			if !p.Signing.hasEnded(row) {
				c.keys = append(c.keys, row.Name)
			}
		}
		return err
	}
	return fmt.Errorf("repopublish: sign with %s: every key is retired or has expired: %w", strings.Join(c.keys, ", "), ErrNoKey)
}

// copyToPublish is the copy of a package that a repository with keys has, where
// every package needs some signatures: one of the copies, since each has the
// signature that it was made with and no other. All that need names have signed
// the package; the copy carries the signature of one of keys, since clients know no
// others, or, where the repository has no keys, of the first that need names.
// Where one carries the signatures of all of them, it is that. why says in words
// what is in the way where there is no such copy.
func copyToPublish(keys, need []string, have []RecordedSignature) (of RecordedSignature, why string) {
	if lacking := LackingKeys(need, have); len(lacking) > 0 {
		return of, "has no signature by " + strings.Join(lacking, " and ")
	}
	first := keys
	if len(keys) == 0 {
		first = need[:min(1, len(need))]
	}
	var found []RecordedSignature
	for _, key := range first {
		for _, s := range have {
			if s.Key != key && s.Fingerprint != key {
				continue
			}
			if len(LackingKeys(need, sameCopy(s, have))) == 0 {
				return s, ""
			}
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return of, "has no copy that is signed by one of the keys of the repository, " + strings.Join(keys, ", ")
	}
	return found[0], ""
}

// sameCopy are the signatures that the copy of one of them carries.
func sameCopy(of RecordedSignature, have []RecordedSignature) (same []RecordedSignature) {
	for _, s := range have {
		if s.Copy == of.Copy {
			same = append(same, s)
		}
	}
	return same
}

// placeCopies puts the signed copies of packages in their places: each carries
// what the repository's settings ask for (see copyToPublish), or nothing is
// published. A copy that is gone from the store is made again.
func (p *Publisher) placeCopies(ctx context.Context, c *content) error {
	if len(c.keys) == 0 && len(c.need) == 0 {
		return nil
	}
	have, err := p.Signing.Signatures(ctx, c.ids())
	if err != nil {
		return err
	}
	chosen, byKey := map[int64]RecordedSignature{}, map[string][]int64{}
	for _, id := range c.ids() {
		of, why := copyToPublish(c.keys, c.need, have[id])
		if why != "" {
			return fmt.Errorf("repopublish: package %d %s", id, why)
		}
		chosen[id], byKey[of.Key] = of, append(byKey[of.Key], id)
	}
	for key, ids := range byKey {
		copies, err := p.Signing.SignedCopies(ctx, ids, key)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if copies[id] != chosen[id].Copy {
				return fmt.Errorf("repopublish: the copy of package %d that %s signed is %s, want %s: %w", id, key, copies[id].SHA256, chosen[id].Copy.SHA256, store.ErrDigest)
			}
		}
	}
	for _, repo := range c.repos {
		for i, id := range repo.rpmIDs {
			item, of := &repo.items[i], chosen[id]
			if of.Copy.SHA256 != item.SHA256 {
				// Other bytes than the unsigned package's, and than those of another
				// key, get another name.
				item.SHA256, item.Size, item.Href = of.Copy.SHA256, of.Copy.Size, path.Join("Packages", of.Key, strings.TrimPrefix(item.Href, "Packages/"))
			}
		}
	}
	return nil
}
