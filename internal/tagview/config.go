package tagview

import (
	"context"
	"encoding/json"
	"fmt"
)

// Config is what the settings of a tag and of those it inherits from amount to
// (Koji's getBuildConfig). Locks and permissions are never inherited.
type Config struct {
	Tag
	// Arches is nil when no tag of the chain has any.
	Arches *string `json:"arches"`
	// ArchesFrom is the tag the arches come from, nil when they are its own.
	ArchesFrom *string                    `json:"arches_from"`
	Extra      map[string]json.RawMessage `json:"extra"`
	// ExtraFrom names the tag of each inherited setting, blocked ones too.
	ExtraFrom map[string]string `json:"extra_from"`
}

// Extra returns a tag's own extra settings; those whose value is nil are
// blocked.
func (r Reader) Extra(ctx context.Context, tagID int64) (map[string]json.RawMessage, error) {
	byTag, err := r.extras(ctx, []int64{tagID})
	if err != nil {
		return nil, err
	}
	if byTag[tagID] == nil {
		return map[string]json.RawMessage{}, nil
	}
	return byTag[tagID], nil
}

func (r Reader) extras(ctx context.Context, tagIDs []int64) (map[int64]map[string]json.RawMessage, error) {
	type row struct {
		Tag   int64
		Key   string
		Value *string
	}
	list, err := query[row](ctx, r, "select x.tag_id, x.key, x.value from tag_extra x where "+r.At.valid("x")+" and x.tag_id = any ($1)", tagIDs)
	if err != nil {
		return nil, fmt.Errorf("tagview: read extra settings: %w", err)
	}
	byTag := map[int64]map[string]json.RawMessage{}
	for _, e := range list {
		if byTag[e.Tag] == nil {
			byTag[e.Tag] = map[string]json.RawMessage{}
		}
		byTag[e.Tag][e.Key] = nil
		if e.Value != nil {
			byTag[e.Tag][e.Key] = json.RawMessage(*e.Value)
		}
	}
	return byTag, nil
}

// Config returns the effective settings of a tag. A link that is noconfig is
// skipped by itself: what lies behind it counts, unless its links are so, too.
func (r Reader) Config(ctx context.Context, tag Tag) (Config, error) {
	steps, err := r.Inheritance(ctx, tag.ID)
	if err != nil {
		return Config{}, err
	}
	ids := distinct(chain(tag.ID, steps))
	type arches struct {
		Tag    int64
		Arches *string
	}
	list, err := query[arches](ctx, r, "select c.tag_id, c.arches from tag_config c where "+r.At.valid("c")+" and c.tag_id = any ($1)", ids)
	if err != nil {
		return Config{}, fmt.Errorf("tagview: read settings of %s: %w", tag.Name, err)
	}
	archesOf := map[int64]*string{}
	for _, a := range list {
		archesOf[a.Tag] = a.Arches
	}
	extras, err := r.extras(ctx, ids)
	if err != nil {
		return Config{}, err
	}
	config := Config{Tag: tag, Arches: tag.Arches, Extra: map[string]json.RawMessage{}, ExtraFrom: map[string]string{}}
	seen := map[string]bool{}
	config.take(extras[tag.ID], "", seen)
	for _, step := range steps {
		if step.NoConfig {
			continue
		}
		if a := archesOf[step.ParentID]; config.Arches == nil && a != nil {
			config.Arches, config.ArchesFrom = a, &step.Parent
		}
		config.take(extras[step.ParentID], step.Parent, seen)
	}
	return config, nil
}

// take adds the settings that no nearer tag has. A blocked one hides those
// further away and has no value itself.
func (c *Config) take(extra map[string]json.RawMessage, from string, seen map[string]bool) {
	for key, value := range extra {
		if seen[key] {
			continue
		}
		seen[key] = true
		if value != nil {
			c.Extra[key] = value
		}
		if from != "" {
			c.ExtraFrom[key] = from
		}
	}
}
