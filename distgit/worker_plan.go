package distgit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// PlanWorker plans stored deliveries.
type PlanWorker struct {
	river.WorkerDefaults[queue.PlanArgs]
	*Planner
}

// Work plans one delivery. What can't be planned for good is marked failed;
// the same delivery may then come again, or be replayed.
func (w *PlanWorker) Work(ctx context.Context, job *river.Job[queue.PlanArgs]) error {
	delivery, err := db.New(w.Pool).GetDelivery(ctx, job.Args.DeliveryID)
	if err != nil {
		return fmt.Errorf("distgit: read delivery %d: %w", job.Args.DeliveryID, err)
	}
	if delivery.State != "received" {
		return nil
	}
	log := w.Logger.With("delivery", delivery.ID, "repository", delivery.Repository, "ref", delivery.Ref)
	err = w.planDelivery(ctx, job, delivery)
	if err == nil || errors.Is(err, queue.ErrLostAttempt) {
		return nil
	}
	if queue.FateOf(ctx, job.JobRow, err) != queue.GiveUp {
		log.Warn("distgit: delivery will be planned again", "error", err)
		return queue.Outcome(err)
	}
	log.Error("distgit: delivery can't be planned", "error", err)
	return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		if err := w.failDelivery(ctx, tx, delivery, plain(err)); err != nil {
			return err
		}
		return queue.Complete(ctx, tx, job)
	})
}

// planDelivery reads the delivery again and plans what it says.
func (w *PlanWorker) planDelivery(ctx context.Context, job *river.Job[queue.PlanArgs], delivery db.Delivery) error {
	finish := func(state string) func(tx pgx.Tx, summary string) error {
		return func(tx pgx.Tx, summary string) error {
			n, err := db.New(tx).FinishDelivery(ctx, db.FinishDeliveryParams{ID: delivery.ID, State: state, Reason: summary})
			if err != nil {
				return fmt.Errorf("distgit: finish delivery %d: %w", delivery.ID, err)
			}
			if n == 0 {
				return queue.ErrLostAttempt
			}
			w.Logger.Info("distgit: delivery planned", "delivery", delivery.ID, "repository", delivery.Repository, "ref", delivery.Ref, "plan", summary)
			return queue.Complete(ctx, tx, job)
		}
	}
	event, err := w.parse(delivery)
	var ignored *forge.IgnoredError
	if errors.As(err, &ignored) {
		return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error { return finish("ignored")(tx, ignored.Reason) })
	}
	if err != nil {
		return queue.Permanent(err)
	}
	c, reason, ok := changeOf(delivery.Forge, &delivery.ID, event)
	if !ok {
		return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error { return finish("planned")(tx, reason) })
	}
	return w.plan(ctx, c, finish("planned"))
}

// parse reads a stored delivery as its forge's driver does.
func (w *PlanWorker) parse(delivery db.Delivery) (forge.Event, error) {
	host, ok := w.Hosts[delivery.Forge]
	if !ok {
		return forge.Event{}, fmt.Errorf("distgit: forge %q is not configured any more", delivery.Forge)
	}
	var stored map[string]string
	if err := json.Unmarshal(delivery.Headers, &stored); err != nil {
		return forge.Event{}, fmt.Errorf("distgit: read headers of delivery %d: %w", delivery.ID, err)
	}
	header := http.Header{}
	for name, value := range stored {
		header.Set(name, value)
	}
	return host.Forge.Parse(header, delivery.Body)
}

// failDelivery marks a delivery failed, and says so on the commit where one is
// known.
func (w *PlanWorker) failDelivery(ctx context.Context, tx pgx.Tx, delivery db.Delivery, reason string) error {
	if _, err := db.New(tx).FinishDelivery(ctx, db.FinishDeliveryParams{ID: delivery.ID, State: "failed", Reason: reason}); err != nil {
		return fmt.Errorf("distgit: fail delivery %d: %w", delivery.ID, err)
	}
	event, err := w.parse(delivery)
	if err != nil {
		return nil //nolint:nilerr // that it can't be read is the reason already
	}
	c, _, ok := changeOf(delivery.Forge, &delivery.ID, event)
	if !ok {
		return nil
	}
	targets, err := db.New(tx).TargetsForBranch(ctx, c.branch)
	if err != nil {
		return fmt.Errorf("distgit: targets of branch %s: %w", c.branch, err)
	}
	repository, err := w.upsertRepository(ctx, tx, c)
	if err != nil {
		return err
	}
	var statuses []queue.Status
	for _, target := range targets {
		statuses = append(statuses, queue.Status{
			RepositoryID: repository.ID, Commit: c.commit, Context: queue.ContextOf(target.Name, ""), State: "error",
			Description: "the push could not be planned: " + reason, TargetURL: w.ExternalURL,
		})
	}
	return queue.WantStatuses(ctx, tx, w.Jobs, statuses)
}
