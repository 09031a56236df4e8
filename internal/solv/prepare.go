package solv

/*
#include <stdlib.h>
#include "binding.h"
*/
import "C"

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Exclude makes the packages for which match says true as good as absent, and
// those for which it says false present again.
func (p *Pool) Exclude(match func(repo string, nevra rpmfile.NEVRA) bool) {
	for i := range p.packages {
		m := &p.packages[i]
		m.excluded = match(m.repo.Name, m.NEVRA)
	}
	p.ready = false
}

// prepare makes the pool ready for questions, unless it is. Paths that somebody
// requires and primary.xml does not list are looked up in the file lists.
func (p *Pool) prepare(ctx context.Context) error {
	if p.c == nil {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("solv: prepare: %w", err)
	}
	if p.ready {
		return nil
	}
	if err := p.lookUpFiles(ctx); err != nil {
		return err
	}
	if err := p.checkWork(); err != nil {
		return fmt.Errorf("solv: prepare: %w", err)
	}
	var excluded []C.Id
	for i := range p.packages {
		if p.packages[i].excluded {
			excluded = append(excluded, C.Id(firstID+i))
		}
	}
	C.binding_prepare(p.c, unsafe.SliceData(excluded), C.int(len(excluded)))
	p.index, p.ready = nil, true
	return nil
}

// lookUpFiles adds to the packages the wanted paths they provide.
func (p *Pool) lookUpFiles(ctx context.Context) error {
	from := len(p.repos)
	for _, done := range p.wanted {
		from = min(from, done)
	}
	for i := from; i < len(p.repos); i++ {
		repo := p.repos[i]
		if repo.files == nil {
			continue
		}
		err := repo.files(ctx, func(pkg int32, files []string) error {
			for _, path := range files {
				if done, ok := p.wanted[path]; !ok || done > i {
					continue
				}
				text := C.CString(path)
				C.binding_provide(repo.c, C.Id(firstID+pkg), text)
				C.free(unsafe.Pointer(text))
				p.provided = append(p.provided, provided{path, "", pkg})
			}
			return ctx.Err()
		})
		if err != nil {
			return fmt.Errorf("solv: files of repository %s: %w", repo.Name, err)
		}
	}
	for path := range p.wanted {
		p.wanted[path] = len(p.repos)
	}
	return nil
}

// checkWork refuses packages that might keep libsolv busy for long, or use up
// the memory: it makes a rule for each pair of one name and for each provider of
// a name that conflicts, lists those of a name that is asked for with a version,
// and multiplies rich dependencies out. The error wraps ErrTooLarge.
func (p *Pool) checkWork() error {
	same := map[string]float64{}
	for i := range p.packages {
		same[p.packages[i].Name]++
	}
	work := 0.0
	for _, n := range same {
		work += n * (n - 1) / 2
	}
	providers := p.countProviders(p.rich)
	for name, n := range p.asked {
		work += n * providers[name]
	}
	for _, t := range p.rich {
		n, err := richWork(t, providers)
		if err != nil {
			return err
		}
		work += n
	}
	if work > maxWork {
		return fmt.Errorf("what %d packages ask of one another is worth %.3g rules, at most %d: %w", len(p.packages), work, maxWork, ErrTooLarge)
	}
	return nil
}

// richWork is what a rich dependency becomes when it is multiplied out. The
// error wraps ErrTooLarge.
func richWork(t *term, providers map[string]float64) (float64, error) {
	n := t.size(true, func(name string) float64 { return providers[name] }).literals
	if n > maxRichWork {
		return 0, fmt.Errorf("a rich dependency on %.200s and others is worth %.3g rules, at most %d: %w", t.first(), n, maxRichWork, ErrTooLarge)
	}
	return n, nil
}

// countProviders counts the providers of the names that matter to checkWork,
// and of those in the terms.
func (p *Pool) countProviders(terms []*term) map[string]float64 {
	count := make(map[string]float64, len(p.asked))
	for name := range p.asked {
		count[name] = 0
	}
	for _, t := range terms {
		t.plains(func(d rpmfile.Dependency) { count[d.Name] = 0 })
	}
	for i := range p.provided {
		if n, ok := count[p.provided[i].name]; ok {
			count[p.provided[i].name] = n + 1
		}
	}
	return count
}
