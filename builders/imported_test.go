package builders_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/queue/queuetest"
)

func TestAnImportTellsOfItsPackages(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	var calls, seen atomic.Int64
	in.stages.Imported = func(ctx context.Context, tx pgx.Tx, build int64) ([]string, error) {
		var n int64
		if err := tx.QueryRow(ctx, "select count(*) from rpms where build_id = $1", build).Scan(&n); err != nil {
			return nil, err
		}
		if calls.Add(1) == 1 {
			return nil, errors.New("not now")
		}
		seen.Store(n)
		return []string{"a signature does not count"}, nil
	}
	in.work(t)
	in.complete(t, in.build(t, 1, script{}))
	if calls.Load() != 2 || seen.Load() != 2 {
		t.Errorf("told %d times, the last time of %d packages; want 2 and 2", calls.Load(), seen.Load())
	}
	if n := queuetest.Value[int](t, in.Pool, "select count(*) from rpms"); n != 2 {
		t.Errorf("%d packages are recorded, want 2", n)
	}
	warnings := queuetest.Values[string](t, in.Pool, "select text from build_warnings")
	if diff := cmp.Diff([]string{"a signature does not count"}, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
