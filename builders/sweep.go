package builders

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
)

const (
	// sweepEvery is how often what nobody needs is removed.
	sweepEvery = time.Hour
	// keepUnused is how long bytes stay that nobody refers to: those who have
	// just stored them are about to.
	keepUnused = 24 * time.Hour
	// sweepAtOnce is how many blobs the database is asked about at a time.
	sweepAtOnce = 1000
)

// Sweeper removes what lost attempts and processes that died have left in the
// store: the results of attempts that others have taken over, files of an upload
// that broke off, and what was stored just before a crash. A blob is kept while a
// package, a result of a task or an upload has its digest, while a name of the
// store stands for it, and for a day after it was last stored. One sweeper works
// at a store.
type Sweeper struct {
	Pool   *pgxpool.Pool
	Store  *store.Store
	Logger *slog.Logger

	// Keep is how long bytes stay that nobody refers to. Default a day.
	Keep time.Duration
}

// Run sweeps at once and every hour until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Error("builders: sweep", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sweep removes what nobody needs. Uploads of attempts that are over are
// forgotten an hour after the end: until then hosts may ask whether they were
// taken.
func (s *Sweeper) Sweep(ctx context.Context) error {
	forgotten, err := db.New(s.Pool).DropOldUploads(ctx)
	if err != nil {
		return fmt.Errorf("builders: forget old uploads: %w", err)
	}
	before := time.Now().Add(-cmp.Or(s.Keep, keepUnused))
	broken, err := s.Store.Sweep(before)
	if err != nil {
		return err
	}
	var removed, bytes int64
	var some []store.Blob
	flush := func() error {
		n, size, err := s.removeUnused(ctx, some, before)
		removed, bytes, some = removed+n, bytes+size, some[:0]
		return err
	}
	for blob, err := range s.Store.Loose(ctx, before) {
		if err != nil {
			return err
		}
		if some = append(some, blob); len(some) < sweepAtOnce {
			continue
		}
		if err := flush(); err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if forgotten+int64(broken)+removed > 0 {
		s.Logger.Info("builders: swept", "uploads", forgotten, "broken", broken, "blobs", removed, "bytes", bytes)
	}
	return nil
}

// removeUnused removes those of the blobs that nobody refers to, and returns how
// many there were and their size in bytes.
func (s *Sweeper) removeUnused(ctx context.Context, blobs []store.Blob, before time.Time) (n, size int64, err error) {
	sizes, digests := map[string]int64{}, make([]string, len(blobs))
	for i, blob := range blobs {
		sizes[blob.SHA256], digests[i] = blob.Size, blob.SHA256
	}
	unused, err := db.New(s.Pool).UnusedBlobs(ctx, digests)
	if err != nil {
		return 0, 0, fmt.Errorf("builders: find unused blobs: %w", err)
	}
	for _, digest := range unused {
		// Whoever refers to it since has stored it again, which keeps it.
		removed, err := s.Store.Remove(store.Blob{SHA256: digest, Size: sizes[digest]}, before)
		if err != nil {
			return n, size, err
		}
		if removed {
			n, size = n+1, size+sizes[digest]
		}
	}
	return n, size, nil
}
