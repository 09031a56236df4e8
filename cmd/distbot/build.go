package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

func buildCommands() []command {
	return slices.Concat([]command{
		buildSubmitCommand(),
		{
			name: "build list", args: "[--package NAME] [--state STATE] [--target NAME] [--limit N]", help: "list builds, newest first", run: withHub(readBuildList, buildList),
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("package", "", "only of this `package`")
				flags.String("state", "", "only in this `state`: "+strings.Join(buildStates(), ", "))
				flags.String("target", "", "only for this `target`")
				flags.Int("limit", 30, "at most `N`")
			},
		},
		{name: "build show", args: "ID|NVR", help: "show a build: its tasks, packages and statuses", flags: jsonFlag, run: withHub(readBuild, buildShow)},
		{
			name: "build log", args: "ID|NVR [--task ID] [--name FILE]", help: "print a build's log: of the task that failed, else of the last; with --json say which there are and where", run: withHub(readLogChoice, buildLog),
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.Int64("task", 0, "the log of this `task`")
				flags.String("name", "", "only this `file`: checkout.log, root.log or build.log")
			},
		},
		{name: "build cancel", args: "ID", help: "end a running build", flags: changeFlags, run: withHub(readID("build"), buildCancel)},
		buildRetryCommand(),
	}, buildChainCommands(), buildReproduceCommands())
}

func buildStates() []string {
	return []string{queue.BuildBuilding, queue.BuildComplete, queue.BuildDeleted, queue.BuildFailed, queue.BuildCanceled}
}

// buildView is a build for people and programs.
type buildView struct {
	ID         int64      `json:"id"`
	NVR        string     `json:"nvr"`
	Package    string     `json:"package"`
	Target     string     `json:"target"`
	State      string     `json:"state"`
	Reason     string     `json:"reason"`
	Scratch    bool       `json:"scratch"`
	Repository string     `json:"repository"`
	Ref        string     `json:"ref"`
	Commit     string     `json:"commit"`
	Created    time.Time  `json:"created_at"`
	Finished   *time.Time `json:"finished_at"`
	Published  *time.Time `json:"published_at"`
	Tasks      []taskView `json:"tasks,omitempty"`
	// Saw are the generations of the build tag that buildroots were made of, by
	// task.
	Saw      []seenView   `json:"saw,omitempty"`
	RPMs     []string     `json:"rpms,omitempty"`
	Statuses []statusView `json:"statuses,omitempty"`
	// Skipped are architectures of the build tag that nothing is built for.
	Skipped  []queue.SkippedArch `json:"skipped_arches,omitempty"`
	Warnings []string            `json:"warnings,omitempty"`
	// Rebuilds in the same buildroots, the newest first.
	Rebuilds []rebuildView `json:"rebuilds,omitempty"`
}

// seenView is the generation of a repository that a task's buildroot was made
// of. Until is the event after which the tag was another, 0 while none is.
type seenView struct {
	Task       int64  `json:"task"`
	Tag        string `json:"tag"`
	Generation int64  `json:"generation"`
	Event      int64  `json:"event"`
	Until      int64  `json:"until_event"`
	RollbackOf int64  `json:"rollback_of"`
	// Actor went back to it, and why; empty without.
	Actor  string `json:"actor,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Published is when the generation was.
	Published *time.Time `json:"published_at"`
}

// String says which generation it is, and which events of the tag it shows.
func (s seenView) String() string {
	text := fmt.Sprintf("%s generation %d", s.Tag, s.Generation)
	switch {
	case s.RollbackOf != 0:
		text += ", " + queue.WentBack(s.RollbackOf, s.Actor, s.Reason, s.Published)
	case s.Event != 0 && s.Until != 0:
		text += fmt.Sprintf(", events %d to %d", s.Event, s.Until-1)
	case s.Event != 0:
		text += fmt.Sprintf(", event %d and later", s.Event)
	}
	return text
}

type statusView struct {
	Context     string `json:"context"`
	State       string `json:"state"`
	Description string `json:"description"`
	Sent        bool   `json:"sent"`
	Error       string `json:"error,omitempty"`
}

func readBuildList(flags *flag.FlagSet) (db.ListBuildsParams, error) {
	n, err := limit(flags)
	if err != nil {
		return db.ListBuildsParams{}, err
	}
	state, err := stateOf(flags, buildStates())
	return db.ListBuildsParams{Package: optional(flags, "package"), State: state, Target: optional(flags, "target"), MaxRows: n}, err
}

func buildList(ctx context.Context, h *hub, asked db.ListBuildsParams) error {
	rows, err := db.New(h.pool).ListBuilds(ctx, asked)
	if err == nil && len(rows) == 0 {
		err = errors.Join(h.knowsPackage(ctx, asked.Package), h.knowsTarget(ctx, asked.Target))
	}
	if err != nil {
		return err
	}
	views := []buildView{}
	var table [][]string
	for _, b := range rows {
		views = append(views, buildView{
			ID: b.ID, NVR: nvrOf(b.Nvr, b.PlannedNvr), Package: b.Package, Target: b.Target, State: b.State, Reason: b.Reason,
			Scratch: b.Scratch, Repository: b.FullName, Ref: b.Ref, Commit: b.CommitID, Created: b.CreatedAt, Finished: b.FinishedAt, Published: b.PublishedAt,
		})
		table = append(table, []string{strconv.FormatInt(b.ID, 10), dash(nvrOf(b.Nvr, b.PlannedNvr)) + scratchMark(b.Scratch), b.Target, b.State, when(b.CreatedAt), b.CommitID[:min(10, len(b.CommitID))], cut(b.Reason, 70)})
	}
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"ID", "NVR", "TARGET", "STATE", "CREATED", "COMMIT", "REASON"}, table)
}

// knowsPackage returns an error for a package that nothing was ever built of.
func (h *hub) knowsPackage(ctx context.Context, name *string) error {
	if name == nil {
		return nil
	}
	rows, err := db.New(h.pool).ListBuilds(ctx, db.ListBuildsParams{Package: name, MaxRows: 1})
	if err != nil || len(rows) > 0 {
		return err
	}
	return fmt.Errorf("there is no package %s: nothing was built of it yet", *name)
}

// knowsTarget returns an error for a target that neither is nor had builds
// before it was removed.
func (h *hub) knowsTarget(ctx context.Context, name *string) error {
	if name == nil {
		return nil
	}
	q := db.New(h.pool)
	names, err := q.TargetNames(ctx)
	if err != nil || slices.Contains(names, *name) {
		return err
	}
	rows, err := q.ListBuilds(ctx, db.ListBuildsParams{Target: name, MaxRows: 1})
	if err != nil || len(rows) > 0 {
		return err
	}
	return fmt.Errorf("there is no target %s: there are %s", *name, orNone(names))
}

// readBuild reads the one argument, which is the id or the NVR of a build.
func readBuild(flags *flag.FlagSet) (string, error) {
	if flags.NArg() != 1 {
		return "", usage("expected the id or the NVR of one build")
	}
	return flags.Arg(0), nil
}

// findBuild finds a build by its id or NVR.
func findBuild(ctx context.Context, q *db.Queries, name string) (db.GetBuildRow, error) {
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		nvr := name
		found, err := q.NewestBuildByNVR(ctx, &nvr)
		if errors.Is(err, pgx.ErrNoRows) {
			return db.GetBuildRow{}, fmt.Errorf("there is no build %s", nvr)
		}
		if err != nil {
			return db.GetBuildRow{}, err
		}
		id = found
	}
	build, err := q.GetBuild(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.GetBuildRow{}, noBuild(id)
	}
	return build, err
}

// viewBuild reads all that build show shows.
func viewBuild(ctx context.Context, q *db.Queries, b db.GetBuildRow) (buildView, error) {
	view := buildView{
		ID: b.ID, NVR: nvrOf(b.Nvr, b.PlannedNvr), Package: b.Package, Target: b.Target, State: b.State, Reason: b.Reason,
		Scratch: b.Scratch, Repository: b.FullName, Ref: b.Ref, Commit: b.CommitID, Created: b.CreatedAt, Finished: b.FinishedAt, Published: b.PublishedAt,
	}
	tasks, err := q.TasksOfBuild(ctx, b.ID)
	if err != nil {
		return view, err
	}
	if view.Tasks, err = viewTasks(ctx, q, tasks); err != nil {
		return view, err
	}
	seen, err := q.GenerationsOfBuild(ctx, b.ID)
	if err != nil {
		return view, err
	}
	for _, s := range seen {
		view.Saw = append(view.Saw, seenView{Task: s.TaskID, Tag: s.Tag, Generation: s.Number, Event: s.Event, Until: s.UntilEvent, RollbackOf: s.RollbackOf, Actor: s.Actor, Reason: s.Reason, Published: s.PublishedAt})
	}
	skipped, err := q.SkippedArches(ctx, b.ID)
	if err != nil {
		return view, err
	}
	for _, s := range skipped {
		view.Skipped = append(view.Skipped, queue.SkippedArch(s))
	}
	if view.Warnings, err = q.WarningsOfBuild(ctx, b.ID); err != nil {
		return view, err
	}
	rpms, err := q.RPMsOfBuild(ctx, b.ID)
	if err != nil {
		return view, err
	}
	for _, rpm := range rpms {
		view.RPMs = append(view.RPMs, path.Base(rpm.Path))
	}
	reports, err := q.ReportsOfCommit(ctx, db.ReportsOfCommitParams{RepositoryID: b.RepositoryID, CommitID: b.CommitID})
	if err != nil {
		return view, err
	}
	for _, r := range reports {
		view.Statuses = append(view.Statuses, statusView{Context: r.Context, State: r.State, Description: r.Description, Sent: r.SentSeq >= r.Seq, Error: r.LastError})
	}
	rebuilds, err := q.RebuildsOfBuild(ctx, db.RebuildsOfBuildParams{OriginalID: b.ID, MaxRows: 20})
	if err != nil {
		return view, err
	}
	for _, row := range rebuilds {
		rebuild, err := viewRebuild(row)
		if err != nil {
			return view, err
		}
		view.Rebuilds = append(view.Rebuilds, rebuild)
	}
	return view, nil
}

func buildShow(ctx context.Context, h *hub, name string) error {
	q := db.New(h.pool)
	b, err := findBuild(ctx, q, name)
	if err != nil {
		return err
	}
	view, err := viewBuild(ctx, q, b)
	if err != nil {
		return err
	}
	if h.json {
		return writeJSON(h.stdout, view)
	}
	printBuild(h.stdout, h.config, view)
	return nil
}

func printBuild(w io.Writer, config Config, view buildView) {
	fmt.Fprintf(w, "build %d: %s for %s%s is %s\n", view.ID, tasklog.Printable(dash(view.NVR)), view.Target, scratchMark(view.Scratch), view.State)
	if view.Reason != "" {
		fmt.Fprintf(w, "  %s\n", tasklog.Printable(view.Reason))
	}
	fmt.Fprintf(w, "  %s %s %s\n  %s\n", tasklog.Printable(view.Repository), tasklog.Printable(view.Ref), view.Commit, queue.BuildURL(config.ExternalURL, view.ID))
	for _, warning := range view.Warnings {
		fmt.Fprintf(w, "  warning: %s\n", tasklog.Printable(warning))
	}
	fmt.Fprintln(w, "\ntasks:")
	for _, task := range view.Tasks {
		indent := "  "
		if task.Method != queue.MethodBuild {
			indent = "    "
		}
		line := fmt.Sprintf("%s%-6d %-10s %-9s %s", indent, task.ID, task.Method, task.State, strings.Join(strings.Fields(task.Arch+" "+task.Phase), " "))
		line = strings.TrimRight(line, " ") + suffix(" on ", task.Host)
		if task.Policy != queue.PolicyBlocking {
			line += " (" + task.Policy + ")"
		}
		fmt.Fprintln(w, line+suffix(": ", task.Reason))
		if task.Waits != "" {
			fmt.Fprintf(w, "%s  waits: %s\n", indent, tasklog.Printable(task.Waits))
		}
		for _, seen := range view.Saw {
			if seen.Task == task.ID {
				fmt.Fprintf(w, "%s  built with %s\n", indent, tasklog.Printable(seen.String()))
			}
		}
		printFinding(w, indent+"  ", task.Finding)
	}
	for _, s := range view.Skipped {
		fmt.Fprintf(w, "    not built for %s: %s\n", tasklog.Printable(s.Arch), tasklog.Printable(s.Reason))
	}
	if len(view.Statuses) > 0 {
		fmt.Fprintln(w, "\nstatuses of the commit:")
	}
	for _, s := range view.Statuses {
		note := ""
		if !s.Sent {
			note = " (not sent yet" + suffix(": ", s.Error) + ")"
		}
		fmt.Fprintf(w, "  %-28s %-8s %s%s\n", s.Context, s.State, tasklog.Printable(s.Description), note)
	}
	if len(view.RPMs) > 0 {
		fmt.Fprintln(w, "\npackages:")
	}
	for _, rpm := range view.RPMs {
		fmt.Fprintf(w, "  %s\n", rpm)
	}
	if len(view.Rebuilds) > 0 {
		fmt.Fprintln(w, "\nmade again in the same buildroots:")
	}
	for _, r := range view.Rebuilds {
		fmt.Fprintf(w, "  %s: %s%s\n", when(r.Created), cmp.Or(r.Verdict, r.State), suffix(": ", r.Reason))
	}
}

// scratchMark marks what was only built to be looked at.
func scratchMark(scratch bool) string {
	if scratch {
		return " (scratch)"
	}
	return ""
}

func suffix(before, text string) string {
	if text == "" {
		return ""
	}
	return before + tasklog.Printable(text)
}

func buildCancel(ctx context.Context, h *hub, id int64) error {
	q := db.New(h.pool)
	owner, err := q.OwnerOfBuild(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return noBuild(id)
	}
	if err != nil {
		return err
	}
	user, err := h.actAsOwner(ctx, fmt.Sprintf("build %d", id), owner)
	if err != nil {
		return err
	}
	if err := queue.CancelBuild(ctx, h.pool, h.client, h.config.ExternalURL, id, canceledBy(user)); err != nil {
		return notForBuild(id, "a running build can be canceled", err)
	}
	build, err := q.GetBuild(ctx, id)
	if err != nil {
		return err
	}
	if h.json {
		return writeJSON(h.stdout, buildStateView{ID: id, State: build.State})
	}
	if build.State != queue.BuildCanceled {
		_, err = fmt.Fprintf(h.stdout, "build %d stays %s: what lagged was ended\n", id, build.State)
		return err
	}
	_, err = fmt.Fprintf(h.stdout, "build %d is canceled\n", id)
	return err
}

// buildStateView is what became of a build, for programs.
type buildStateView struct {
	ID    int64  `json:"id"`
	State string `json:"state"`
}
