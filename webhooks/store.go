package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// status is what became of a delivery at the door.
type status string

const (
	statusReceived  status = "received"
	statusIgnored   status = "ignored"
	statusDuplicate status = "duplicate"
	statusFailed    status = "failed"
)

// receipt is the answer to a delivery.
type receipt struct {
	id     int64
	status status
	reason string
}

// deliveries stores deliveries and enqueues their planning.
type deliveries struct {
	pool     *pgxpool.Pool
	inserter queue.Inserter
}

// store writes the delivery and its job in one transaction. A delivery that is
// known by its id or by its effect changes nothing, unless it failed: then it
// is planned again.
func (s deliveries) store(ctx context.Context, d delivery) (receipt, error) {
	headers, err := json.Marshal(d.headers)
	if err != nil {
		return receipt{}, fmt.Errorf("webhooks: encode headers: %w", err)
	}
	var r receipt
	// What stands in the way may fail, and get out of it, between the two
	// looks: then the delivery is new after all.
	for range 3 {
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			r, err = s.storeOnce(ctx, tx, d, headers)
			return err
		})
		if !errors.Is(err, pgx.ErrNoRows) {
			break
		}
	}
	if err != nil {
		return receipt{}, fmt.Errorf("webhooks: store delivery %s: %w", d.id, err)
	}
	return r, nil
}

// storeOnce writes the delivery and its job, or finds it known.
func (s deliveries) storeOnce(ctx context.Context, tx pgx.Tx, d delivery, headers []byte) (receipt, error) {
	state := statusReceived
	if d.ignored != "" {
		state = statusIgnored
	}
	id, err := db.New(tx).InsertDelivery(ctx, db.InsertDeliveryParams{
		Forge: d.forge, DeliveryID: d.id, Event: d.event, Repository: d.repository, Ref: d.ref,
		Effect: effectOf(d), State: string(state), Reason: d.ignored, Headers: headers, Body: d.body,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return s.storeKnown(ctx, tx, d, headers)
	}
	if err != nil {
		return receipt{}, err
	}
	if state == statusReceived {
		_, err = queue.Insert(ctx, tx, s.inserter, queue.PlanArgs{DeliveryID: id})
	}
	return receipt{id: id, status: state, reason: d.ignored}, err
}

// storeKnown handles a delivery whose id or effect is in the table. It returns
// pgx.ErrNoRows if that is so no longer.
func (s deliveries) storeKnown(ctx context.Context, tx pgx.Tx, d delivery, headers []byte) (receipt, error) {
	q := db.New(tx)
	same, err := q.DeliveryByForgeID(ctx, db.DeliveryByForgeIDParams{Forge: d.forge, DeliveryID: d.id})
	known := err == nil
	if known && (same.State != string(statusFailed) || d.ignored != "") {
		return receipt{id: same.ID, status: statusDuplicate, reason: "this delivery is known"}, nil
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return receipt{}, err
	}
	twin, err := q.DeliveryByEffect(ctx, db.DeliveryByEffectParams{Forge: d.forge, Effect: &d.effect})
	if known && errors.Is(err, pgx.ErrNoRows) {
		return receipt{id: same.ID, status: statusReceived}, Replay(ctx, tx, s.inserter, same.ID)
	}
	if err != nil {
		return receipt{}, err
	}
	reason := fmt.Sprintf("the same push as delivery %d", twin.ID)
	if known {
		// It failed, and came again through another hook meanwhile.
		return receipt{id: twin.ID, status: statusDuplicate, reason: reason}, nil
	}
	id, err := q.InsertDuplicateDelivery(ctx, db.InsertDuplicateDeliveryParams{
		Forge: d.forge, DeliveryID: d.id, Event: d.event, Repository: d.repository, Ref: d.ref,
		Effect: &d.effect, Reason: reason, Headers: headers, Body: d.body, DuplicateOf: &twin.ID,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		id, err = twin.ID, nil
	}
	return receipt{id: id, status: statusDuplicate, reason: reason}, err
}

// effectOf is the delivery's effect, nil for one that may be repeated. A
// delivery nothing follows from must not stand in the way of one that has
// consequences.
func effectOf(d delivery) *string {
	if d.effect == "" || d.ignored != "" {
		return nil
	}
	return &d.effect
}
