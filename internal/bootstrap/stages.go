package bootstrap

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// fetch resolves and downloads.
func (r *run) fetch(ctx context.Context, a *apt) ([]deb, error) {
	r.progress(Progress{Stage: StageResolve, Total: 1})
	debs, err := a.resolve(ctx, r.packages)
	if err != nil {
		return nil, err
	}
	r.log.Info("bootstrap packages resolved", "arch", r.arch.rpm, "packages", len(debs))
	r.progress(Progress{Stage: StageResolve, Done: 1, Total: 1})
	r.progress(Progress{Stage: StageDownload, Total: len(debs)})
	if err := a.download(ctx, r.packages, debs); err != nil {
		return nil, err
	}
	r.progress(Progress{Stage: StageDownload, Done: len(debs), Total: len(debs)})
	return debs, nil
}

// job is an RPM to make.
type job struct {
	recipe recipe
	source deb // zero for distbot's own
	result artifact
}

// convert makes every RPM and returns them in the order of a repository.
func (r *run) convert(ctx context.Context, p packer, debs []deb) ([]artifact, []Group, error) {
	c, controls, err := r.read(ctx, p.tools, debs)
	if err != nil {
		return nil, nil, err
	}
	jobs, err := r.plan(p.tools, c, debs, controls)
	if err != nil {
		return nil, nil, err
	}
	if err := r.work(ctx, p, jobs); err != nil {
		return nil, nil, err
	}
	artifacts := make([]artifact, 0, len(jobs))
	for _, j := range jobs {
		artifacts = append(artifacts, j.result)
	}
	sortArtifacts(artifacts)
	return artifacts, groups(c.has), nil
}

// read reads what the packages say of themselves, in the order of debs.
func (r *run) read(ctx context.Context, t tools, debs []deb) (catalog, []control, error) {
	controls := make([]control, len(debs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.jobs)
	for i, d := range debs {
		g.Go(func() (err error) {
			if controls[i], err = readControl(ctx, t, d); err != nil {
				return err
			}
			return checkPackage(d, controls[i], r.arch)
		})
	}
	if err := g.Wait(); err != nil {
		return catalog{}, nil, err
	}
	return newCatalog(controls), controls, nil
}

// plan lists the RPMs to make. The largest come first, so that none is left
// alone at the end.
func (r *run) plan(t tools, c catalog, debs []deb, controls []control) ([]*job, error) {
	hook, err := needsDebugHook(c)
	if err != nil {
		return nil, err
	}
	jobs := []*job{{recipe: r.tables.filesystem()}, {recipe: r.tables.macros(hook)}}
	for i, d := range debs {
		jobs = append(jobs, &job{recipe: r.recipeFor(t, c, d, controls[i]), source: d})
	}
	slices.SortStableFunc(jobs, func(a, b *job) int { return cmp.Compare(b.source.Size, a.source.Size) })
	return jobs, nil
}

// work makes the RPMs, some at a time.
func (r *run) work(ctx context.Context, p packer, jobs []*job) error {
	r.progress(Progress{Stage: StageConvert, Total: len(jobs)})
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.jobs)
	done := 0
	for _, j := range jobs {
		g.Go(func() error {
			if err := j.run(ctx, p); err != nil {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			done++
			r.tell(Progress{Stage: StageConvert, Package: j.recipe.spec.Name, Done: done, Total: len(jobs)})
			return nil
		})
	}
	return g.Wait()
}

// run makes the RPM and reads it.
func (j *job) run(ctx context.Context, p packer) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	file, err := p.pack(ctx, j.recipe)
	if err != nil {
		return err
	}
	j.result, err = readArtifact(file, j.source)
	return err
}
