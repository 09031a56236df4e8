package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost/hosttest"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish"
	"github.com/distbot/distbot/tags"
)

// lateDriver makes hello-1-1 with two packages for each architecture; riscv64
// waits for its gate.
type lateDriver struct {
	tb   testing.TB
	gate chan struct{}
}

// Name implements builders.Driver.
func (lateDriver) Name() string { return "late" }

// Prepare implements builders.Sources.
func (lateDriver) Prepare(context.Context, builders.SourceOrder, string, io.Writer) error { return nil }

// SRPM implements builders.Driver.
func (d lateDriver) SRPM(_ context.Context, order builders.SRPMOrder) (builders.Outcome, error) {
	const sourcePackage = 1106
	return d.leave(order.Order, "hello", "src", func(r *rpmpack.RPM) { r.AddCustomTag(sourcePackage, rpmpack.EntryUint32([]uint32{1})) })
}

// Build implements builders.Driver.
func (d lateDriver) Build(ctx context.Context, order builders.BuildOrder) (builders.Outcome, error) {
	if order.Arch == "riscv64" {
		select {
		case <-d.gate:
		case <-ctx.Done():
			return builders.Outcome{}, context.Cause(ctx)
		}
	}
	const sourceRPM = 1044
	made := func(r *rpmpack.RPM) { r.AddCustomTag(sourceRPM, rpmpack.EntryString("hello-1-1.src.rpm")) }
	if _, err := d.leave(order.Order, "hello", order.Arch, made); err != nil {
		return builders.Outcome{}, err
	}
	return d.leave(order.Order, "hello-libs", order.Arch, made)
}

func (d lateDriver) leave(order builders.Order, name, arch string, edit func(*rpmpack.RPM)) (builders.Outcome, error) {
	machine := arch
	if arch == "src" {
		machine = "x86_64"
	}
	data := rpmtest.Pack(d.tb, rpmpack.RPMMetaData{Name: name, Version: "1", Release: "1", Arch: machine}, edit)
	return builders.Outcome{}, os.WriteFile(filepath.Join(order.ResultDir, name+"-1-1."+arch+".rpm"), data, 0o644)
}

// published are the packages of each generation of a tag's repository, in the
// order of their numbers, without the first.
func published(tb testing.TB, pool *pgxpool.Pool, tag string) []string {
	tb.Helper()
	return queuetest.Values[string](tb, pool, `select string_agg(r.name || '.' || r.arch, ' ' order by r.name, r.arch)
		from repo_generations g join tags t on t.id = g.tag_id left join generation_rpms gr on gr.generation_id = g.id left join rpms r on r.id = gr.rpm_id
		where t.name = $1 and g.state = 'published' and g.number > 1 group by g.number order by g.number`, tag)
}

// TestALateArchitectureInTheRepositories builds for a lagging architecture and
// looks at what clients find before and after it joined.
func TestALateArchitectureInTheRepositories(t *testing.T) {
	t.Parallel()
	pool, dir := dbtest.New(t), t.TempDir()
	files, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	arches := []string{"x86_64", "riscv64"}
	dist := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), arches...)
	queuetest.Exec(t, pool, `insert into build_targets (name, build_tag, dest_tag, branches, lagging, create_event) values ('f37', $1, $2, '{f37}', '{riscv64}', 1)`, dist.BuildTag, dist.DestTag)
	repos := filepath.Join(dir, "repos")
	for _, tag := range []string{"f37", "f37-build"} {
		queuetest.Exec(t, pool, "insert into repo_generations (tag_id, number, rev, state, arches) select id, 1, 1, 'published', arches from tags where name = $1", tag)
		for _, arch := range arches {
			if err := os.MkdirAll(filepath.Join(repos, tag, "1", arch), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, group := range []string{"build", "srpm-build"} {
		queuetest.Group(t, pool, dist.BuildTag, group, "bash")
	}
	driver := lateDriver{tb: t, gate: make(chan struct{})}
	log := slog.New(slog.DiscardHandler)
	hosttest.Start(t, hosttest.Config{
		Name: "hub-1", Arches: arches, Driver: driver, WorkDir: filepath.Join(dir, "work"),
		Stages: builders.Stages{
			Pool: pool, Sources: driver, Store: files, Logs: tasklog.In(dir), ReposDir: repos, ExternalURL: queuetest.ExternalURL, Logger: log,
		},
		Queues: []string{queue.QueueControl, queue.QueueTag, queue.QueuePublish},
		Register: func(workers *river.Workers, stages *builders.Stages) {
			editor := &tags.Editor{Pool: pool, Jobs: stages.Jobs}
			river.AddWorker(workers, &builders.ImportWorker{Stages: stages})
			river.AddWorker(workers, &tags.ApplyWorker{Editor: editor, ExternalURL: queuetest.ExternalURL, Logger: log})
			river.AddWorker(workers, &tags.JoinedWorker{Editor: editor, Logger: log})
			river.AddWorker(workers, &repopublish.Worker{Publisher: &repopublish.Publisher{
				Pool: pool, Jobs: stages.Jobs, Store: files, ReposDir: repos, CacheDir: t.TempDir(), ExternalURL: queuetest.ExternalURL, Keep: 10, KeepFor: time.Hour, Logger: log,
			}})
		},
	})
	build := dist.Start(t, dist.NewBuild(1))
	const current = "select bool_and(want_rev = built_rev and want_rev >= $1) from tags"

	queuetest.WaitRow(t, pool, "the build is published", "select published_at is not null from builds where id = $1", build)
	queuetest.WaitRow(t, pool, "all repositories are current", current, 2)
	const x86, all = "hello.x86_64 hello-libs.x86_64", "hello.riscv64 hello.x86_64 hello-libs.riscv64 hello-libs.x86_64"
	for _, tag := range []string{"f37", "f37-build"} {
		if diff := cmp.Diff([]string{x86}, published(t, pool, tag)); diff != "" {
			t.Errorf("generations of %s before (-want +got):\n%s", tag, diff)
		}
	}
	if diff := cmp.Diff("f37 success\nf37/riscv64 pending\nf37/srpm success\nf37/x86_64 success", dist.Statuses(t, 1)); diff != "" {
		t.Errorf("statuses before (-want +got):\n%s", diff)
	}
	if task := queuetest.Task(t, pool, build, queue.MethodBuild, ""); task.State != queue.TaskClosed {
		t.Errorf("the build's own task is %s, want CLOSED while riscv64 is open", task.State)
	}

	close(driver.gate)
	queuetest.WaitRow(t, pool, "all repositories are current again", current, 3)
	for _, tag := range []string{"f37", "f37-build"} {
		if diff := cmp.Diff([]string{x86, all}, published(t, pool, tag)); diff != "" {
			t.Errorf("generations of %s after (-want +got):\n%s", tag, diff)
		}
		var found []string
		for _, arch := range arches {
			names, err := filepath.Glob(filepath.Join(repos, tag, "latest", arch, "Packages", "*", "*.rpm"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				found = append(found, strings.TrimPrefix(name, filepath.Join(repos, tag, "latest")+"/"))
			}
		}
		var want []string
		for _, arch := range arches {
			for _, name := range []string{"hello-1-1", "hello-libs-1-1"} {
				want = append(want, fmt.Sprintf("%s/Packages/h/%s.%s.rpm", arch, name, arch))
			}
		}
		slices.Sort(found)
		slices.Sort(want)
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("the newest generation of %s (-want +got):\n%s", tag, diff)
		}
	}
	if diff := cmp.Diff("f37 success\nf37/riscv64 success\nf37/srpm success\nf37/x86_64 success", dist.Statuses(t, 1)); diff != "" {
		t.Errorf("statuses after (-want +got):\n%s", diff)
	}
}
