package webhooks

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// ErrNoDelivery says that there is no delivery of this id.
var ErrNoDelivery = errors.New("webhooks: no such delivery")

// ErrWaiting says that a delivery has not been planned yet, and will be.
var ErrWaiting = errors.New("webhooks: the delivery waits to be planned")

// DuplicateError says that a delivery is never planned, because another one
// brought the same push.
type DuplicateError struct {
	// ID is the delivery, Of the one that is planned.
	ID, Of int64
}

// Error implements error.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("webhooks: delivery %d is the same push as delivery %d", e.ID, e.Of)
}

// Replay plans a stored delivery again, as part of tx. It returns
// ErrNoDelivery, ErrWaiting or *DuplicateError, the latter also for a failed
// delivery whose push came through another hook since.
func Replay(ctx context.Context, tx pgx.Tx, inserter queue.Inserter, id int64) error {
	q := db.New(tx)
	d, err := q.LockDelivery(ctx, id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNoDelivery
	case err != nil:
		return fmt.Errorf("webhooks: lock delivery %d: %w", id, err)
	case d.State == string(statusReceived):
		return ErrWaiting
	case d.DuplicateOf != nil:
		return &DuplicateError{ID: id, Of: *d.DuplicateOf}
	}
	if d.Effect != nil {
		twin, err := q.DeliveryByEffect(ctx, db.DeliveryByEffectParams{Forge: d.Forge, Effect: d.Effect})
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("webhooks: look for the same push as delivery %d: %w", id, err)
		}
		if err == nil && twin.ID != id {
			return &DuplicateError{ID: id, Of: twin.ID}
		}
	}
	if err := q.ReceiveDeliveryAgain(ctx, id); err != nil {
		return fmt.Errorf("webhooks: replay delivery %d: %w", id, err)
	}
	_, err = queue.Insert(ctx, tx, inserter, queue.PlanArgs{DeliveryID: id})
	return err
}
