package slim

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// MissingError lists what was asked for and is in none of the sources.
type MissingError struct{ Missing []Missing }

// Missing is one entry of the list of packages, with what comes near to it, in
// words.
type Missing struct {
	Entry string   `json:"entry"`
	Near  []string `json:"near"`
}

// Error implements error.
func (e *MissingError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "slim: %d of the packages asked for are in no source:", len(e.Missing))
	for _, m := range e.Missing {
		b.WriteString("\n  " + m.Entry)
		if len(m.Near) > 0 {
			b.WriteString(" (" + strings.Join(m.Near, "; ") + ")")
		}
	}
	return b.String()
}

// selection is the packages that are taken, by number.
type selection map[int]bool

// choose takes the packages that the list asks for. The error is a
// *MissingError, or wraps path.ErrBadPattern.
func (c *catalog) choose(ctx context.Context, list []string) (selection, error) {
	chosen := selection{}
	var missing []string
	for _, entry := range list {
		found, err := c.match(entry)
		if err != nil {
			return nil, fmt.Errorf("slim: %q: %w", entry, err)
		}
		if len(found) == 0 && !slices.Contains(missing, entry) {
			missing = append(missing, entry)
		}
		for _, id := range found {
			chosen[id] = true
		}
	}
	if len(missing) > 0 {
		return nil, c.missing(ctx, missing)
	}
	return chosen, nil
}

// match are the packages that an entry asks for.
func (c *catalog) match(entry string) (found []int, err error) {
	if spec, isStream := strings.CutPrefix(entry, "@"); isStream {
		return c.matchStream(spec), nil
	}
	if ids := c.named[entry]; len(ids) > 0 {
		return ids, nil
	}
	if strings.ContainsAny(entry, "*?[") {
		if _, err := path.Match(entry, ""); err != nil {
			return nil, err
		}
	} else if name, ok := c.nameIn(entry); ok {
		for _, id := range c.named[name] {
			if slices.Contains(forms(c.packages[id].NEVRA), entry) {
				found = append(found, id)
			}
		}
		return found, nil
	}
	for id, p := range c.packages {
		if slices.ContainsFunc(forms(p.NEVRA), func(form string) bool {
			ok, err := path.Match(entry, form)
			return ok && err == nil
		}) {
			found = append(found, id)
		}
	}
	return found, nil
}

// forms are the ways to name a package.
func forms(n rpmfile.NEVRA) []string {
	return []string{n.Name, n.Name + "." + n.Arch, n.NVR(), n.NVRA(), n.Name + "-" + n.EVR(), modulemd.FormatArtifact(n), n.String()}
}

// nameIn is the longest name of a package that the entry begins with.
func (c *catalog) nameIn(entry string) (string, bool) {
	for i := len(entry); i > 0; i-- {
		if i < len(entry) && entry[i] != '-' && entry[i] != '.' {
			continue
		}
		if len(c.named[entry[:i]]) > 0 {
			return entry[:i], true
		}
	}
	return "", false
}

// matchStream are the packages of MODULE:STREAM or MODULE:STREAM/PROFILE.
func (c *catalog) matchStream(spec string) (found []int) {
	stream, profile, hasProfile := strings.Cut(spec, "/")
	for _, part := range c.modules {
		for _, s := range part.Index.Streams {
			if s.NameStream() != stream {
				continue
			}
			for _, artifact := range s.Artifacts {
				for _, id := range c.artifact[artifact] {
					if !hasProfile || slices.Contains(s.Profiles[profile].RPMs, c.packages[id].Name) {
						found = append(found, id)
					}
				}
			}
		}
	}
	return found
}

// sorted are the numbers in ascending order.
func (s selection) sorted() []int {
	ids := make([]int, 0, len(s))
	for id := range s {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// unique takes each package once, whatever sources have it. The error wraps
// ErrRefused when they have different ones of one name.
func (c *catalog) unique(chosen selection) ([]available, error) {
	byArtifact := map[string]available{}
	var all []available
	for _, id := range chosen.sorted() {
		p := c.packages[id]
		artifact := modulemd.FormatArtifact(p.NEVRA)
		old, twice := byArtifact[artifact]
		switch {
		case !twice:
			byArtifact[artifact] = p
			all = append(all, p)
		case old.Checksum != p.Checksum:
			return nil, fmt.Errorf("slim: %w: %s is another package in %s (%.12s) than in %s (%.12s)",
				ErrRefused, p.NEVRA, c.sources[p.source].Name, p.Checksum, c.sources[old.source].Name, old.Checksum)
		}
	}
	return all, nil
}
