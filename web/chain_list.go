package web

import (
	"net/http"
	"strconv"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// chainStates are the states a chain can be asked for by.
func chainStates() []string {
	return []string{queue.TaskFree, queue.TaskOpen, queue.TaskClosed, queue.TaskFailed, queue.TaskCanceled}
}

// chainListView is what the page of all chains shows.
type chainListView struct {
	Chains   []db.ListChainsRow
	States   []string
	State    string
	Filtered bool
	Older    string
	Newest   string
}

// chainList lists what was asked for by hand, newest first.
func (s *server) chainList(r *http.Request) (*view, error) {
	q := queryOf(r)
	state, before := q.oneOf("state", chainStates()), q.number("before_id", 1, 1<<62)
	if q.err != nil {
		return nil, q.err
	}
	rows, err := s.queries.ListChains(r.Context(), db.ListChainsParams{State: state, BeforeID: before, MaxRows: pageRows + 1})
	if err != nil {
		return nil, err
	}
	data := chainListView{Chains: rows, States: chainStates(), State: orEmpty(state), Filtered: state != nil}
	if len(rows) > pageRows {
		data.Chains = rows[:pageRows]
		data.Older = older("/chains", q.values, "before_id", strconv.FormatInt(data.Chains[pageRows-1].ID, 10))
	}
	if before != nil {
		data.Newest = newest("/chains", q.values, "before_id")
	}
	return &view{page: "chains", Title: "Chains", Nav: "builds", Data: data}, nil
}
