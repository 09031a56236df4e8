package builders

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/distbot/distbot/builders/diagnosis"
)

// finding is what is kept of a failure's finding, nil without one. The failure's
// own verdict counts: a remote host's finding may say anything.
func (a *Attempt) finding(failure Failure) json.RawMessage {
	if failure.Finding == nil {
		return nil
	}
	kept := *failure.Finding
	kept.Phase, kept.Infrastructure, kept.Reason = failure.Phase, failure.Infrastructure, failure.Reason
	text, err := json.Marshal(kept.Bounded())
	if err != nil {
		a.stages.Logger.Warn("builders: keep finding", "task", a.task.ID, "error", err)
		return nil
	}
	return text
}

// nearestTime bounds looking for what comes close to missing requirements.
const nearestTime = 5 * time.Second

// addNearest tells what comes close to requirements that nothing provides, and in
// which repositories it did not look. That it can't be told is no reason to say
// less.
func (a *Attempt) addNearest(ctx context.Context, failure *Failure) {
	if a.stages.Nearest == nil || failure.Finding == nil || failure.Finding.Kind != diagnosis.KindMissingRequires {
		return
	}
	var recipe recordedRecipe
	if err := json.Unmarshal(a.recipe, &recipe); err != nil {
		return // none was noted
	}
	found := failure.Finding.Bounded()
	told := found.Reason
	var dirs, names []string
	found.NotSearched = nil
	for _, repo := range recipe.Repos {
		location, err := url.Parse(repo.URL)
		if err == nil && location.Scheme == "file" {
			dirs, names = append(dirs, location.Path), append(names, repo.Name)
			continue
		}
		// The hub does not fetch from the network what only hosts need.
		found.NotSearched = append(found.NotSearched, repo.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, nearestTime)
	defer cancel()
	err := a.stages.Nearest.Use(ctx, a.task.RootArch, dirs, func(providers diagnosis.Providers) error {
		return found.AddNearest(ctx, providers)
	})
	if err != nil {
		found.NotSearched = append(names, found.NotSearched...)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		a.stages.Logger.Warn("builders: look for nearest providers", "task", a.task.ID, "error", err)
	}
	failure.Finding = &found
	if failure.Reason == told {
		failure.Reason = found.Reason
	}
}
