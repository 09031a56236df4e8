package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// Chains that waited for a repository are woken by the transaction that publishes
// it, also when another one enqueued something for the same queue a moment ago
// and is not over.
func TestFollowersAreWokenByTheirOwnTransaction(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	jobs := queuetest.Inserter(t, pool)
	d := queuetest.NewDistribution(t, pool, jobs, "x86_64")
	queuetest.Exec(t, pool, "insert into chains (target, build_tag, dest_tag, owner, state) values ('f37', $1, $2, 'pat', 'OPEN')", d.BuildTag, d.DestTag)
	listener, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close(context.WithoutCancel(t.Context())) }()
	schema := queuetest.Value[string](t, pool, "select current_schema()")
	if _, err := listener.Exec(t.Context(), "listen "+pgx.Identifier{schema + ".river_insert"}.Sanitize()); err != nil {
		t.Fatal(err)
	}

	var open [2]pgx.Tx
	for i := range open {
		if open[i], err = pool.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = open[i].Rollback(context.WithoutCancel(t.Context())) }()
	}
	for _, tx := range open {
		if err := queue.FollowRepository(t.Context(), tx, jobs, d.BuildTag); err != nil {
			t.Fatal(err)
		}
	}
	if err := open[1].Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := listener.WaitForNotification(limited)
	if err != nil {
		t.Fatalf("nobody is woken: %v", err)
	}
	if want := `{"queue" : "` + queue.QueueControl + `"}`; got.Payload != want && got.Payload != `{"queue": "`+queue.QueueControl+`"}` {
		t.Errorf("woken by %s, want %s", got.Payload, want)
	}
}
