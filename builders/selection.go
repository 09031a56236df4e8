package builders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
)

// chooseArches chooses what to build of a source package: by its header, by the
// build tag and by the package's entry in the destination tag. A package that
// can't be built for any comes back with the refusal in words and no error.
func chooseArches(ctx context.Context, conn db.DBTX, build db.GetBuildRow, pkg *rpmfile.Package) (s Selection, refusal string, err error) {
	choice := ArchChoice{Tag: build.BuildTagArches, Header: ArchTags{
		BuildArch: pkg.BuildArchs, ExclusiveArch: pkg.ExclusiveArch, ExcludeArch: pkg.ExcludeArch,
	}}
	entries, err := tagview.Reader{Conn: conn}.Packages(ctx, build.DestTag, tagview.PackageQuery{Inherit: true, PackageID: build.PackageID})
	if err != nil {
		return Selection{}, "", fmt.Errorf("builders: package list of %s: %w", build.DestTagName, err)
	}
	if len(entries) > 0 && entries[0].ExtraArches != nil {
		choice.Extra = strings.Fields(*entries[0].ExtraArches)
	}
	if choice.Noarch, err = noarchArches(build.BuildTagExtra); err != nil {
		return Selection{}, fmt.Sprintf("tag %s: %v", build.BuildTagName, err), nil
	}
	if build.Scratch {
		choice.Override = build.ArchOverride
	}
	s, err = SelectArches(choice)
	return s, archRefusal(err, choice, build.BuildTagName), nil
}

// noarchArches reads where a tag's settings allow noarch packages to be made.
func noarchArches(extra json.RawMessage) ([]string, error) {
	var settings struct {
		Noarch string `json:"noarch_arches"`
	}
	if err := json.Unmarshal(extra, &settings); err != nil {
		return nil, errors.New("its setting noarch_arches must be a text that lists arches")
	}
	return strings.Fields(settings.Noarch), nil
}

// archRefusal is Koji's text for an error of SelectArches, and which names did
// not match.
func archRefusal(err error, c ArchChoice, tag string) string {
	var koji string
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrNoArches):
		koji = "No matching arches were found"
	case errors.Is(err, ErrNoRoot):
		koji = "No valid arches were found"
	default:
		return strings.TrimPrefix(err.Error(), "builders: ")
	}
	text := fmt.Sprintf("%s: the package is for %s, the tag %s has %s", koji, c.Header, tag, strings.Join(c.Tag, " "))
	if len(c.Noarch) > 0 {
		text += ", and makes noarch packages on " + archList(c.Noarch)
	}
	return queue.OneLine(text)
}

// String says in words which architectures a source package is for.
func (t ArchTags) String() string {
	var parts []string
	for _, tag := range []struct {
		name string
		list []string
	}{{"BuildArch", t.BuildArch}, {"ExclusiveArch", t.ExclusiveArch}, {"ExcludeArch", t.ExcludeArch}} {
		if len(tag.list) > 0 {
			parts = append(parts, tag.name+" "+archList(tag.list))
		}
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

// policies are what a target says of architectures.
type policies struct {
	lagging, bestEffort []string
	noarchContent       string
}

// policiesOf reads what a target says now. One that was removed meanwhile says
// nothing.
func policiesOf(ctx context.Context, conn db.DBTX, target string) (policies, error) {
	row, err := db.New(conn).PolicyOfTarget(ctx, target)
	if errors.Is(err, pgx.ErrNoRows) {
		return policies{noarchContent: noarchWarn}, nil
	}
	if err != nil {
		return policies{}, fmt.Errorf("builders: read target %s: %w", target, err)
	}
	return policies{row.Lagging, row.BestEffort, row.NoarchContent}, nil
}

// of is the policy of an arch task. Noarch packages are everybody's: they are
// blocking wherever they are made. Variants of an architecture have its policy,
// unless they have their own.
func (p policies) of(a string) string {
	if a == noarch {
		return queue.PolicyBlocking
	}
	named := func(is func(string) bool) string {
		switch {
		case slices.ContainsFunc(p.lagging, is):
			return queue.PolicyLagging
		case slices.ContainsFunc(p.bestEffort, is):
			return queue.PolicyBestEffort
		}
		return ""
	}
	if policy := named(func(name string) bool { return name == a }); policy != "" {
		return policy
	}
	if policy := named(func(name string) bool { return arch.Canonical(name) == arch.Canonical(a) }); policy != "" {
		return policy
	}
	return queue.PolicyBlocking
}

// startArches adds the arch tasks of a build, and says of every architecture of
// the tag what becomes of it. Those that are skipped have a status as well,
// which is success: one that is required of every commit would otherwise wait
// for ever where a package is not for the architecture.
func (a *Attempt) startArches(ctx context.Context, tx pgx.Tx, made queue.Status, nvr string, s Selection) error {
	policies, err := policiesOf(ctx, tx, a.build.Target)
	if err != nil {
		return err
	}
	if err := db.New(tx).SetNoarchContent(ctx, db.SetNoarchContentParams{ID: a.build.ID, NoarchContent: policies.noarchContent}); err != nil {
		return err
	}
	if err := queue.SkipArches(ctx, tx, a.build.ID, s.Skipped); err != nil {
		return err
	}
	statuses := []queue.Status{made, a.status("", "pending", "building "+nvr)}
	tasks := make([]queue.NewArch, len(s.Tasks))
	for i, task := range s.Tasks {
		policy := policies.of(task.Arch)
		tasks[i] = queue.NewArch{Arch: task.Arch, RootArches: task.RootArches, Label: nvr + "." + task.Arch, Policy: policy}
		waiting := a.status(task.Arch, "pending", "waiting for a builder")
		waiting.Finer = queue.FinerQueued
		statuses = append(statuses, queue.ArchStatus(policy, waiting))
	}
	for _, skipped := range s.Skipped {
		status := a.status(skipped.Arch, "success", "skipped: "+skipped.Reason)
		status.Finer = queue.FinerSkipped
		statuses = append(statuses, status)
	}
	return queue.AddArches(ctx, tx, a.stages.Jobs, a.build.ID, *a.task.ParentID, tasks, statuses)
}

// guessNote says where the static reader's guess, which builds are planned by,
// is not what the source package is; empty where it is, or where nothing was
// guessed.
func guessNote(planned string, pkg *rpmfile.Package) string {
	if planned == "" || planned == pkg.NVR() {
		return ""
	}
	return fmt.Sprintf("the spec was read as %s without running it, the source package is %s", planned, pkg.NVR())
}

// noteGuess writes guessNote to the task's log and ours.
func (a *Attempt) noteGuess(pkg *rpmfile.Package) {
	note := guessNote(a.build.PlannedNvr, pkg)
	if note == "" {
		return
	}
	a.stages.Logger.Info("builders: planned under another name", "build", a.build.ID, "planned", a.build.PlannedNvr, "nvr", pkg.NVR())
	log, err := os.OpenFile(filepath.Join(a.stages.Logs.Dir(a.task.ID, a.task.Attempt), "checkout.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(log, note)
		err = errors.Join(err, log.Close())
	}
	if err != nil {
		a.stages.Logger.Warn("builders: note the plan's guess", "task", a.task.ID, "error", err)
	}
}
