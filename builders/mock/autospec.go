package mock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/internal/autospec"
	"github.com/distbot/distbot/internal/sandbox"
)

// Where the specs of a package's history are evaluated, inside.
const (
	historyIn  = "/tmp/distbot-history"
	historyDir = "/tmp/history"
)

// processSpec lets mock make the root, computes %autorelease and %autochangelog
// in it, and puts the processed spec in the place of the order's. It returns
// the arguments that make mock use the same root again.
func (j *job) processSpec(ctx context.Context, t *srpmTask) ([]string, error) {
	// Logs of its own: mock goes on with those that it finds.
	results := j.path("init")
	account := j.driver.account
	if err := errors.Join(os.Mkdir(results, 0o755), os.Chown(results, account.uid, account.gid)); err != nil {
		return nil, fmt.Errorf("mock: make job: %w", err)
	}
	if err := j.mock(ctx, t, results, []string{"--init"}); err != nil {
		return nil, err
	}
	j.order.Phase(builders.PhaseSRPM)
	spec, err := buildroot.ProcessSpec(ctx, t.order, j.rootLog, (&evaluator{job: j, end: time.Now().Add(j.srpmTime())}).evaluate)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(j.path("in"), t.order.Spec)
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("mock: replace spec: %w", err)
	}
	if err := writeCopy(path, bytes.NewReader(spec), t.order.Epoch); err != nil {
		return nil, fmt.Errorf("mock: replace spec: %w", err)
	}
	return []string{"--no-clean"}, nil
}

// srpmTime is how long making a source package may take.
func (j *job) srpmTime() time.Duration {
	if wall := j.driver.config.Limits.Wall; wall > 0 {
		return min(wall, srpmTime)
	}
	return srpmTime
}

// evaluator evaluates specs in the root of a job, until its end.
type evaluator struct {
	job *job
	end time.Time
}

// evaluate implements autospec.Evaluate: the root's rpm runs in a sandbox in
// which the root can only be read, so that nothing a spec does is left in it.
func (v *evaluator) evaluate(ctx context.Context, inputs []autospec.Input) ([]autospec.Version, error) {
	j := v.job
	e, err := buildroot.NewEvaluation(j.dir, inputs)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	macros, err := os.ReadFile(j.path("macros"))
	if err != nil {
		return nil, fmt.Errorf("mock: read macros: %w", err)
	}
	limits := j.driver.config.Limits
	limits.Wall = max(time.Until(v.end), time.Millisecond)
	result, err := j.driver.config.Runner.Run(ctx, sandbox.Spec{
		Root: sandbox.Root{Lower: []string{filepath.Join(j.rootDir(), "root")}},
		Mounts: []sandbox.Mount{
			{Source: e.Dir, Target: historyIn, ReadOnly: true},
			{Type: sandbox.TypeDir, Target: "/tmp/home", UID: builder, GID: builder},
			{Type: sandbox.TypeFile, Target: "/tmp/home/.rpmmacros", Data: macros},
		},
		UID: builder, GID: builder, NoSync: true,
		Env: []string{
			"HOME=/tmp/home", "PATH=/usr/bin:/usr/sbin:/bin:/sbin", "LANG=C.UTF-8", "TERM=dumb",
			"SOURCE_DATE_EPOCH=" + strconv.FormatInt(j.order.Epoch.Unix(), 10),
		},
		Args:   []string{"/bin/bash", "-c", autospec.Script, "history", historyIn, historyDir},
		Limits: limits, Stdout: e.Stdout(), Stderr: e.Stderr(),
	})
	fail := func(reason string, err error) error {
		return &builders.Failure{Phase: builders.PhaseSRPM, Reason: reason, Err: err}
	}
	switch {
	case result.TimedOut:
		return nil, fail(fmt.Sprintf("evaluating the specs of the package's history took longer than %s and was ended", j.srpmTime()), err)
	case err != nil:
		return nil, fmt.Errorf("mock: evaluate the specs of the package's history: %w", err)
	case result.OOMKilled && result.ExitCode != 0:
		return nil, fail("out of memory: the build needs more than "+buildlog.SizeText(limits.Memory), syscall.ENOMEM)
	}
	return e.Versions(result.ExitCode)
}

// builder is the uid and gid inside the sandbox.
const builder = 1000
