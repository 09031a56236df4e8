package distgit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
)

// ChainRequest is what somebody asks to be built by hand.
type ChainRequest struct {
	// Target by name.
	Target string
	// Groups are built one after the other; in each, PACKAGE or REPOSITORY, with
	// FORGE: before it or without, with #BRANCH or #COMMIT after it or without.
	Groups   [][]string
	Scratch  bool
	Arches   []string
	Priority int32
	WaitRepo bool
	Owner    string
}

// RefusedError says in a sentence why nothing is built.
type RefusedError struct{ Reason string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Reason }

func refused(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

// Bounds of a chain.
const (
	maxChainBuilds = 1000
	maxAsked       = 500
)

// CheckChain refuses a request that can't be carried out, as far as that is
// known without looking into repositories, by a *RefusedError. It returns what
// to begin.
func CheckChain(ctx context.Context, conn db.DBTX, r ChainRequest) (queue.NewChain, error) {
	chain := queue.NewChain{
		Target: r.Target, Scratch: r.Scratch, Arches: r.Arches, Priority: r.Priority, WaitRepo: r.WaitRepo, Owner: r.Owner, Groups: r.Groups,
	}
	if err := checkGroups(r.Groups); err != nil {
		return chain, err
	}
	target, err := db.New(conn).TargetInUse(ctx, r.Target)
	if errors.Is(err, pgx.ErrNoRows) {
		return chain, refused("there is no target %s", r.Target)
	}
	if err != nil {
		return chain, fmt.Errorf("distgit: read target %s: %w", r.Target, err)
	}
	chain.BuildTag, chain.DestTag = target.BuildTag, target.DestTag
	if r.Scratch {
		return chain, checkScratch(r, target)
	}
	if len(r.Arches) > 0 {
		return chain, refused("architectures can be chosen for scratch builds only: others are built for all of the tag")
	}
	if len(r.Groups) == 1 || target.BuildTag == target.DestTag {
		return chain, nil
	}
	steps, err := tagview.Reader{Conn: conn}.Inheritance(ctx, target.BuildTag)
	if err != nil {
		return chain, fmt.Errorf("distgit: inheritance of %s: %w", target.BuildTagName, err)
	}
	if !slices.ContainsFunc(steps, func(s tagview.Step) bool { return s.ParentID == target.DestTag }) {
		return chain, refused("a chain for target %s can't work: what it builds goes into %s, from which its build tag %s does not inherit, "+
			"so that no group would see the one before", target.Name, target.DestTagName, target.BuildTagName)
	}
	return chain, nil
}

// checkScratch applies Koji's rules of scratch builds.
func checkScratch(r ChainRequest, target db.TargetInUseRow) error {
	if len(r.Groups) > 1 {
		return refused("scratch builds can't be chained: none of them gets into a repository")
	}
	if r.WaitRepo {
		return refused("no repository will hold a scratch build: there is nothing to wait for")
	}
	for _, a := range r.Arches {
		serves := func(root string) bool { return a == arch.Noarch || arch.Serves(root, a) }
		if !slices.ContainsFunc(target.BuildTagArches, serves) {
			return refused("tag %s does not build for %s: it has %s", target.BuildTagName, a, strings.Join(target.BuildTagArches, " "))
		}
	}
	return nil
}

// checkGroups refuses what names nothing or something twice.
func checkGroups(groups [][]string) error {
	seen := map[string]bool{}
	for i, group := range groups {
		if len(group) == 0 {
			return refused("group %d of the chain is empty", i+1)
		}
		for _, asked := range group {
			if err := checkAsked(asked); err != nil {
				return err
			}
			_, name, _ := queue.SplitAsked(asked)
			if seen[name] {
				return refused("%s is named twice", name)
			}
			seen[name] = true
		}
	}
	switch {
	case len(groups) == 0:
		return refused("nothing is named that could be built")
	case len(seen) > maxChainBuilds:
		return refused("%d builds are more than the %d that a chain may have", len(seen), maxChainBuilds)
	}
	return nil
}

// checkAsked refuses what can be no name of a repository and a ref.
func checkAsked(asked string) error {
	if len(asked) > maxAsked {
		return refused("%.40q… is too long for a repository and a ref", asked)
	}
	host, name, ref := queue.SplitAsked(asked)
	switch {
	case host != "" && !forgeName.MatchString(host):
		return refused("%q is no name of a forge", host)
	case forge.CheckFullName(name, 1, 8) != nil:
		return refused("%q is neither a package nor a repository: it %v", name, forge.CheckFullName(name, 1, 8))
	case strings.HasSuffix(asked, "#"):
		return refused("%q names no ref after the #", asked)
	case ref != "" && !commitID.MatchString(ref) && forge.CheckBranch(ref) != nil:
		return refused("%q is neither a branch nor the full id of a commit", ref)
	}
	return nil
}
