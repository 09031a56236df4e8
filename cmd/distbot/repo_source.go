package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// repoSources are repositories, each once, as flags name them. What is named before
// counts as named again by its name or its location.
type repoSources struct {
	all  []snapshot.Source
	opts snapshot.Options
}

// add reads a repository as flags name it and returns its number.
func (s *repoSources) add(text string) (int, error) {
	source, err := snapshot.ParseSource(text)
	if err != nil {
		return 0, usage("%v", err)
	}
	i := slices.IndexFunc(s.all, func(known snapshot.Source) bool {
		return known == source || known.Name == text || known.Location == source.Location
	})
	if i >= 0 {
		return i, nil
	}
	if slices.ContainsFunc(s.all, func(known snapshot.Source) bool { return known.Name == source.Name }) {
		return 0, usage("two repositories are called %q", source.Name)
	}
	s.all = append(s.all, source)
	return len(s.all) - 1, nil
}

// addAll reads the repositories that a repeated flag names.
func (s *repoSources) addAll(flags *flag.FlagSet, name string) ([]int, error) {
	var numbers []int
	for _, text := range listFlag(flags, name) {
		i, err := s.add(text)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, i)
	}
	return numbers, nil
}

// open reads the repositories, each as one moment of it. Close them, also after
// an error.
func (s *repoSources) open(ctx context.Context) ([]*snapshot.Snapshot, error) {
	var opened []*snapshot.Snapshot
	for _, source := range s.all {
		one, err := snapshot.Open(ctx, source, s.opts)
		if err != nil {
			return opened, err
		}
		opened = append(opened, one)
	}
	return opened, nil
}

func closeAll(opened []*snapshot.Snapshot) error {
	var errs []error
	for _, s := range opened {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// named is a flag with the name of something, which is not empty.
type named string

// String implements flag.Value.
func (n *named) String() string { return string(*n) }

// Set implements flag.Value.
func (n *named) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	*n = named(s)
	return nil
}

// sourceFlags are those of commands that read repositories.
func sourceFlags(flags *flag.FlagSet) {
	flags.Var(new(named), "cachedir", "`directory` that keeps what is fetched between runs (default: in the user's cache)")
	flags.Bool("json", false, "print JSON")
}

// newRepoSources is an empty list with the options that the flags give.
func newRepoSources(t terminal, flags *flag.FlagSet, documents ...string) *repoSources {
	s := &repoSources{opts: snapshot.Options{CacheDir: flags.Lookup("cachedir").Value.String(), Documents: documents}}
	var mu sync.Mutex
	s.opts.Retrying = func(why error) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(t.stderr, tasklog.Printable(why.Error()))
	}
	if base := userCache(t); s.opts.CacheDir == "" && base != "" {
		s.opts.CacheDir = filepath.Join(base, "distbot", "fetched")
	}
	return s
}
