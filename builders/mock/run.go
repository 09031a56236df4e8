package mock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/sandbox"
)

// The causes of runs that are ended for their time.
var (
	errTooLong     = errors.New("mock: out of time")
	errRootTooLong = errors.New("mock: out of time for the buildroot")
)

// rootTime is how long mock may take until a root is there.
const rootTime = 30 * time.Minute

// run is one run of mock for a task, and what is known of it.
type run struct {
	job      *job
	task     task
	progress progress
	// build is the job's build.log.
	build *diagnosis.Log
	// wall is what the task may take once its root is there, 0 without a limit.
	wall    time.Duration
	confine *sandbox.Confinement
}

// phases tells of phases from two logs, one at a time.
type phases struct {
	mu   sync.Mutex
	told func(builders.Phase)
	last builders.Phase
}

func (p *phases) enter(phase builders.Phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != phase {
		p.last = phase
		p.told(phase)
	}
}

// mock runs mock for the job, which leaves its logs and packages in results.
// The error is nil when it succeeded.
func (j *job) mock(ctx context.Context, t task, results string, args []string) error {
	limits := j.driver.config.Limits
	told := &phases{told: j.order.Phase, last: builders.PhaseBuildroot}
	r := &run{job: j, task: t, wall: limits.Wall, progress: progress{enter: told.enter, started: map[string]bool{}}}
	if most := t.atMost(); most > 0 && (r.wall == 0 || most < r.wall) {
		r.wall = most
	}
	r.build = newBuildLog(j.buildLog, t, told.enter)
	var err error
	if r.confine, err = j.driver.config.Runner.Confine(limits); err != nil {
		return err
	}
	defer r.confine.Remove()
	end, err := r.run(ctx, results, args)
	return r.verdict(end, err)
}

// run runs mock and follows its logs.
func (r *run) run(ctx context.Context, results string, args []string) (diagnosis.Exit, error) {
	j := r.job
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	options := append(j.common(results), "--no-cleanup-after")
	timer := time.AfterFunc(rootTime, func() { cancel(errRootTooLong) })
	defer timer.Stop()
	var build *time.Timer // made by the goroutine that follows the logs
	if r.wall > 0 {
		options = append(options, "--rpmbuild_timeout", strconv.Itoa(int(math.Ceil(r.wall.Seconds()))))
	}
	r.progress.rooted = func() {
		// The package's own time begins. A timer that fired meanwhile has
		// canceled already.
		timer.Stop()
		if r.wall > 0 {
			build = time.AfterFunc(r.wall, func() { cancel(errTooLong) })
		}
	}
	l := launch{args: append(options, args...), output: j.path("mock.out"), confine: r.confine}
	if err := j.offer(&l); err != nil {
		return diagnosis.Exit{}, err
	}
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		follow(following, cancel, results, map[string]io.Writer{
			"state.log": &lines{read: r.progress.readState},
			"root.log":  j.rootLog,
			"build.log": io.MultiWriter(r.build, &lines{read: r.progress.readBuild}),
		})
	}()
	end, err := j.driver.launch(ctx, l)
	stop()
	<-followed
	if build != nil {
		build.Stop()
	}
	if err == nil {
		err = context.Cause(ctx) // of what the last look at the logs found
	}
	return end, err
}

// verdict says what a run came to: the exit codes of mock, as they were
// measured with version 6.7, by what the logs say.
func (r *run) verdict(end diagnosis.Exit, err error) error {
	var limit *diagnosis.Limit
	switch {
	case errors.Is(err, errTooLong):
		return r.tooLong()
	case errors.Is(err, errRootTooLong):
		return r.limited(&diagnosis.Limit{
			Kind: diagnosis.KindTimeOut, Infrastructure: true, Err: err,
			Reason: fmt.Sprintf("making the buildroot took longer than %s and was ended", rootTime),
		})
	case errors.As(err, &limit): // a log's
		return r.limited(limit)
	case err != nil:
		return err
	case end.Code == 0:
		return nil
	}
	own := r.messages()
	fmt.Fprintf(r.job.rootLog, "\n# mock ended with exit code %d\n%s\n", end.Code, own)
	if r.confine.OOMKilled() {
		return r.limited(&diagnosis.Limit{
			Kind: diagnosis.KindOutOfMemory, Err: syscall.ENOMEM,
			Reason: fmt.Sprintf("out of memory: the build needs more than %s", buildlog.SizeText(r.job.driver.config.Limits.Memory)),
		})
	}
	return r.explain(end, own)
}

func (r *run) tooLong() error {
	return r.limited(&diagnosis.Limit{
		Kind: diagnosis.KindTimeOut, Err: errTooLong, Reason: fmt.Sprintf("the build ran longer than %s and was ended", r.wall),
	})
}

// limited is the failure of a limit that ended the run.
func (r *run) limited(limit *diagnosis.Limit) error {
	ended := diagnosis.Exit{Step: diagnosis.StepRequires, Limit: limit}
	if r.rpmbuildBegan() {
		return r.judge(ended)
	}
	return builders.Diagnosed(diagnosis.Limited(builders.PhaseBuildroot, limit), ended)
}

// phase is where the run is.
func (r *run) phase() builders.Phase {
	if r.rpmbuildBegan() {
		return r.ofTask(r.build.Phase())
	}
	return builders.PhaseBuildroot
}

// ofTask is the phase in the task: mock makes a source package before each build,
// too.
func (r *run) ofTask(phase builders.Phase) builders.Phase {
	if phase == builders.PhaseSRPM {
		return r.task.begin()
	}
	return phase
}

// rpmbuildBegan says whether the source package was touched: build setup makes
// it again before it installs what it needs.
func (r *run) rpmbuildBegan() bool {
	return r.progress.started[stepRPMBuild] || r.progress.started[stepSRPM]
}

// configFile is the job's configuration of mock.
func (j *job) configFile() string { return filepath.Join(j.dir, "mock.cfg") }
