package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/distbot/distbot/internal/db"
)

// trouble is why the repository that a tag wants can't be made. The newest
// generation stays up meanwhile.
type trouble struct {
	Tag string
	// Kind is refused, until the tag changes, or failing: that is tried again.
	Kind string
	// Reason is the newest one; Problems are all of a refusal, the first of them.
	Reason   string
	Problems []string
	// Since is when it could not be made first, At the last time.
	Since, At time.Time
}

// Refused says that it is not tried again by itself.
func (t trouble) Refused() bool { return t.Kind == "refused" }

// More are the problems that the reason does not name.
func (t trouble) More() []string { return t.Problems[min(1, len(t.Problems)):] }

// Again is the command that tries again.
func (t trouble) Again() string { return "distbot repo publish " + t.Tag }

// troubleOf is the trouble of a tag of an overview, nil for none.
func troubleOf(row db.ReposOverviewRow) (*trouble, error) {
	if row.TroubleSince == nil {
		return nil, nil
	}
	t := &trouble{Tag: row.Name, Kind: row.TroubleKind, Reason: row.TroubleReason, Since: *row.TroubleSince, At: *row.TroubleAt}
	return t, json.Unmarshal(row.TroubleProblems, &t.Problems)
}

// troubleOfTag reads the trouble of a tag, nil for none.
func (s *server) troubleOfTag(ctx context.Context, id int64, name string) (*trouble, error) {
	row, err := s.queries.Trouble(ctx, id)
	if isNoRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := &trouble{Tag: name, Kind: row.Kind, Reason: row.Reason, Since: row.Since, At: row.At}
	return t, json.Unmarshal(row.Problems, &t.Problems)
}

// apiTrouble is a trouble for programs.
type apiTrouble struct {
	Kind     string    `json:"kind"`
	Reason   string    `json:"reason"`
	Problems []string  `json:"problems"`
	Since    time.Time `json:"since"`
	At       time.Time `json:"at"`
}

// apiTroubleOf is a trouble as the API tells it, null for none.
func apiTroubleOf(t *trouble) *apiTrouble {
	if t == nil {
		return nil
	}
	return &apiTrouble{Kind: t.Kind, Reason: t.Reason, Problems: append([]string{}, t.Problems...), Since: utc(t.Since), At: utc(t.At)}
}
