package tags

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// Bounds of extra settings.
const (
	maxExtraKey   = 256
	maxExtraValue = 64 << 10
)

// setExtra writes the settings that differ from what the tag has itself.
func (e *Edit) setExtra(ctx context.Context, tag tagview.Tag, extra map[string]json.RawMessage) error {
	if len(extra) == 0 {
		return nil
	}
	have, err := e.Read().Extra(ctx, tag.ID)
	if err != nil {
		return err
	}
	for _, key := range sortedKeys(extra) {
		value, ok := keptJSON(extra[key])
		if !ok || key == "" || len(key) > maxExtraKey || !utf8.ValidString(key) || strings.ContainsRune(key, 0) {
			return refuse(FaultGeneric, "tag %s: the extra setting %.80q must have a name and a JSON value of at most %d bytes, without NUL", tag.Name, key, maxExtraValue)
		}
		if old, there := have[key]; there && old != nil && sameJSON(old, value) {
			continue
		}
		text := string(value)
		if err := e.replaceExtra(ctx, tag, key, &text); err != nil {
			return err
		}
	}
	return nil
}

// keptJSON is a value as it is kept: compact, its numbers as they were written,
// and its texts fit for the database, which takes no NUL and no half of a
// surrogate pair.
func keptJSON(value json.RawMessage) (kept json.RawMessage, ok bool) {
	if len(value) > maxExtraValue {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil || decoder.More() {
		return nil, false
	}
	if !bytes.Contains(value, []byte(`\u`)) {
		var compact bytes.Buffer
		err := json.Compact(&compact, value)
		return compact.Bytes(), err == nil && utf8.Valid(compact.Bytes())
	}
	kept, err := json.Marshal(v)
	return kept, err == nil && !bytes.Contains(kept, []byte(`\u0000`))
}

// sameJSON compares values as Koji does, in Python: not by their spelling, and
// true is 1.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(pythonic(x), pythonic(y))
}

// pythonic makes numbers of booleans.
func pythonic(value any) any {
	switch v := value.(type) {
	case bool:
		if v {
			return 1.0
		}
		return 0.0
	case []any:
		for i := range v {
			v[i] = pythonic(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = pythonic(v[key])
		}
	}
	return value
}

// replaceExtra gives a key its new value, nil blocks it.
func (e *Edit) replaceExtra(ctx context.Context, tag tagview.Tag, key string, value *string) error {
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	if _, err := e.q.RevokeTagExtra(ctx, db.RevokeTagExtraParams{TagID: tag.ID, Key: key, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: edit extra %s of %s: %w", key, tag.Name, err)
	}
	if err := e.q.InsertTagExtra(ctx, db.InsertTagExtraParams{TagID: tag.ID, Key: key, Value: value, CreateEvent: event}); err != nil {
		return fmt.Errorf("tags: edit extra %s of %s: %w", key, tag.Name, err)
	}
	return nil
}

func (e *Edit) removeExtra(ctx context.Context, tag tagview.Tag, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	have, err := e.Read().Extra(ctx, tag.ID)
	if err != nil {
		return err
	}
	for _, key := range keys {
		// A blocked setting is none that could be removed (Koji's rule): who
		// wants to inherit it again sets it first.
		if have[key] == nil {
			return refuse(FaultGeneric, "tag %s has no extra setting %s of its own", tag.Name, key)
		}
		event, err := e.write(ctx, tag.ID)
		if err != nil {
			return err
		}
		if _, err := e.q.RevokeTagExtra(ctx, db.RevokeTagExtraParams{TagID: tag.ID, Key: key, RevokeEvent: &event}); err != nil {
			return fmt.Errorf("tags: remove extra %s of %s: %w", key, tag.Name, err)
		}
		delete(have, key)
	}
	return nil
}

func (e *Edit) blockExtra(ctx context.Context, tag tagview.Tag, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	have, err := e.Read().Extra(ctx, tag.ID)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if value, there := have[key]; there && value == nil {
			continue
		}
		if err := e.replaceExtra(ctx, tag, key, nil); err != nil {
			return err
		}
		have[key] = nil
	}
	return nil
}
