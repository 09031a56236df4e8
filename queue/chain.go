package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
)

// The channels on which PostgreSQL tells that a chain or a rebuild has ended;
// the payload is its id.
const (
	ChainChannel   = "distbot_chain"
	RebuildChannel = "distbot_rebuild"
)

// NewChain says what to build by hand, group by group.
type NewChain struct {
	Target            string
	BuildTag, DestTag int64
	// Scratch builds are never tagged; there can be one group only.
	Scratch bool
	// Arches replaces the architectures of scratch builds; empty does not.
	Arches []string
	// Priority of the builds' tasks; 0 is PriorityDefault.
	Priority int32
	// WaitRepo ends the chain only when the repositories hold its last builds.
	WaitRepo bool
	// Owner is who asked for it.
	Owner string
	// Groups are what is built, each PACKAGE or REPOSITORY with #REF or without.
	Groups [][]string
}

// StartChain begins a chain in tx and enqueues the job that goes on with it.
func StartChain(ctx context.Context, tx pgx.Tx, inserter Inserter, c NewChain) (chainID int64, err error) {
	q := db.New(tx)
	if c.Priority == 0 {
		c.Priority = PriorityDefault
	}
	chainID, err = q.InsertChain(ctx, db.InsertChainParams{
		Target: c.Target, BuildTag: c.BuildTag, DestTag: c.DestTag, Scratch: c.Scratch, Arches: nonNil(c.Arches),
		Priority: c.Priority, WaitRepo: c.WaitRepo, Owner: c.Owner,
	})
	if err != nil {
		return 0, fmt.Errorf("queue: insert chain: %w", err)
	}
	builds := db.InsertChainBuildsParams{ChainID: chainID}
	for i, group := range c.Groups {
		for j, asked := range group {
			builds.GroupNumbers, builds.Positions = append(builds.GroupNumbers, int32(i+1)), append(builds.Positions, int32(j+1))
			builds.Asked = append(builds.Asked, asked)
		}
	}
	if err := q.InsertChainBuilds(ctx, builds); err != nil {
		return 0, fmt.Errorf("queue: insert builds of chain %d: %w", chainID, err)
	}
	_, err = Insert(ctx, tx, inserter, ChainArgs{ChainID: chainID})
	return chainID, err
}

// EndChain ends a chain in tx, and tells those who wait for it. One that has
// ended stays as it is.
func EndChain(ctx context.Context, tx pgx.Tx, chainID int64, state, reason string) error {
	q := db.New(tx)
	n, err := q.EndChain(ctx, db.EndChainParams{ID: chainID, State: state, Reason: OneLine(reason)})
	if err == nil && n > 0 {
		err = q.Notify(ctx, db.NotifyParams{Channel: ChainChannel, Payload: strconv.FormatInt(chainID, 10)})
	}
	if err != nil {
		return fmt.Errorf("queue: end chain %d: %w", chainID, err)
	}
	return nil
}

// ErrNoChain says that there is no chain of this id.
var ErrNoChain = errors.New("queue: no such chain")

// ChainOverError says that a chain has ended.
type ChainOverError struct {
	ChainID int64
	State   string
}

// Error implements error.
func (e *ChainOverError) Error() string {
	return fmt.Sprintf("queue: chain %d is %s", e.ChainID, e.State)
}

// CancelChain ends a chain and those of its builds that run. It returns
// ErrNoChain or *ChainOverError when there is nothing to cancel.
func CancelChain(ctx context.Context, pool *pgxpool.Pool, client Canceler, external string, chainID int64, why string) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		chain, err := q.LockChain(ctx, chainID)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNoChain
		}
		if err != nil {
			return fmt.Errorf("queue: lock chain %d: %w", chainID, err)
		}
		if chain.State != TaskFree && chain.State != TaskOpen {
			return &ChainOverError{ChainID: chainID, State: chain.State}
		}
		// All before the statuses of the first.
		if err := q.LockBuildsOfChain(ctx, chainID); err != nil {
			return fmt.Errorf("queue: lock builds of chain %d: %w", chainID, err)
		}
		builds, err := q.ChainBuilds(ctx, chainID)
		if err != nil {
			return fmt.Errorf("queue: builds of chain %d: %w", chainID, err)
		}
		for _, build := range builds {
			if build.BuildID == nil {
				continue
			}
			err := CancelBuildTx(ctx, tx, client, external, *build.BuildID, why)
			var over *NotBuildingError
			if err != nil && !errors.As(err, &over) {
				return err
			}
		}
		return EndChain(ctx, tx, chainID, TaskCanceled, why)
	})
}

// Follow enqueues, as part of tx, what goes on when a build has ended or is
// tagged: its chain, or the comparison of a rebuild.
func Follow(ctx context.Context, tx pgx.Tx, inserter Inserter, buildID int64) error {
	followers, err := db.New(tx).FollowersOfBuild(ctx, &buildID)
	if err != nil {
		return fmt.Errorf("queue: followers of build %d: %w", buildID, err)
	}
	var jobs []river.JobArgs
	for _, follower := range followers {
		if follower.Kind == "chain" {
			jobs = append(jobs, ChainArgs{ChainID: follower.ID})
		} else {
			jobs = append(jobs, RebuildArgs{RebuildID: follower.ID})
		}
	}
	return insertIfAny(ctx, tx, inserter, jobs)
}

// FollowRepository enqueues, as part of tx, the chains that may have waited for
// the repository of a tag, which is published now.
func FollowRepository(ctx context.Context, tx pgx.Tx, inserter Inserter, tagID int64) error {
	chains, err := db.New(tx).ChainsOfTag(ctx, tagID)
	if err != nil {
		return fmt.Errorf("queue: chains that wait for tag %d: %w", tagID, err)
	}
	jobs := make([]river.JobArgs, len(chains))
	for i, id := range chains {
		jobs[i] = ChainArgs{ChainID: id}
	}
	return insertIfAny(ctx, tx, inserter, jobs)
}

// insertIfAny enqueues jobs of QueueControl that somebody waits for, and wakes
// those who work it, whatever else was enqueued a moment ago.
func insertIfAny(ctx context.Context, tx pgx.Tx, inserter Inserter, jobs []river.JobArgs) error {
	if len(jobs) == 0 {
		return nil
	}
	if _, err := insertAll(ctx, tx, inserter, jobs); err != nil {
		return err
	}
	if err := db.New(tx).WakeQueue(ctx, QueueControl); err != nil {
		return fmt.Errorf("queue: wake %s: %w", QueueControl, err)
	}
	return nil
}

// SplitAsked parts what a chain was asked to build into forge, name and ref;
// forge and ref may be empty.
func SplitAsked(asked string) (forge, name, ref string) {
	name, ref, _ = strings.Cut(asked, "#")
	if before, after, found := strings.Cut(name, ":"); found {
		return before, after, ref
	}
	return "", name, ref
}
