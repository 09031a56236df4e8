package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

// How often progress is looked at while something is waited for, and whether
// anybody is there to make some. The end itself is told by the database.
const (
	progressEvery = 500 * time.Millisecond
	aliveEvery    = 10 * time.Second
)

// watch waits until look says that something has ended: look is called whenever
// the database tells so on a channel, and now and then for progress.
func (h *hub) watch(ctx context.Context, channel string, look func(context.Context) (over bool, err error)) error {
	conn, err := h.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return fmt.Errorf("listen to the database: %w", err)
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "unlisten *") }()
	alive := time.Now()
	for {
		over, err := look(ctx)
		if over || err != nil {
			return err
		}
		if time.Since(alive) > aliveEvery {
			alive = time.Now()
			if err := h.sayIfAlone(ctx); err != nil {
				return err
			}
		}
		if err := nextNews(ctx, conn); err != nil {
			return err
		}
	}
}

// nextNews waits for a notification, or a while.
func nextNews(ctx context.Context, conn *pgxpool.Conn) error {
	limited, cancel := context.WithTimeout(ctx, progressEvery)
	defer cancel()
	_, err := conn.Conn().WaitForNotification(limited)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && limited.Err() == nil:
		return fmt.Errorf("listen to the database: %w", err)
	}
	return nil
}

// sayIfAlone says that nobody is at work.
func (h *hub) sayIfAlone(ctx context.Context) error {
	alive, err := db.New(h.pool).HubAlive(ctx)
	if err == nil && !alive && !h.json {
		fmt.Fprintln(h.stdout, "no distbot serve is alive at the moment; waiting for one")
	}
	return err
}

// progress tells of tasks whose state changed since it was told last.
type progress struct {
	h    *hub
	told map[int64]string
	// waits are the repositories that tasks wait for, as it was told.
	waits map[int64]string
	// builds that were told of; true for those of which nothing new will come.
	builds map[int64]bool
}

// tell prints a line for each task of a build that is in another state.
func (p *progress) tell(ctx context.Context, build int64, nvr, state string) error {
	over, known := p.builds[build]
	if p.h.json || over {
		return nil
	}
	tasks, err := db.New(p.h.pool).TasksOfBuild(ctx, build)
	if err != nil {
		return err
	}
	p.builds[build] = state == queue.BuildFailed || state == queue.BuildCanceled
	if !known {
		fmt.Fprintf(p.h.stdout, "build %d: %s %s\n", build, tasklog.Printable(dash(nvr)), queue.BuildURL(p.h.config.ExternalURL, build))
	}
	waits, err := queue.WaitsOfTasks(ctx, db.New(p.h.pool), tasks)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		before, known := p.told[task.ID]
		if wait := waits[task.ID]; wait != p.waits[task.ID] {
			if p.waits[task.ID] = wait; wait != "" {
				fmt.Fprintf(p.h.stdout, "  build %d, task %d waits: %s\n", build, task.ID, tasklog.Printable(wait))
			}
		}
		if task.Method == queue.MethodBuild || before == task.State {
			continue
		}
		p.told[task.ID] = task.State
		if known {
			before += " -> "
		}
		name := task.Method
		if task.Arch != "" {
			name += " " + task.Arch
		}
		fmt.Fprintf(p.h.stdout, "  build %d, task %d %s: %s%s%s\n", build, task.ID, name, before, task.State, suffix(": ", task.Reason))
	}
	return nil
}

// watchChain follows a chain until it ends. It returns errFailed for one that
// did not go well.
func (h *hub) watchChain(ctx context.Context, id int64) error {
	q := db.New(h.pool)
	p := &progress{h: h, told: map[int64]string{}, waits: map[int64]string{}, builds: map[int64]bool{}}
	var view chainView
	said := ""
	err := h.watch(ctx, queue.ChainChannel, func(ctx context.Context) (over bool, err error) {
		if view, err = viewChain(ctx, q, id); err != nil {
			return false, err
		}
		for _, b := range view.Builds {
			if b.Build == nil {
				continue
			}
			if err := p.tell(ctx, *b.Build, b.NVR, b.State); err != nil {
				return false, err
			}
		}
		if view.Finished == nil && view.Reason != said && !h.json {
			said = view.Reason
			fmt.Fprintln(h.stdout, tasklog.Printable(said))
		}
		return view.Finished != nil, nil
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("chain %d goes on: distbot build chain watch %d follows it again, distbot build chain cancel %d ends it", id, id, id)
	}
	if err != nil {
		return err
	}
	if h.json {
		err = writeJSON(h.stdout, view)
	} else {
		err = printChain(h.stdout, view)
	}
	if err == nil && view.State != queue.TaskClosed {
		err = errFailed
	}
	return err
}
