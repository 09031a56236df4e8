package tags_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/distbot/distbot/tags"
)

func TestExtraSettingsAreComparedByTheirValues(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	if _, err := h.editor.Do(t.Context(), "kojiadmin", "add", func(e *tags.Edit) error {
		return e.AddTag(t.Context(), tags.NewTag{Name: "f37"})
	}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		value   string
		changes bool
	}{
		{`9007199254740992`, true},
		{`9007199254740993`, true}, // a float64 could not tell
		{`9007199254740993.0`, false},
		{`{"a": [1, true]}`, true},
		{`{"a": [true, 1.0]}`, false}, // as in Python
		{`"1"`, true},
		{`"\\u0000"`, true}, // a backslash, no NUL
	} {
		event, err := h.editor.Do(t.Context(), "kojiadmin", "edit", func(e *tags.Edit) error {
			return e.EditTag(t.Context(), "f37", tags.TagChange{Extra: map[string]json.RawMessage{"k": json.RawMessage(step.value)}})
		})
		if err != nil || (event != 0) != step.changes {
			t.Errorf("%s: event %d, %v; want a change: %t", step.value, event, err, step.changes)
		}
	}
	for _, value := range []string{`"a\u0000b"`, `{"a\u0000": 1}`, `1e999999999`, `[1e-2000]`, `1 2`, `{`, ``} {
		var refusal *tags.RefusedError
		_, err := h.editor.Do(t.Context(), "kojiadmin", "edit", func(e *tags.Edit) error {
			return e.EditTag(t.Context(), "f37", tags.TagChange{Extra: map[string]json.RawMessage{"k": json.RawMessage(value)}})
		})
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v, want a refusal", value, err)
		}
	}
}
