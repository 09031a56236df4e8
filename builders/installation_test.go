package builders_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost/hosttest"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// installation is a distribution whose builds a scripted driver makes. Its
// commit n makes hello-n-1, unless its script says something else.
type installation struct {
	*queuetest.Distribution
	arches  []string
	stages  builders.Stages
	driver  builders.Driver
	workDir string

	mu      sync.Mutex
	scripts map[string]script // by commit
}

// newInstallation makes an installation that works nothing yet: its build tag
// has a published repository and both groups.
func newInstallation(tb testing.TB, arches ...string) *installation {
	tb.Helper()
	pool, dir := dbtest.New(tb), tb.TempDir()
	files, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { files.Close() })
	in := &installation{
		Distribution: queuetest.NewDistribution(tb, pool, queuetest.Inserter(tb, pool), arches...),
		arches:       arches, workDir: filepath.Join(dir, "work"), scripts: map[string]script{},
	}
	in.driver = in
	in.stages = builders.Stages{
		Pool: pool, Sources: in, Store: files, Logs: tasklog.In(dir),
		ReposDir: filepath.Join(dir, "repos"), ExternalURL: queuetest.ExternalURL, Logger: slog.New(slog.DiscardHandler),
	}
	queuetest.Exec(tb, pool, "insert into repo_generations (tag_id, number, rev, state, arches) values ($1, 1, 1, 'published', $2)", in.BuildTag, arches)
	for _, arch := range arches {
		if err := os.MkdirAll(filepath.Join(in.stages.ReposDir, "f37-build", "1", arch), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	for _, group := range []string{"build", "srpm-build"} {
		queuetest.Group(tb, pool, in.BuildTag, group, "bash")
	}
	keepHistory(tb, pool)
	return in
}

// keepHistory makes the database note every status that is asked for: reports
// themselves hold the newest only.
func keepHistory(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	queuetest.Exec(tb, pool, `create table history (build_id bigint, context text, state text, description text)`)
	queuetest.Exec(tb, pool, `create function note() returns trigger language plpgsql as $$ begin
		insert into history values (new.build_id, new.context, new.state, new.description); return new; end $$`)
	queuetest.Exec(tb, pool, `create trigger note after insert or update of seq on reports for each row execute function note()`)
}

// host starts a host until the test ends, and works these queues of the hub.
func (in *installation) host(tb testing.TB, name string, queues ...string) *hosttest.Host {
	tb.Helper()
	return hosttest.Start(tb, hosttest.Config{
		Name: name, Arches: in.arches, Driver: in.driver, Stages: in.stages, WorkDir: in.workDir, Queues: queues,
		Register: func(workers *river.Workers, stages *builders.Stages) {
			river.AddWorker(workers, &builders.ImportWorker{Stages: stages})
			river.AddWorker(workers, &builders.RebuildWorker{Rebuilder: &builders.Rebuilder{
				Pool: in.Pool, Jobs: stages.Jobs, Store: stages.Store, ReposDir: stages.ReposDir, HTTP: http.DefaultClient, Logger: stages.Logger,
			}})
			river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[queue.TagArgs]) error { return nil }))
		},
	})
}

// work works builds until the test ends.
func (in *installation) work(tb testing.TB) *hosttest.Host {
	tb.Helper()
	return in.host(tb, "host-1", queue.QueueControl, queue.QueueTag)
}

// build starts a build of commit n with its script.
func (in *installation) build(tb testing.TB, n int, how script) int64 {
	tb.Helper()
	in.set(tb, n, how)
	return in.Start(tb, in.NewBuild(n))
}

// scratch is build for a scratch build.
func (in *installation) scratch(tb testing.TB, n int, how script) int64 {
	tb.Helper()
	in.set(tb, n, how)
	b := in.NewBuild(n)
	b.Scratch = true
	return in.Start(tb, b)
}

// hurry makes jobs and tasks due that wait for their next try.
func (in *installation) hurry(tb testing.TB) {
	tb.Helper()
	queuetest.Exec(tb, in.Pool, `update river_job set state = 'available', scheduled_at = now()
		where kind like 'builders.%' and state in ('available', 'retryable', 'scheduled') and scheduled_at > now()`)
	queuetest.Exec(tb, in.Pool, `with due as (update tasks set not_before = now() where state = 'FREE' and not_before > now() returning id)
		select pg_notify('distbot_schedule', '') from due`)
}

// ended waits until a build has ended and returns it. Nobody waits for the
// retry policy.
func (in *installation) ended(tb testing.TB, build int64) db.GetBuildRow {
	tb.Helper()
	var row db.GetBuildRow
	queuetest.Wait(tb, fmt.Sprintf("build %d ends", build), func() (bool, string) {
		in.hurry(tb)
		var err error
		if row, err = db.New(in.Pool).GetBuild(context.Background(), build); err != nil {
			tb.Fatal(err)
		}
		return row.State != queue.BuildBuilding, in.tasks(tb, build)
	})
	return row
}

// complete waits until a build has ended and wants it COMPLETE.
func (in *installation) complete(tb testing.TB, build int64) db.GetBuildRow {
	tb.Helper()
	row := in.ended(tb, build)
	if row.State != queue.BuildComplete {
		tb.Fatalf("build %d is %s (%s: %s), want COMPLETE", build, row.State, row.Phase, row.Reason)
	}
	return row
}

// failed waits until a build has ended and wants it FAILED for a reason that
// holds a text.
func (in *installation) failed(tb testing.TB, build int64, reason string) db.GetBuildRow {
	tb.Helper()
	row := in.ended(tb, build)
	if row.State != queue.BuildFailed || !strings.Contains(row.Reason, reason) {
		tb.Fatalf("build %d is %s (%s: %s), want FAILED with %q", build, row.State, row.Phase, row.Reason, reason)
	}
	return row
}

// idle waits until no task waits or is worked on, and no job of a stage is
// left.
func (in *installation) idle(tb testing.TB) {
	tb.Helper()
	queuetest.Wait(tb, "no job is left", func() (bool, string) {
		in.hurry(tb)
		left := queuetest.Values[string](tb, in.Pool, `select kind || ' ' || state || ' ' || coalesce(errors[array_upper(errors, 1)]::text, '') from river_job
			where kind like 'builders.%' and state not in ('completed', 'cancelled', 'discarded')
			union all select 'task ' || id || ' ' || state from tasks where method in ('buildSRPM', 'buildArch') and state in ('FREE', 'ASSIGNED', 'OPEN')`)
		return len(left) == 0, strings.Join(left, "; ")
	})
}

// tasks are the tasks of a build as lines "METHOD ARCH STATE", in their order.
func (in *installation) tasks(tb testing.TB, build int64) string {
	tb.Helper()
	return strings.Join(queuetest.Values[string](tb, in.Pool, `select concat_ws(' ', method, nullif(arch, ''), state)
		from tasks where build_id = $1 order by id`, build), "\n")
}

// description is the text of the status of a part of commit n.
func (in *installation) description(tb testing.TB, n int, part string) string {
	tb.Helper()
	return queuetest.Value[string](tb, in.Pool, "select description from reports where repository_id = $1 and commit_id = $2 and context = $3",
		in.Repository, queuetest.Commit(n), queue.ContextOf(in.Target, part))
}

// jobs counts the jobs of a kind that were ever enqueued.
func (in *installation) jobs(tb testing.TB, kind string) int {
	tb.Helper()
	return queuetest.Value[int](tb, in.Pool, "select count(*) from river_job where kind = $1", kind)
}

// script is what happens to the builds of a commit, stage by stage.
type script struct {
	sources func(ctx context.Context) error
	srpm    stage
	build   stage
}

// stage stands for a driver's work. arch is empty for the source package.
type stage func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error)

// set fills what a script leaves open and keeps it for commit n.
func (in *installation) set(tb testing.TB, n int, how script) {
	tb.Helper()
	if how.sources == nil {
		how.sources = func(context.Context) error { return nil }
	}
	if how.srpm == nil {
		how.srpm = leave(sourceOf(tb, n))
	}
	if how.build == nil {
		how.build = leaveByArch(in.packagesOf(tb, n))
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.scripts[queuetest.Commit(n)] = how
}

// scriptOf finds the script of a task.
func (in *installation) scriptOf(ctx context.Context, task int64) (script, error) {
	var commit string
	err := in.Pool.QueryRow(ctx, "select b.commit_id from tasks t join builds b on b.id = t.build_id where t.id = $1", task).Scan(&commit)
	if err != nil {
		return script{}, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.scripts[commit], nil
}

// Name implements builders.Driver.
func (*installation) Name() string { return "scripted" }

// SRPM implements builders.Driver.
func (in *installation) SRPM(ctx context.Context, order builders.SRPMOrder) (builders.Outcome, error) {
	if _, err := os.Stat(filepath.Join(order.SourceDir, order.Spec)); err != nil {
		return builders.Outcome{}, err
	}
	how, err := in.scriptOf(ctx, order.TaskID)
	if err != nil {
		return builders.Outcome{}, err
	}
	order.Phase(builders.PhaseSRPM)
	return how.srpm(ctx, order.Order, "")
}

// Build implements builders.Driver.
func (in *installation) Build(ctx context.Context, order builders.BuildOrder) (builders.Outcome, error) {
	if _, err := os.Stat(order.SRPM); err != nil {
		return builders.Outcome{}, err
	}
	how, err := in.scriptOf(ctx, order.TaskID)
	if err != nil {
		return builders.Outcome{}, err
	}
	order.Phase(builders.PhaseBuild)
	return how.build(ctx, order.Order, order.Arch)
}

// Prepare implements builders.Sources.
func (in *installation) Prepare(ctx context.Context, order builders.SourceOrder, dir string, log io.Writer) error {
	in.mu.Lock()
	how := in.scripts[order.Commit]
	in.mu.Unlock()
	if err := how.sources(ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(log, "checked out", order.Commit)
	return errors.Join(err, os.WriteFile(filepath.Join(dir, "hello.spec"), []byte("Name: hello\n"), 0o644))
}

// files are what a stage leaves, by file name.
type files map[string][]byte

// leave is a stage that leaves files.
func leave(these files) stage {
	return func(_ context.Context, order builders.Order, _ string) (builders.Outcome, error) {
		return these.write(order)
	}
}

// leaveByArch is a stage that leaves different files for each architecture.
func leaveByArch(arches map[string]files) stage {
	return func(_ context.Context, order builders.Order, arch string) (builders.Outcome, error) {
		return arches[arch].write(order)
	}
}

// write leaves the files as results.
func (f files) write(order builders.Order) (builders.Outcome, error) {
	for name, data := range f {
		if err := os.WriteFile(filepath.Join(order.ResultDir, name), data, 0o644); err != nil {
			return builders.Outcome{}, err
		}
	}
	return builders.Outcome{RepoKey: "key-of-" + order.Root.Arch, Installed: []builders.Installed{
		{NEVRA: "bash-5.2-1." + order.Root.Arch, Digest: strings.Repeat("ab", 32)},
		{NEVRA: "glibc-2.36-1." + order.Root.Arch, Digest: strings.Repeat("cd", 32)},
	}}, nil
}

// fail is a stage that fails.
func fail(err error) stage {
	return func(context.Context, builders.Order, string) (builders.Outcome, error) {
		return builders.Outcome{}, err
	}
}

// on makes the stages of some architectures differ from the others'.
func (s stage) on(arch string, other stage) stage {
	return func(ctx context.Context, order builders.Order, a string) (builders.Outcome, error) {
		if a == arch {
			return other(ctx, order, a)
		}
		return s(ctx, order, a)
	}
}

// gate is a stage that says that it began, and goes on when it is opened. It
// gives up when its context ends.
type gate struct {
	began chan builders.Order
	open  chan struct{}
	then  stage
	// ignores is true for a gate that does not see that its context ended.
	ignores bool
}

// deaf makes the gate ignore that its context ends.
func (g *gate) deaf() *gate {
	g.ignores = true
	return g
}

// newGate makes a gate before a stage.
func newGate(then stage) *gate {
	return &gate{began: make(chan builders.Order, 100), open: make(chan struct{}), then: then}
}

// pass is the gate's stage.
func (g *gate) pass(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
	g.began <- order
	if g.ignores {
		<-g.open
		return g.then(ctx, order, arch)
	}
	select {
	case <-g.open:
		return g.then(ctx, order, arch)
	case <-ctx.Done():
		return builders.Outcome{}, context.Cause(ctx)
	}
}
