package repopublish

import (
	"errors"
	"path/filepath"
	"strconv"

	"github.com/distbot/distbot/internal/repomd"
)

// ahead are the kept metadata of a tag, which are read while it is being found
// out what the tag says. Nil has none. Not safe for concurrent use.
type ahead struct{ byArch map[string]chan opened }

// opened is a cache, or why there is none.
type opened struct {
	cache *repomd.Cache
	err   error
}

// cacheDir is where the metadata of a tag's repository for an architecture are
// kept.
func (p *Publisher) cacheDir(tagID int64, a string) string {
	return filepath.Join(p.CacheDir, strconv.FormatInt(tagID, 10), a)
}

// openAhead begins to open the caches of a tag. Its lock is held until they are
// closed.
func (p *Publisher) openAhead(tagID int64, arches []string) *ahead {
	all := &ahead{byArch: make(map[string]chan opened, len(arches))}
	for _, a := range arches {
		if all.byArch[a] != nil {
			continue
		}
		done := make(chan opened, 1)
		all.byArch[a] = done
		go func() {
			cache, err := repomd.OpenCache(p.cacheDir(tagID, a))
			done <- opened{cache, err}
		}()
	}
	return all
}

// take gives the cache of an architecture away; ok is false where it was not
// opened.
func (all *ahead) take(a string) (o opened, ok bool) {
	if all == nil || all.byArch[a] == nil {
		return opened{}, false
	}
	done := all.byArch[a]
	delete(all.byArch, a)
	return <-done, true
}

// close closes what nobody has taken.
func (all *ahead) close() (err error) {
	if all == nil {
		return nil
	}
	for _, done := range all.byArch {
		if o := <-done; o.err == nil {
			err = errors.Join(err, o.cache.Close())
		}
	}
	clear(all.byArch)
	return err
}
