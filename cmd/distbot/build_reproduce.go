package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/reproduce"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/tags"
)

func buildReproduceCommands() []command {
	return []command{
		{
			name: "build rebuild", args: "ID|NVR --same-buildroot [--arch ARCHES] [--nowait]", run: withHub(readRebuild, buildRebuild),
			help: "build again in the recorded buildroots and say whether the packages are bit-identical",
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				asFlag(flags)
				flags.Bool("same-buildroot", false, "in buildroots of exactly the recorded packages; needed")
				flags.String("arch", "", "only for these `architectures`, separated by commas")
				flags.Bool("nowait", false, "ask for it and end at once; build show tells what came of it")
			},
		},
		{
			name: "build diff-buildroots", args: "A B [--arch ARCH]", run: withHub(readRootPair, diffBuildroots),
			help: "compare the packages of two buildroots; A and B are builds (ID or NVR) or tasks (task:ID)",
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("arch", "", "only those for this `architecture`")
			},
		},
	}
}

// rebuildRequest is which build is made again, and of it what.
type rebuildRequest struct {
	build  string
	arches []string
	as     string
	nowait bool
}

func readRebuild(flags *flag.FlagSet) (rebuildRequest, error) {
	build, err := readBuild(flags)
	if err == nil && !isSet(flags, "same-buildroot") {
		err = usage("--same-buildroot is missing: build submit builds a package in a new buildroot")
	}
	return rebuildRequest{build: build, arches: strings.Fields(archList(value(flags, "arch"))), as: value(flags, "as"), nowait: isSet(flags, "nowait")}, err
}

func buildRebuild(ctx context.Context, h *hub, r rebuildRequest) error {
	q := db.New(h.pool)
	if _, err := tags.ReadUser(ctx, h.pool, r.as); err != nil {
		return inUsersWords(err, r.as)
	}
	b, err := findBuild(ctx, q, r.build)
	if err != nil {
		return err
	}
	if b.State != queue.BuildComplete {
		return fmt.Errorf("build %d is %s: only a COMPLETE one has packages to compare with", b.ID, b.State)
	}
	alive, err := q.HubAlive(ctx)
	if err != nil {
		return err
	}
	if !alive && !r.nowait {
		return fmt.Errorf("%w; --nowait keeps it for the next one", errNoHub)
	}
	var id int64
	err = pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) (err error) {
		id, err = db.New(tx).InsertRebuild(ctx, db.InsertRebuildParams{OriginalID: b.ID, Arches: append([]string{}, r.arches...), Owner: r.as})
		if err != nil {
			return err
		}
		_, err = queue.Insert(ctx, tx, h.client, queue.RebuildArgs{RebuildID: id})
		return err
	})
	if err != nil {
		return err
	}
	if r.nowait && h.json {
		row, err := q.GetRebuild(ctx, id)
		if err != nil {
			return err
		}
		view, err := viewRebuild(row)
		if err != nil {
			return err
		}
		return writeJSON(h.stdout, view)
	}
	if r.nowait {
		_, err = fmt.Fprintf(h.stdout, "rebuild %d of build %d: distbot build show %d tells what comes of it\n", id, b.ID, b.ID)
		return err
	}
	return h.watchRebuild(ctx, id, nvrOf(b.Nvr, b.PlannedNvr))
}

// rebuildView is a rebuild for people and programs.
type rebuildView struct {
	ID       int64             `json:"id"`
	Original int64             `json:"original"`
	Arches   []string          `json:"arches"`
	Owner    string            `json:"owner"`
	Build    *int64            `json:"build"`
	State    string            `json:"state"`
	Verdict  string            `json:"verdict"`
	Reason   string            `json:"reason"`
	Result   *reproduce.Result `json:"result"`
	Created  time.Time         `json:"created_at"`
	Finished *time.Time        `json:"finished_at"`
}

func viewRebuild(r db.Rebuild) (rebuildView, error) {
	view := rebuildView{
		ID: r.ID, Original: r.OriginalID, Arches: r.Arches, Owner: r.Owner, Build: r.BuildID, State: r.State, Verdict: r.Verdict, Reason: r.Reason,
		Created: r.CreatedAt, Finished: r.FinishedAt,
	}
	if r.Result == nil {
		return view, nil
	}
	view.Result = &reproduce.Result{}
	if err := json.Unmarshal(r.Result, view.Result); err != nil {
		return view, fmt.Errorf("read the result of rebuild %d: %w", r.ID, err)
	}
	return view, nil
}

// watchRebuild follows a rebuild and tells what came of it. It returns errFailed
// unless all packages are bit-identical.
func (h *hub) watchRebuild(ctx context.Context, id int64, nvr string) error {
	q := db.New(h.pool)
	p := &progress{h: h, told: map[int64]string{}, waits: map[int64]string{}, builds: map[int64]bool{}}
	var view rebuildView
	err := h.watch(ctx, queue.RebuildChannel, func(ctx context.Context) (over bool, err error) {
		row, err := q.GetRebuild(ctx, id)
		if err != nil {
			return false, err
		}
		if view, err = viewRebuild(row); err != nil {
			return false, err
		}
		if view.Build != nil {
			err = p.tell(ctx, *view.Build, nvr, "")
		}
		return view.Finished != nil, err
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("rebuild %d goes on: distbot build show %d tells what comes of it", id, view.Original)
	}
	if err != nil {
		return err
	}
	if h.json {
		err = writeJSON(h.stdout, view)
	} else {
		printRebuild(h, nvr, view)
	}
	if err == nil && view.Verdict != "identical" {
		err = errFailed
	}
	return err
}

func printRebuild(h *hub, nvr string, view rebuildView) {
	nvr = tasklog.Printable(nvr)
	switch view.Verdict {
	case "identical":
		fmt.Fprintf(h.stdout, "%s is reproducible: %s\n", nvr, view.Reason)
	case "different":
		fmt.Fprintf(h.stdout, "%s is not reproducible: %s\n", nvr, view.Reason)
	default:
		fmt.Fprintf(h.stdout, "%s could not be built again: %s\n", nvr, tasklog.Printable(view.Reason))
	}
	if view.Result != nil {
		view.Result.Print(h.stdout)
	}
}

// rootPair is which buildroots are compared.
type rootPair struct {
	a, b string
	arch string
}

func readRootPair(flags *flag.FlagSet) (rootPair, error) {
	names, err := operands(flags, 2, 2, "two builds or tasks")
	if err != nil {
		return rootPair{}, err
	}
	return rootPair{a: names[0], b: names[1], arch: value(flags, "arch")}, nil
}

// rootsOf reads the buildroots of a build, or the one of a task.
func (h *hub) rootsOf(ctx context.Context, name, arch string) (roots []builders.Root, err error) {
	if text, ok := strings.CutPrefix(name, "task:"); ok {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, usage("%q is no id of a task", text)
		}
		root, err := builders.ReadTaskRoot(ctx, h.pool, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("task %d has no recorded buildroot", id)
		}
		return []builders.Root{root}, err
	}
	b, err := findBuild(ctx, db.New(h.pool), name)
	if err != nil {
		return nil, err
	}
	if roots, err = builders.ReadRoots(ctx, h.pool, b.ID); err != nil {
		return nil, err
	}
	var arches []string
	for _, root := range roots {
		arches = append(arches, root.Arch)
	}
	if arch != "" {
		roots = slices.DeleteFunc(roots, func(root builders.Root) bool { return root.Arch != arch })
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("build %d has no such recorded buildroot: it has %s", b.ID, orNone(arches))
	}
	return roots, nil
}

// rootDiffView is how the buildroots of two tasks differ.
type rootDiffView struct {
	Arch  string `json:"arch"`
	TaskA int64  `json:"task_a"`
	TaskB int64  `json:"task_b"`
	reproduce.RootDifference
}

func diffBuildroots(ctx context.Context, h *hub, pair rootPair) error {
	a, err := h.rootsOf(ctx, pair.a, pair.arch)
	if err != nil {
		return err
	}
	b, err := h.rootsOf(ctx, pair.b, pair.arch)
	if err != nil {
		return err
	}
	views := []rootDiffView{}
	for _, before := range a {
		for _, after := range b {
			// One of each is compared whatever their architectures.
			if before.Arch == after.Arch || len(a) == 1 && len(b) == 1 {
				views = append(views, rootDiffView{before.Arch, before.TaskID, after.TaskID, reproduce.Roots(before.Packages, after.Packages)})
			}
		}
	}
	if len(views) == 0 {
		return fmt.Errorf("%s and %s have no buildroots for the same architecture", pair.a, pair.b)
	}
	return h.printRootDiffs(views)
}

// printRootDiffs prints what differs. It returns errFailed when anything does.
func (h *hub) printRootDiffs(views []rootDiffView) error {
	same := true
	var table [][]string
	for _, v := range views {
		same = same && v.Empty()
		for _, p := range v.Added {
			table = append(table, []string{v.Arch, "added", p.NEVRA, "-", "-"})
		}
		for _, p := range v.Removed {
			table = append(table, []string{v.Arch, "removed", p.NEVRA, "-", "-"})
		}
		for _, c := range v.Changed {
			after := c.After
			if c.After == c.Before {
				after += " (built anew)"
			}
			table = append(table, []string{v.Arch, "changed", c.Name + "." + c.Arch, c.Before, after})
		}
	}
	var err error
	switch {
	case h.json:
		err = writeJSON(h.stdout, views)
	case same:
		_, err = fmt.Fprintln(h.stdout, "the buildroots held the same packages")
	default:
		err = writeTable(h.stdout, []string{"BUILDROOT", "CHANGE", "PACKAGE", "BEFORE", "AFTER"}, table)
	}
	if err == nil && !same {
		err = errFailed
	}
	return err
}
