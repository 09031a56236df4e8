package tags

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// settle writes down what a tag's settings and those it inherits amount to, for
// all who need no more of tags than that.
func (e *Edit) settle(ctx context.Context, tagID int64) error {
	tag, ok, err := e.Read().TagByID(ctx, tagID)
	if err != nil || !ok {
		return err
	}
	config, err := e.Read().Config(ctx, tag)
	if err != nil {
		return err
	}
	extra, err := json.Marshal(config.Extra)
	if err != nil {
		return fmt.Errorf("tags: write settings of %s: %w", tag.Name, err)
	}
	if err := e.q.SetEffectiveConfig(ctx, db.SetEffectiveConfigParams{ID: tagID, Arches: rpmArches(config), Extra: extra}); err != nil {
		return fmt.Errorf("tags: write settings of %s: %w", tag.Name, err)
	}
	return nil
}

// rpmArches are the architectures a tag is built for, each once; noarch and src packages go
// into the repositories of all.
func rpmArches(config tagview.Config) []string {
	arches := []string{}
	if config.Arches == nil {
		return arches
	}
	for _, arch := range strings.Fields(*config.Arches) {
		if arch != "noarch" && arch != "src" && !slices.Contains(arches, arch) {
			arches = append(arches, arch)
		}
	}
	return arches
}
