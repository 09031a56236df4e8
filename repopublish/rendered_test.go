package repopublish

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/distbot/distbot/internal/repomd"
)

// fragments are of the given size in all.
func fragments(size int) repomd.Entry {
	return repomd.Entry{Fragments: repomd.Fragments{Primary: bytes.Repeat([]byte("p"), size)}}
}

func TestRendered(t *testing.T) {
	t.Parallel()

	t.Run("gives back what was put, by everything it is made of", func(t *testing.T) {
		t.Parallel()
		var r rendered
		key := renderedKey{sha256: "a", href: "Packages/h/hello.rpm", time: 1}
		r.put(key, fragments(10))
		if entry, ok := r.get(key); !ok || len(entry.Primary) != 10 {
			t.Errorf("got %v, %t", entry, ok)
		}
		for _, other := range []renderedKey{{"b", key.href, 1}, {"a", "another", 1}, {"a", key.href, 2}} {
			if _, ok := r.get(other); ok {
				t.Errorf("%v is taken for %v", key, other)
			}
		}
	})

	t.Run("stays within its limit, whoever uses it", func(t *testing.T) {
		t.Parallel()
		r := rendered{limit: 20_000}
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				for n := range 500 {
					key := renderedKey{sha256: fmt.Sprint(worker%2, n%100)}
					if entry, ok := r.get(key); ok && len(entry.Primary) != 10*(n%100) {
						t.Errorf("%v has %d bytes", key, len(entry.Primary))
					}
					r.put(key, fragments(10*(n%100)))
				}
			})
		}
		group.Wait()
		var size int64
		for key, entry := range r.entries {
			size += sizeOf(key, entry)
		}
		if size != r.bytes || size > r.limit || size < r.limit/2 {
			t.Errorf("%d bytes are kept, %d are counted, the limit is %d", size, r.bytes, r.limit)
		}
	})

	t.Run("keeps nothing that is larger than its limit, and what is there", func(t *testing.T) {
		t.Parallel()
		r := rendered{limit: 2000}
		r.put(renderedKey{sha256: "small"}, fragments(10))
		r.put(renderedKey{sha256: "large"}, fragments(3000))
		if _, ok := r.get(renderedKey{sha256: "large"}); ok {
			t.Error("the large one is kept")
		}
		if _, ok := r.get(renderedKey{sha256: "small"}); !ok {
			t.Error("the small one is gone")
		}
	})
}

// TestPublishWithoutRoomInMemory makes the same metadata whether the packages
// were read for it or are remembered.
func TestPublishWithoutRoomInMemory(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64", "aarch64")
	s.work(t)
	for n, name := range []string{"hello", "world"} {
		s.tag(t, s.dist.DestTag, s.complete(t, n, name, "1", name+".x86_64", name+"-doc.noarch"))
	}
	s.settled(t)
	remembered, err := s.latestOf("f37")
	if err != nil {
		t.Fatal(err)
	}
	s.rendered.mu.Lock()
	kept := len(s.rendered.entries)
	s.rendered.limit, s.rendered.entries, s.rendered.bytes = 1, nil, 0
	s.rendered.mu.Unlock()
	if kept != 4 {
		t.Errorf("%d packages are remembered, want 4", kept)
	}
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	read, err := s.latestOf("f37")
	if err != nil || read == remembered {
		t.Fatalf("the latest generation is %s, %v", read, err)
	}
	for _, arch := range []string{"/x86_64/repodata", "/aarch64/repodata"} {
		var names [2][]string
		for i, dir := range []string{remembered, read} {
			for path := range snapshot(t, dir+arch) {
				if strings.HasSuffix(path, ".gz") { // named by their checksums
					names[i] = append(names[i], strings.TrimPrefix(path, dir))
				}
			}
		}
		if len(names[0]) != 3 || !sameSet(names[0], names[1]) {
			t.Errorf("metadata %v, read anew %v", names[0], names[1])
		}
	}
}

func sameSet(a, b []string) bool {
	seen := map[string]bool{}
	for _, text := range a {
		seen[text] = true
	}
	for _, text := range b {
		if !seen[text] {
			return false
		}
	}
	return len(a) == len(b)
}
