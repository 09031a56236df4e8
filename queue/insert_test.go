package queue

import "testing"

// TestNoJobIsInserted asks for none, as a scheduler does whose tasks were all
// canceled between its look and its assignment.
func TestNoJobIsInserted(t *testing.T) {
	t.Parallel()
	if ids, err := insertAll(t.Context(), nil, nil, nil); err != nil || len(ids) != 0 {
		t.Errorf("got jobs %v, %v, want none", ids, err)
	}
}
