package web

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
)

// bodyHead is how much of a delivery's body its page shows.
const bodyHead = 256 << 10

// deliveryStates are the states a delivery can be asked for by.
func deliveryStates() []string {
	return []string{"received", "planned", "ignored", "duplicate", "failed"}
}

// deliveryListView is what the page of all deliveries shows.
type deliveryListView struct {
	Deliveries []db.ListDeliveriesRow
	States     []string
	State      string
	Forge      string
	Filtered   bool
	Older      string
	Newest     string
}

// listDeliveries reads deliveries, newest first, and whether there are older
// ones.
func (s *server) listDeliveries(r *http.Request, q *query, limit int64) (rows []db.ListDeliveriesRow, more bool, err error) {
	params := db.ListDeliveriesParams{
		Forge: q.text("forge"), State: q.oneOf("state", deliveryStates()), BeforeID: q.number("before_id", 1, 1<<62), MaxRows: int32(limit) + 1,
	}
	if q.err != nil {
		return nil, false, q.err
	}
	if rows, err = s.queries.ListDeliveries(r.Context(), params); err != nil {
		return nil, false, err
	}
	if more = len(rows) > int(limit); more {
		rows = rows[:limit]
	}
	return rows, more, nil
}

// deliveryList is the page of what forges sent.
func (s *server) deliveryList(r *http.Request) (*view, error) {
	q := queryOf(r)
	rows, more, err := s.listDeliveries(r, q, pageRows)
	if err != nil {
		return nil, err
	}
	data := deliveryListView{Deliveries: rows, States: deliveryStates(), State: orEmpty(q.text("state")), Forge: orEmpty(q.text("forge"))}
	data.Filtered = data.State != "" || data.Forge != ""
	if more {
		data.Older = older("/deliveries", q.values, "before_id", strconv.FormatInt(rows[len(rows)-1].ID, 10))
	}
	if q.values.Get("before_id") != "" {
		data.Newest = newest("/deliveries", q.values, "before_id")
	}
	return &view{page: "deliveries", Title: "Deliveries", Nav: "deliveries", Data: data}, nil
}

// deliveryView is what a delivery's page shows.
type deliveryView struct {
	db.DeliveryHeadRow
	HeaderLines []headerLine
	Body        string
	// Cut is true when the body is longer than what is shown.
	Cut   bool
	Plans []db.PlansOfDeliveryRow
}

// headerLine is a header as it was kept.
type headerLine struct{ Name, Value string }

// delivery is the page of one delivery.
func (s *server) delivery(r *http.Request) (*view, error) {
	id, err := pathID(r, "id")
	if err != nil {
		return nil, err
	}
	row, err := s.queries.DeliveryHead(r.Context(), db.DeliveryHeadParams{ID: id, MaxBytes: bodyHead})
	if err != nil {
		return nil, err
	}
	data := deliveryView{DeliveryHeadRow: row, HeaderLines: headerLines(row.Headers), Cut: row.Size > int64(len(row.Head))}
	data.Body = tasklog.Printable(string(indented(row.Head)))
	if data.Plans, err = s.queries.PlansOfDelivery(r.Context(), &id); err != nil {
		return nil, err
	}
	return &view{page: "delivery", Title: "Delivery " + strconv.FormatInt(id, 10), Nav: "deliveries", Data: data}, nil
}

// indented is a JSON document for reading; anything else is as it was.
func indented(body []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return body
	}
	return out.Bytes()
}

// headerLines sorts kept headers. They are an object of texts; of anything
// else there is nothing to show.
func headerLines(headers json.RawMessage) []headerLine {
	var kept map[string]any
	if err := json.Unmarshal(headers, &kept); err != nil {
		return nil
	}
	var lines []headerLine
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if text, ok := kept[name].(string); ok {
			lines = append(lines, headerLine{Name: name, Value: text})
		}
	}
	return lines
}
