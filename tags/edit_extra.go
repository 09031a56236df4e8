package tags

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
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
// surrogate pair, nor absurd numbers.
func keptJSON(value json.RawMessage) (kept json.RawMessage, ok bool) {
	if len(value) > maxExtraValue {
		return nil, false
	}
	v, ok := decodeJSON(value)
	if !ok || unfit(v) {
		return nil, false
	}
	if !bytes.Contains(value, []byte(`\u`)) {
		var compact bytes.Buffer
		err := json.Compact(&compact, value)
		return compact.Bytes(), err == nil && utf8.Valid(compact.Bytes())
	}
	kept, err := json.Marshal(v)
	return kept, err == nil
}

// unfit reports whether a value has what the database does not take: a NUL in a
// text, or a number nobody could write out.
func unfit(value any) bool {
	switch v := value.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case json.Number:
		_, ok := exact(v)
		return !ok
	case []any:
		return slices.ContainsFunc(v, unfit)
	case map[string]any:
		for key, inner := range v {
			if strings.ContainsRune(key, 0) || unfit(inner) {
				return true
			}
		}
	}
	return false
}

// sameJSON compares values as Koji does, in Python: not by their spelling, and
// true is 1.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, okX := decodeJSON(a)
	y, okY := decodeJSON(b)
	return okX && okY && reflect.DeepEqual(pythonic(x), pythonic(y))
}

// decodeJSON decodes one value, its numbers as they are written.
func decodeJSON(text json.RawMessage) (value any, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return value, err == nil && !decoder.More()
}

// pythonic makes numbers of booleans, and of numbers their exact values.
func pythonic(value any) any {
	switch v := value.(type) {
	case bool:
		if v {
			return "number 1"
		}
		return "number 0"
	case json.Number:
		if n, ok := exact(v); ok {
			return "number " + n
		}
	case string:
		return "text " + v
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

// maxExponent bounds the numbers that are written out.
const maxExponent = 1000

// exact is a number's value without regard to how it is written; ok is false for
// absurd ones, which are then compared as they are written.
func exact(n json.Number) (value string, ok bool) {
	if _, exponent, found := strings.Cut(strings.ToLower(n.String()), "e"); found {
		if e, err := strconv.Atoi(exponent); err != nil || e > maxExponent || e < -maxExponent {
			return "", false
		}
	}
	rational, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return "", false
	}
	return rational.RatString(), true
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
