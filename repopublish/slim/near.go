package slim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/solv"
)

// maxNear is how many near matches an entry has.
const maxNear = 3

// missing is the error for entries that match nothing.
func (c *catalog) missing(ctx context.Context, entries []string) error {
	names, err := c.names()
	if err != nil {
		return err
	}
	defer names.Close()
	all := &MissingError{}
	for _, entry := range entries {
		near, err := c.near(ctx, names, entry)
		if err != nil {
			return err
		}
		all.Missing = append(all.Missing, Missing{entry, near})
	}
	return all
}

// names is a pool of the packages with nothing but their names.
func (c *catalog) names() (*solv.Pool, error) {
	p, err := solv.New("x86_64")
	if err != nil {
		return nil, fmt.Errorf("slim: %w", err)
	}
	var packages []solv.Package
	for name := range c.named {
		packages = append(packages, solv.Package{NEVRA: rpmfile.NEVRA{Name: name, Version: "1", Release: "1", Arch: "noarch"}, Dependencies: repomd.Dependencies{}})
	}
	slices.SortFunc(packages, func(a, b solv.Package) int { return cmp.Compare(a.Name, b.Name) })
	if _, err := p.AddPackages("names", solv.Rank{}, packages); err != nil {
		p.Close()
		return nil, fmt.Errorf("slim: %w", err)
	}
	return p, nil
}

// near says what comes near to an entry: other streams and profiles of the
// module, other versions of the package, or packages with a similar name or one
// that has it as a part.
func (c *catalog) near(ctx context.Context, names *solv.Pool, entry string) ([]string, error) {
	if spec, isStream := strings.CutPrefix(entry, "@"); isStream {
		return c.nearStream(spec), nil
	}
	if name, ok := c.nameIn(entry); ok && endsNEVRA(entry[len(name):]) {
		return c.versions(name), nil
	}
	near, err := names.Nearest(ctx, entry)
	if err != nil && !errors.Is(err, solv.ErrMalformed) && !errors.Is(err, solv.ErrTooLarge) {
		return nil, err
	}
	var similar []string
	for _, text := range near {
		similar = append(similar, strings.TrimSuffix(text, "-1-1.noarch is there"))
	}
	for _, name := range c.family(entry) {
		if !slices.Contains(similar, name) {
			similar = append(similar, name)
		}
	}
	return list(similar, " is there"), nil
}

// endsNEVRA says whether what follows a name looks like a version or an
// architecture.
func endsNEVRA(rest string) bool {
	return strings.HasPrefix(rest, ".") || strings.IndexFunc(rest, unicode.IsDigit) >= 0
}

// versions are the packages of a name, the newest first.
func (c *catalog) versions(name string) []string {
	ids := slices.Clone(c.named[name])
	slices.SortFunc(ids, func(a, b int) int {
		x, y := c.packages[a].NEVRA, c.packages[b].NEVRA
		return cmp.Or(rpmfile.CompareEVR(y, x), cmp.Compare(x.Arch, y.Arch))
	})
	var there []string
	for _, id := range ids {
		there = append(there, c.packages[id].String())
	}
	return list(slices.Compact(there), " is there")
}

// family are the names of which the entry is a word, such as vim-minimal for
// vim, or gc for which there is only a gc-devel; then those that begin with it;
// the shortest first.
func (c *catalog) family(entry string) []string {
	if len(entry) < 2 {
		return nil
	}
	wanted := strings.ToLower(entry)
	var words, longer []string
	for name := range c.named {
		lower := strings.ToLower(name)
		switch {
		case slices.Contains(strings.FieldsFunc(lower, func(r rune) bool { return r == '-' || r == '_' || r == '.' }), wanted),
			strings.HasPrefix(lower, wanted+"-"):
			words = append(words, name)
		case strings.HasPrefix(lower, wanted):
			longer = append(longer, name)
		}
	}
	for _, names := range [][]string{words, longer} {
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	}
	return append(words, longer...)
}

// nearStream are streams of a module that was asked for, or other modules.
func (c *catalog) nearStream(spec string) []string {
	stream, _, _ := strings.Cut(spec, "/")
	module, _, _ := strings.Cut(stream, ":")
	var there, modules []string
	for _, part := range c.modules {
		for _, s := range part.Index.Streams {
			switch {
			case s.NameStream() == stream:
				for profile := range s.Profiles {
					there = append(there, "@"+stream+"/"+profile)
				}
			case s.Name == module:
				there = append(there, "@"+s.NameStream())
			}
			modules = append(modules, "@"+s.NameStream())
		}
	}
	if len(there) == 0 {
		there = modules
	}
	slices.Sort(there)
	return list(slices.Compact(there), " is there")
}

// list are the first few texts, each with a suffix.
func list(texts []string, suffix string) []string {
	var out []string
	for _, text := range texts[:min(len(texts), maxNear)] {
		out = append(out, text+suffix)
	}
	return out
}
