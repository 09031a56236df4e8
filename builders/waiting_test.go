package builders_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestABuildWaitsForItsRepository(t *testing.T) {
	t.Parallel()

	// waits wants a build's first task to stay where it is though the scheduler
	// has looked at it.
	waits := func(t *testing.T, in *installation, build int64) {
		t.Helper()
		scheduler := &queue.Scheduler{Pool: in.Pool, Inserter: queuetest.Inserter(t, in.Pool), Logger: in.stages.Logger}
		if n, err := scheduler.Round(t.Context()); n != 0 || err != nil {
			t.Errorf("%d tasks were given to hosts, %v", n, err)
		}
		if task := queuetest.Task(t, in.Pool, build, queue.MethodBuildSRPM, ""); task.State != queue.TaskFree || task.Attempt != 0 {
			t.Errorf("the task is %s at attempt %d, want FREE at 0", task.State, task.Attempt)
		}
	}

	t.Run("that was changed before it began, not for later changes", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		in.work(t)
		queuetest.Exec(t, in.Pool, "update tags set want_rev = 2 where id = $1", in.BuildTag)
		build := in.build(t, 1, script{})
		waits(t, in, build)
		queuetest.Exec(t, in.Pool, "update tags set want_rev = 3, built_rev = 2 where id = $1", in.BuildTag)
		in.complete(t, build)
		if n := queuetest.Value[int](t, in.Pool, "select max(attempt) from tasks where method <> 'build'"); n != 1 {
			t.Errorf("a task was tried %d times", n)
		}
	})

	t.Run("and can be canceled meanwhile", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t, "x86_64")
		client := in.work(t)
		queuetest.Exec(t, in.Pool, "update tags set want_rev = 2 where id = $1", in.BuildTag)
		build := in.build(t, 1, script{})
		waits(t, in, build)
		if err := queue.CancelBuild(t.Context(), in.Pool, client, queuetest.ExternalURL, build, "no more"); err != nil {
			t.Fatal(err)
		}
		in.idle(t)
		if diff := cmp.Diff("f37 error\nf37/srpm error", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

func TestABuildThatCannotBegin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tag      string // a statement that changes the build tag
		srpm     func(t *testing.T) stage
		want     string
		statuses string
	}{
		"because its tag has no group for source packages": {
			tag:      "update group_config set revoke_event = create_event where group_id = (select id from groups where name = 'srpm-build') and tag_id = $1",
			want:     `source package: tag f37-build has no group "srpm-build", or it is empty: add it to distro.yaml`,
			statuses: "f37 failure\nf37/srpm failure",
		},
		"because its tag has no group for packages": {
			tag:      "update group_config set revoke_event = create_event where group_id = (select id from groups where name = 'build') and tag_id = $1",
			want:     `x86_64: tag f37-build has no group "build", or it is empty: add it to distro.yaml`,
			statuses: "f37 failure\nf37/srpm success\nf37/x86_64 failure",
		},
		"because its tag has no arches": {
			tag:      "update tags set arches = '{}' where id = $1",
			want:     "source package: tag f37-build has no arches",
			statuses: "f37 failure\nf37/srpm failure",
		},
		"because its tag's settings can't be read": {
			tag:      `update tags set extra = '{"rpm.macro.dist": [37]}' where id = $1`,
			want:     "tag f37-build: extra: setting rpm.macro.dist: a macro's value must be a text, a number or a boolean",
			statuses: "f37 failure\nf37/srpm failure",
		},
		"because no arch of the tag is among its own": {
			tag: "select from tags where id = $1",
			srpm: func(t *testing.T) stage {
				return leave(files{"hello-1-1.src.rpm": source(t, "hello", "1", tagExclusiveArch, "s390x", "ppc64le")})
			},
			want:     "No matching arches were found: the package is for ExclusiveArch s390x ppc64le, the tag f37-build has x86_64",
			statuses: "f37 failure\nf37/srpm success",
		},
		"because it excludes every arch of the tag": {
			tag: "select from tags where id = $1",
			srpm: func(t *testing.T) stage {
				return leave(files{"hello-1-1.src.rpm": source(t, "hello", "1", tagExcludeArch, "x86_64")})
			},
			want:     "No matching arches were found: the package is for ExcludeArch x86_64, the tag f37-build has x86_64",
			statuses: "f37 failure\nf37/srpm success",
		},
		"because its arches are no text": {
			tag: "select from tags where id = $1",
			srpm: func(t *testing.T) stage {
				return leave(files{"hello-1-1.src.rpm": source(t, "hello", "1", tagExclusiveArch, "\xff\xfe\nevil\x1b")})
			},
			want:     `No matching arches were found: the package is for ExclusiveArch "\xff\xfe\nevil\x1b", the tag f37-build has x86_64`,
			statuses: "f37 failure\nf37/srpm success",
		},
	} {
		t.Run(name+" says so", func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t, "x86_64")
			queuetest.Exec(t, in.Pool, test.tag, in.BuildTag)
			var how script
			if test.srpm != nil {
				how.srpm = test.srpm(t)
			}
			in.work(t)
			build := in.build(t, 1, how)
			in.failed(t, build, test.want)
			in.idle(t)
			if diff := cmp.Diff(test.statuses, in.Statuses(t, 1)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if n := queuetest.Value[int](t, in.Pool, "select max(attempt) from tasks"); n != 1 {
				t.Errorf("a task was tried %d times, want once", n)
			}
		})
	}
}

// TestABuildOfSelectedArches builds on the arches that the tag and the source
// package have in common.
func TestABuildOfSelectedArches(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64", "aarch64", "riscv64")
	in.work(t)
	build := in.build(t, 1, script{srpm: leave(files{"hello-1-1.src.rpm": source(t, "hello", "1", tagExcludeArch, "aarch64")})})
	in.complete(t, build)
	if diff := cmp.Diff("build OPEN\nbuildSRPM CLOSED\nbuildArch x86_64 CLOSED\nbuildArch riscv64 CLOSED\ntagBuild FREE", in.tasks(t, build)); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}
