package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/tags"
)

func planCommands() []command {
	return []command{
		{
			name: "plan", help: "say what distbot apply would change", run: withHub(readDistroRequest, plan),
			flags: func(flags *flag.FlagSet) {
				distroFlags(flags)
				flags.Bool("check", false, "exit with 1 and say so when there is something to change; mistakes exit with 1, too")
			},
		},
		{
			name: "apply", help: "make the tags, packages and targets what distro.yaml says", run: withHub(readDistroRequest, apply),
			flags: func(flags *flag.FlagSet) {
				distroFlags(flags)
				asFlag(flags)
			},
		},
	}
}

// tagExportCommand belongs to the group tag.
func tagExportCommand() command {
	return command{
		name: "tag export", help: "write a distro.yaml that says what there is; with --json as a text of it", run: tagExport, flags: readFlags,
	}
}

func distroFlags(flags *flag.FlagSet) {
	jsonFlag(flags)
	flags.String("file", "", "the distribution `file` (default: the one distbot.yaml names)")
	flags.Bool("prune", false, "remove tags that the file does not have")
}

// distroRequest is which file is meant, and what of it.
type distroRequest struct {
	file         string
	prune, check bool
	// as is the user on whose behalf the file is applied.
	as string
}

func readDistroRequest(flags *flag.FlagSet) (distroRequest, error) {
	r := distroRequest{file: value(flags, "file"), prune: isSet(flags, "prune")}
	if flags.Lookup("check") != nil {
		r.check = isSet(flags, "check")
	}
	if flags.Lookup("as") != nil {
		r.as = value(flags, "as")
	}
	return r, nil
}

// path is the file that is meant.
func (r distroRequest) path(h *hub) string {
	if r.file != "" {
		return r.file
	}
	return h.config.Distro
}

// orMissing says what to do about a file that is not there.
func (r distroRequest) orMissing(h *hub, err error) error {
	switch {
	case !errors.Is(err, os.ErrNotExist):
		return err
	case r.file != "":
		return fmt.Errorf("there is no %s", r.file)
	}
	return noDistro(h.config.Distro)
}

// readDistro reads a distribution file.
func readDistro(path string) (*tags.Distro, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	distro, err := tags.ReadDistro(file)
	if err != nil {
		return nil, aboutDistro(path, err)
	}
	return distro, nil
}

// applyDistro makes the database say what a distribution file says, on behalf of
// the installation, which may do all that is in the file.
func applyDistro(ctx context.Context, pool *pgxpool.Pool, jobs queue.Inserter, path string) (*tags.Plan, error) {
	distro, err := readDistro(path)
	if err != nil {
		return nil, err
	}
	done, err := tags.ApplyPlan(ctx, pool, jobs, distro, tags.System, false)
	return done, aboutDistro(path, err)
}

func plan(ctx context.Context, h *hub, r distroRequest) error {
	path := r.path(h)
	distro, err := readDistro(path)
	if err != nil {
		return r.orMissing(h, err)
	}
	planned, err := tags.NewPlan(ctx, h.pool, distro, r.prune)
	if err != nil {
		return aboutDistro(path, err)
	}
	if err := h.printPlan(planned, planned.Summary()); err != nil {
		return err
	}
	if r.check && len(planned.Steps) > 0 {
		return errors.New("would change: " + planned.Summary())
	}
	return nil
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// apply applies a file on behalf of --as, who must have the permissions for what
// there is to change.
func apply(ctx context.Context, h *hub, r distroRequest) error {
	path := r.path(h)
	distro, err := readDistro(path)
	if err != nil {
		return r.orMissing(h, err)
	}
	var done *tags.Plan
	editor := &tags.Editor{Pool: h.pool, Jobs: h.client}
	_, err = editor.Do(ctx, r.as, cut("apply "+filepath.Base(path), maxWhat), func(e *tags.Edit) (err error) {
		done, err = e.ApplyDistro(ctx, distro, r.prune)
		if err != nil || !sameFile(path, h.config.Distro) {
			return err
		}
		return e.NoteApplied(ctx, distro)
	})
	if err != nil {
		return aboutDistro(path, inUsersWords(err, r.as))
	}
	summary := done.Summary()
	if created, changed, removed := done.Counts(); len(done.Steps) > 0 {
		summary = fmt.Sprintf("%d created, %d changed, %d removed", created, changed, removed)
	}
	return h.printPlan(done, summary)
}

// planView is a plan for programs.
type planView struct {
	Create int `json:"create"`
	Change int `json:"change"`
	Remove int `json:"remove"`
	*tags.Plan
}

// printPlan prints the steps of each kind below its name, and sums up.
func (h *hub) printPlan(p *tags.Plan, summary string) error {
	if h.json {
		view := planView{Plan: p}
		view.Create, view.Change, view.Remove = p.Counts()
		return writeJSON(h.stdout, view)
	}
	kind := ""
	for _, step := range p.Steps {
		if step.Kind != kind {
			kind = step.Kind
			fmt.Fprintln(h.stdout, plural(kind))
		}
		fmt.Fprintln(h.stdout, "  "+tasklog.Printable(step.String()))
	}
	for _, note := range p.Notes {
		fmt.Fprintln(h.stdout, "note: "+tasklog.Printable(note))
	}
	_, err := fmt.Fprintln(h.stdout, summary)
	return err
}

// plural names several things of a kind.
func plural(kind string) string {
	switch kind {
	case "external repository":
		return "external repositories"
	case "ignored branch":
		return "ignored branches"
	}
	return kind + "s"
}

// tagExport writes the tag model as a file, at the moment that the flags name.
// What no file may say is written as well: the error names its lines.
func tagExport(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	return look(ctx, flags, func(r tagview.Reader) error {
		text, err := tags.Export(ctx, r)
		err = aboutDistro("what was written can't be applied", err)
		if wantsJSON(flags) {
			if err != nil {
				return err
			}
			return writeJSON(t.stdout, map[string]string{"distro": string(text)})
		}
		if _, failed := t.stdout.Write(text); failed != nil {
			return failed
		}
		return err
	})
}
