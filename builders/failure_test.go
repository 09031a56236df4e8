package builders_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestAFailureOfThePackage(t *testing.T) {
	t.Parallel()

	t.Run("is not tried again and cancels the other architectures", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64", "aarch64")
		in.work(t)
		sibling, stopped := make(chan struct{}), make(chan error, 1)
		waits := func(ctx context.Context, _ builders.Order, _ string) (builders.Outcome, error) {
			close(sibling)
			<-ctx.Done()
			stopped <- context.Cause(ctx)
			return builders.Outcome{}, context.Cause(ctx)
		}
		fails := func(context.Context, builders.Order, string) (builders.Outcome, error) {
			<-sibling
			return builders.Outcome{}, &builders.Failure{Phase: builders.PhaseCheck, Reason: "make: *** [check] Error 2"}
		}
		build := in.build(t, 1, script{build: stage(fails).on("aarch64", waits)})
		row := in.failed(t, build, "x86_64: make: *** [check] Error 2")
		if row.Phase != "check" {
			t.Errorf("the build failed in phase %q, want check", row.Phase)
		}
		select {
		case cause := <-stopped:
			if !errors.Is(cause, buildhost.ErrDropped) {
				t.Errorf("the other architecture ends with %v, want ErrDropped", cause)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the other architecture was not stopped within 20 s")
		}
		in.idle(t)
		if diff := cmp.Diff("build FAILED\nbuildSRPM CLOSED\nbuildArch x86_64 FAILED\nbuildArch aarch64 CANCELED", in.tasks(t, build)); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff("f37 failure\nf37/aarch64 failure\nf37/srpm success\nf37/x86_64 failure", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64")
		if task.Attempt != 1 || task.Failure != queue.FailurePackage {
			t.Errorf("the task failed at attempt %d (%s), want the first (package)", task.Attempt, task.Failure)
		}
		if n := in.jobs(t, "builders.import"); n != 0 {
			t.Errorf("%d imports were enqueued", n)
		}
	})

	t.Run("may be told in any bytes", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		build := in.build(t, 1, script{srpm: fail(&builders.Failure{
			Phase: builders.PhaseSRPM, Reason: "error:\x00 \xff\xfe\nbad " + strings.Repeat("spec ", 10_000),
		})})
		in.failed(t, build, "source package: error: \uFFFD bad spec spec")
		task := queuetest.Task(t, in.Pool, build, queue.MethodBuildSRPM, "")
		if task.Attempt != 1 || len(task.Reason) > 3000 {
			t.Errorf("attempt %d failed with %d bytes of reason, want the first with at most 3000", task.Attempt, len(task.Reason))
		}
	})

	t.Run("of its sources is in the checkout log too", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		build := in.build(t, 1, script{sources: func(context.Context) error { return errors.New("hello-1.tar.gz: SHA512 mismatch") }})
		in.failed(t, build, "hello-1.tar.gz: SHA512 mismatch")
		if diff := cmp.Diff("f37 failure\nf37/srpm failure", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		log, err := in.stages.Logs.Open(queuetest.Task(t, in.Pool, build, queue.MethodBuildSRPM, "").ID, 1, "checkout.log")
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		if text, err := io.ReadAll(log); err != nil || !strings.Contains(string(text), "SHA512 mismatch") {
			t.Errorf("the checkout log says %q, %v", text, err)
		}
	})
}

// temporaryError is an error that another try may cure.
type temporaryError struct{}

func (temporaryError) Error() string   { return "the lookaside is down" }
func (temporaryError) Temporary() bool { return true }

func TestAFailureOfTheInfrastructure(t *testing.T) {
	t.Parallel()
	panics := func(context.Context, builders.Order, string) (builders.Outcome, error) { panic("index out of range") }
	for name, test := range map[string]struct {
		build stage
		want  string
	}{
		"that the driver tells": {
			fail(&builders.Failure{Phase: builders.PhaseBuildroot, Infrastructure: true, Reason: "mirror.example.org does not answer"}),
			"mirror.example.org does not answer",
		},
		"that nobody explained": {fail(errors.New("mirror.example.org does not answer")), "mirror.example.org does not answer"},
		"of a full disk": {
			fail(&builders.Failure{Phase: builders.PhaseBuildroot, Reason: "install bash", Err: &os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}}),
			"no space left on the builder's disk",
		},
		"of a panic": {panics, "panic: index out of range"},
	} {
		t.Run(name+" is tried eight times and ends as error", func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t, "x86_64")
			in.work(t)
			build := in.build(t, 1, script{build: test.build})
			in.failed(t, build, test.want)
			if diff := cmp.Diff("f37 error\nf37/srpm success\nf37/x86_64 error", in.Statuses(t, 1)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			task := queuetest.Task(t, in.Pool, build, queue.MethodBuildArch, "x86_64")
			if task.State != queue.TaskFailed || task.Attempt != 8 || task.Failure != queue.FailureInfrastructure {
				t.Errorf("the task is %s at attempt %d (%s), want FAILED at attempt 8 (infrastructure)", task.State, task.Attempt, task.Failure)
			}
			attempts, err := db.New(in.Pool).AttemptsOfTask(t.Context(), task.ID)
			if err != nil || len(attempts) != 7 || !strings.Contains(attempts[0].Outcome, test.want) {
				t.Errorf("attempts %+v, %v; want seven with the reason", attempts, err)
			}
			if n := queuetest.Value[int](t, in.Pool, `select count(*) from history
				where context = 'distbot/f37/x86_64' and state = 'pending' and description like 'trying again: %'`); n == 0 {
				t.Error("no status said that it was tried again")
			}
		})
	}

	t.Run("that passes costs nothing but time", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		tries := 0
		build := in.build(t, 1, script{sources: func(context.Context) error {
			if tries++; tries < 3 {
				return temporaryError{}
			}
			return nil
		}})
		in.complete(t, build)
		if task := queuetest.Task(t, in.Pool, build, queue.MethodBuildSRPM, ""); task.Attempt != 3 {
			t.Errorf("the source package was made by attempt %d, want 3", task.Attempt)
		}
		if diff := cmp.Diff("f37 pending\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}
