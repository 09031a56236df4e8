package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestAWorkersError(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err         error
		state, text string
	}{
		"may hold any byte":           {errors.New("tar: \x00\xff\nnot found"), "available", "tar: \uFFFD not found"},
		"may be of any length":        {errors.New(strings.Repeat("x", 100_000)), "available", strings.Repeat("x", 2000)},
		"is understood with any byte": {fmt.Errorf("\x00: %w", river.JobCancel(errors.New("no more"))), "cancelled", ": JobCancelError: no more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, d, _ := setup(t)
			client := queuetest.Start(t, pool, "worker", func(workers *river.Workers, _ queue.Canceler) {
				river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[queue.PublishArgs]) error { return test.err }))
			}, queue.QueuePublish)
			var job int64
			queuetest.Tx(t, pool, func(tx pgx.Tx) (err error) {
				job, err = queue.Insert(t.Context(), tx, client, queue.PublishArgs{TagID: d.DestTag})
				return err
			})
			queuetest.WaitRow(t, pool, "the end of the try is noted", "select state = $2 and errors is not null from river_job where id = $1", job, test.state)
			var noted rivertype.AttemptError
			if err := json.Unmarshal(queuetest.Value[[]byte](t, pool, "select errors[1] from river_job where id = $1", job), &noted); err != nil {
				t.Fatal(err)
			}
			if noted.Error != test.text {
				t.Errorf("noted %.200q, want %.200q", noted.Error, test.text)
			}
		})
	}
}
