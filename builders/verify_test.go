package builders_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// hugeHeader is 144 bytes that make plain header readers allocate gigabytes: a
// lead and a header with one entry of 0xFFFFFFFF numbers.
func hugeHeader() []byte {
	raw := make([]byte, 96, 144)
	copy(raw, "\xed\xab\xee\xdb\x03\x00")
	raw = append(raw, 0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0)
	for _, v := range []uint32{1, 16, 1000, 4, 0, 0xffffffff} {
		raw = binary.BigEndian.AppendUint32(raw, v)
	}
	return append(raw, make([]byte, 16)...)
}

// TestResultsThatAreRefused lets a build leave what it must not, among packages
// that are good.
func TestResultsThatAreRefused(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.work(t)

	// put is a stage that leaves the good packages and what do makes.
	put := func(n int, do func(dir string) error) stage {
		good := leaveByArch(in.packagesOf(t, n))
		return func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			if err := do(order.ResultDir); err != nil {
				return builders.Outcome{}, err
			}
			return good(ctx, order, arch)
		}
	}
	// with is a stage that leaves the good packages and one more file.
	with := func(n int, name string, data []byte) stage {
		all := maps.Clone(in.packagesOf(t, n)["x86_64"])
		all[name] = data
		return leave(all)
	}
	src := func(n int) string { return fmt.Sprintf("hello-%d-1.src.rpm", n) }
	for i, test := range []struct {
		name   string
		script func(n int) script
		want   string // with N for the commit's number
		part   string // whose status tells; x86_64 if empty
	}{
		{name: "a package under another NVR's file name", want: "hello-99-1.x86_64.rpm says it is hello-N-1.x86_64", script: func(n int) script {
			return script{build: with(n, "hello-99-1.x86_64.rpm", hello(t, n, "x86_64", nil))}
		}},
		{name: "a package of another source package", want: `says it was built from "evil-1-1.src.rpm", this is hello-N-1.src.rpm`, script: func(n int) script {
			return script{build: with(n, "bash-6-1.x86_64.rpm", packBinary(t, "bash", "6", "x86_64", "evil-1-1.src.rpm", nil))}
		}},
		{name: "a package of another architecture", want: "hello-N-1.aarch64.rpm is for aarch64, this task builds x86_64 and noarch", script: func(n int) script {
			return script{build: with(n, fmt.Sprintf("hello-%d-1.aarch64.rpm", n), hello(t, n, "aarch64", nil))}
		}},
		{name: "a source package among packages", want: "hello-N-1.src.rpm is a source package", script: func(n int) script {
			return script{build: with(n, src(n), sourceOf(t, n)[src(n)])}
		}},
		{name: "no package at all", want: "the build made no package: has the spec a %files section?", script: func(int) script {
			return script{build: leave(nil)}
		}},
		{name: "a directory", want: `the build left "sub.rpm", which is no package`, script: func(n int) script {
			return script{build: put(n, func(dir string) error { return os.Mkdir(filepath.Join(dir, "sub.rpm"), 0o755) })}
		}},
		{name: "a symbolic link to a package", want: `the build left "link.rpm", which is no package`, script: func(n int) script {
			return script{build: put(n, func(dir string) error {
				return os.Symlink(fmt.Sprintf("hello-%d-1.x86_64.rpm", n), filepath.Join(dir, "link.rpm"))
			})}
		}},
		{name: "a pipe that never ends", want: `the build left "pipe.rpm", which is no package`, script: func(n int) script {
			return script{build: put(n, func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "pipe.rpm"), 0o644) })}
		}},
		{name: "a file that is no RPM by name", want: `the build left "evil\x1b\n.txt", which is no package`, script: func(n int) script {
			return script{build: with(n, "evil\x1b\n.txt", nil)}
		}},
		{name: "a file that is an RPM by name only", want: "garbage.rpm can't be read", script: func(n int) script {
			return script{build: with(n, "garbage.rpm", bytes.Repeat([]byte("rubbish "), 1000))}
		}},
		{name: "an empty file", want: "empty.rpm can't be read", script: func(n int) script {
			return script{build: with(n, "empty.rpm", nil)}
		}},
		{name: "144 bytes that claim gigabytes", want: "huge.rpm can't be read", script: func(n int) script {
			return script{build: with(n, "huge.rpm", hugeHeader())}
		}},
		{name: "a package that repository metadata can't describe", want: "can't be in a repository", script: func(n int) script {
			return script{build: with(n, fmt.Sprintf("hello-%d-1.x86_64.rpm", n), rpmtest.Pack(t, rpmpack.RPMMetaData{
				Name: "hello", Version: fmt.Sprint(n), Release: "1", Arch: "x86_64",
			}, func(r *rpmpack.RPM) {
				r.AddCustomTag(tagSourceRPM, rpmpack.EntryString(fmt.Sprintf("hello-%d-1.src.rpm", n)))
				r.AddFile(rpmpack.RPMFile{Name: "/usr/share/a\x01b"})
			}))}
		}},
		{name: "a package of more dependencies than repositories' readers take", want: "more than 262144 dependencies of a package", script: func(n int) script {
			return script{build: with(n, fmt.Sprintf("hello-%d-1.x86_64.rpm", n), rpmtest.Pack(t, rpmpack.RPMMetaData{
				Name: "hello", Version: fmt.Sprint(n), Release: "1", Arch: "x86_64", Provides: manyProvides(300_000),
			}, func(r *rpmpack.RPM) {
				r.AddCustomTag(tagSourceRPM, rpmpack.EntryString(fmt.Sprintf("hello-%d-1.src.rpm", n)))
			}))}
		}},
		{name: "a package that is truncated", want: "truncated: ", script: func(n int) script {
			whole := hello(t, n, "x86_64", bytes.Repeat([]byte("0123456789"), 100))
			return script{build: leave(files{fmt.Sprintf("hello-%d-1.x86_64.rpm", n): whole[:len(whole)-20]})}
		}},
		{name: "a package whose payload breaks off", want: "its payload can't be read", script: func(n int) script {
			whole := hello(t, n, "x86_64", bytes.Repeat([]byte("0123456789"), 100))
			return script{build: leave(files{fmt.Sprintf("hello-%d-1.x86_64.rpm", n): append(whole[:len(whole)-20], make([]byte, 20)...)})}
		}},
		{name: "a package with programs of another machine", want: "/usr/bin/hello is EM_AARCH64", script: func(n int) script {
			return script{build: leave(files{fmt.Sprintf("hello-%d-1.x86_64.rpm", n): hello(t, n, "x86_64", program("aarch64"))})}
		}},
		{name: "a noarch package with programs", want: "architecture dependent binaries in a noarch package", script: func(n int) script {
			return script{build: with(n, fmt.Sprintf("hello-%d-1.noarch.rpm", n), hello(t, n, "noarch", program("x86_64")))}
		}},
		{name: "more files than anybody needs", want: "the build left 5001 files, more than 5000", script: func(n int) script {
			return script{build: put(n, func(dir string) error {
				for i := range 5000 {
					if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)+".rpm"), nil, 0o644); err != nil {
						return err
					}
				}
				return nil
			})}
		}},
		{name: "a file of more than 16 GiB", want: "big.rpm has 17179869185 bytes, more than 17179869184", script: func(n int) script {
			return script{build: put(n, func(dir string) error {
				name := filepath.Join(dir, "big.rpm")
				if err := os.WriteFile(name, nil, 0o644); err != nil {
					return err
				}
				return os.Truncate(name, 16<<30+1)
			})}
		}},
		{name: "two source packages", part: "srpm", want: "2 source packages were made of hello.spec, expected one", script: func(n int) script {
			two := sourceOf(t, n)
			maps.Copy(two, sourceOf(t, n+1000))
			return script{srpm: leave(two)}
		}},
		{name: "no source package", part: "srpm", want: "0 source packages were made of hello.spec, expected one", script: func(int) script {
			return script{srpm: leave(nil)}
		}},
		{name: "a package instead of a source package", part: "srpm", want: "hello-N-1.x86_64.rpm is no source package", script: func(n int) script {
			return script{srpm: leave(in.packagesOf(t, n)["x86_64"])}
		}},
		{name: "the source package of another package", part: "srpm", want: `hello.spec makes the package "bash", the repository is rpms/hello`, script: func(int) script {
			return script{srpm: leave(files{"bash-1-1.src.rpm": source(t, "bash", "1", 0)})}
		}},
		{name: "a source package under another file name", part: "srpm", want: `"..evil\xff\n.rpm" says it is hello-N-1.src`, script: func(n int) script {
			return script{srpm: leave(files{"..evil\xff\n.rpm": sourceOf(t, n)[src(n)]})}
		}},
		{name: "144 bytes as source package", part: "srpm", want: "can't be read", script: func(n int) script {
			return script{srpm: leave(files{src(n): hugeHeader()})}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n, part := i+1, test.part
			if part == "" {
				part = "x86_64"
			}
			build := in.build(t, n, test.script(n))
			want := strings.ReplaceAll(test.want, "hello-N-", fmt.Sprintf("hello-%d-", n))
			row := in.failed(t, build, want)
			wantTasks, wantStatuses := "build FAILED\nbuildSRPM CLOSED\nbuildArch x86_64 FAILED", "f37 failure\nf37/srpm success\nf37/x86_64 failure"
			if part == "srpm" {
				wantTasks, wantStatuses = "build FAILED\nbuildSRPM FAILED", "f37 failure\nf37/srpm failure"
			}
			if diff := cmp.Diff(wantTasks, in.tasks(t, build)); diff != "" {
				t.Errorf("tasks (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantStatuses, in.Statuses(t, n)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if got := in.description(t, n, part); !strings.Contains(got, want) {
				t.Errorf("the status says %q, want %q in it", got, want)
			}
			if row.Phase != "verify" && row.Phase != "files" {
				t.Errorf("the build failed in phase %q", row.Phase)
			}
			failed := queuetest.Value[string](t, in.Pool, "select attempt || ' ' || failure from tasks where build_id = $1 and state = 'FAILED' and method <> 'build'", build)
			if failed != "1 "+queue.FailurePackage {
				t.Errorf("the task failed at attempt %s, want 1 package", failed)
			}
			if n := queuetest.Value[int](t, in.Pool, `select (select count(*) from task_artifacts a join tasks t on t.id = a.task_id where t.build_id = $1 and t.state = 'FAILED')
				+ (select count(*) from rpms where build_id = $1)`, build); n != 0 {
				t.Errorf("%d of its packages are recorded", n)
			}
		})
	}
}

// manyProvides are so many capabilities.
func manyProvides(n int) rpmpack.Relations {
	list := make(rpmpack.Relations, n)
	for i := range list {
		list[i] = &rpmpack.Relation{Name: fmt.Sprintf("capability-%d", i)}
	}
	return list
}
