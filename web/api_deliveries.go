package web

import (
	"net/http"
	"time"
)

// apiDelivery is a webhook delivery for programs.
type apiDelivery struct {
	ID          int64      `json:"id"`
	Forge       string     `json:"forge"`
	DeliveryID  string     `json:"delivery_id"`
	Event       string     `json:"event"`
	Repository  string     `json:"repository"`
	Ref         string     `json:"ref"`
	State       string     `json:"state"`
	Reason      string     `json:"reason"`
	DuplicateOf *int64     `json:"duplicate_of"`
	Size        int32      `json:"size"`
	ReceivedAt  time.Time  `json:"received_at"`
	FinishedAt  *time.Time `json:"finished_at"`
}

// apiDeliveryList is the answer of /api/v1/deliveries.
type apiDeliveryList struct {
	Deliveries []apiDelivery `json:"deliveries"`
	// NextBeforeID is what before_id must be for those after these; null at
	// the end.
	NextBeforeID *int64 `json:"next_before_id"`
}

// apiDeliveries answers with deliveries, newest first.
func (s *server) apiDeliveries(r *http.Request) (any, error) {
	q := queryOf(r)
	rows, more, err := s.listDeliveries(r, q, q.limit())
	if err != nil {
		return nil, err
	}
	answer := apiDeliveryList{Deliveries: []apiDelivery{}}
	for _, row := range rows {
		answer.Deliveries = append(answer.Deliveries, apiDelivery{
			ID: row.ID, Forge: row.Forge, DeliveryID: row.DeliveryID, Event: row.Event, Repository: row.Repository, Ref: row.Ref,
			State: row.State, Reason: row.Reason, DuplicateOf: row.DuplicateOf, Size: row.Size,
			ReceivedAt: utc(row.ReceivedAt), FinishedAt: utcOrNull(row.FinishedAt),
		})
	}
	if more {
		answer.NextBeforeID = &rows[len(rows)-1].ID
	}
	return answer, nil
}
