package queue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestResumeBuild(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	jobs := queuetest.Inserter(t, pool)
	d := queuetest.NewDistribution(t, pool, jobs, "x86_64", "aarch64")
	// build makes a build in a state whose source package and architectures
	// ended so.
	build := func(n int, state, srpm, x86, arm string) int64 {
		id := d.Start(t, d.NewBuild(n))
		queuetest.Exec(t, pool, "update builds set state = $2, nvr = 'hello-' || $1::bigint || '-1' where id = $1", id, state)
		queuetest.Exec(t, pool, "update tasks set state = $2, attempt = 1 where build_id = $1 and method = 'buildSRPM'", id, srpm)
		for arch, state := range map[string]string{"x86_64": x86, "aarch64": arm} {
			if state != "" {
				queuetest.Exec(t, pool, `insert into tasks (parent_id, build_id, method, arch, root_arch, label, state, attempt)
					select task_id, id, 'buildArch', $2, $2, 'l', $3, 1 from builds where id = $1`, id, arch, state)
			}
		}
		return id
	}
	resume := func(id int64) (int64, []string, error) {
		return queue.ResumeBuild(t.Context(), pool, jobs, queuetest.ExternalURL, id)
	}
	failed := build(1, "FAILED", "CLOSED", "CLOSED", "FAILED")
	source := build(2, "FAILED", "FAILED", "", "")
	running := build(3, "BUILDING", "CLOSED", "OPEN", "OPEN")
	whole := build(4, "FAILED", "CLOSED", "CLOSED", "CLOSED")
	taken := build(5, "CANCELED", "CLOSED", "CLOSED", "CANCELED")
	queuetest.Exec(t, pool, "update builds set nvr = (select nvr from builds where id = $2) where id = $1", running, taken)

	t.Run("Builds what is left and keeps the rest", func(t *testing.T) {
		t.Parallel()
		id, arches, err := resume(failed)
		if err != nil || strings.Join(arches, " ") != "aarch64" {
			t.Fatalf("for %v: %v, want aarch64", arches, err)
		}
		got := strings.Join(queuetest.Values[string](t, pool, `select concat_ws(' ', t.method, nullif(t.arch, ''), t.state, o.build_id) from tasks t
			left join tasks o on o.id = t.copy_of where t.build_id = $1 order by t.method, t.arch`, id), ", ")
		if want := "build OPEN, buildArch aarch64 FREE, buildArch x86_64 CLOSED 1, buildSRPM CLOSED 1"; got != want {
			t.Errorf("tasks: %s, want %s", got, want)
		}
		if got, want := d.Statuses(t, 1), "f37 pending\nf37/aarch64 pending\nf37/srpm success\nf37/x86_64 success"; got != want {
			t.Errorf("statuses:\n%s\nwant\n%s", got, want)
		}
	})
	lagging := build(6, "CANCELED", "CLOSED", "CLOSED", "CANCELED")
	queuetest.Exec(t, pool, "update tasks set policy = 'lagging' where build_id = $1 and arch = 'aarch64'", lagging)
	queuetest.Exec(t, pool, "update builds set noarch_content = 'fail' where id = $1", lagging)
	t.Run("Does not wait for architectures that lag, and keeps the target's rules", func(t *testing.T) {
		t.Parallel()
		id, _, err := resume(lagging)
		if err != nil {
			t.Fatal(err)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from river_job where kind = 'builders.import' and (args ->> 'build_id')::bigint = $1", id); n != 1 {
			t.Errorf("%d imports are enqueued, want one", n)
		}
		if rule := queuetest.Value[string](t, pool, "select noarch_content from builds where id = $1", id); rule != "fail" {
			t.Errorf("noarch_content is %s, want fail", rule)
		}
	})
	for name, c := range map[string]struct {
		build int64
		want  string
	}{
		"A build without a source package":              {source, "made no source package"},
		"A build of which all architectures are there":  {whole, "no architecture failed"},
		"A build whose NVR another build has meanwhile": {taken, "another build has its NVR"},
	} {
		t.Run(name+" is refused in words", func(t *testing.T) {
			t.Parallel()
			_, _, err := resume(c.build)
			var not *queue.NotResumableError
			if !errors.As(err, &not) || !strings.Contains(not.Reason, c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	t.Run("A build that runs, or is not there, is refused", func(t *testing.T) {
		t.Parallel()
		var other *queue.NotBuildingError
		if _, _, err := resume(running); !errors.As(err, &other) || other.State != "BUILDING" {
			t.Errorf("error %v, want that it is BUILDING", err)
		}
		if _, _, err := resume(99); !errors.Is(err, queue.ErrNoBuild) {
			t.Errorf("error %v, want ErrNoBuild", err)
		}
	})
}
