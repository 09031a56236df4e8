package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/queue/queuetest"
)

// BenchmarkRepositorySwitch measures how long after the switch of a repository
// those go on who wait for it: the moment is that at which the finished tree of
// the generation got its number, just before latest points to it.
func BenchmarkRepositorySwitch(b *testing.B) {
	b.Run("a command that waits for it ends", func(b *testing.B) {
		f, n := newFlow(b, 1), 0
		f.switches(b, func(b *testing.B) time.Duration {
			name := f.newPackage(b, n)
			n++
			f.call(b, "build", "submit", name, "--target", "f37", "--wait-repo").want(b, exitDone)
			return time.Since(f.switched(b, "select t.name, g.number from repo_generations g join tags t on t.id = g.tag_id order by g.published_at desc, g.id desc limit 1"))
		})
	})
	b.Run("the next group of a chain is given to a host", func(b *testing.B) {
		f, n := newFlow(b, 1), 0
		f.switches(b, func(b *testing.B) time.Duration {
			first, second := f.newPackage(b, n), f.newPackage(b, n+1)
			n += 2
			chain := f.call(b, "build", "submit", "--chain", first, ":", second, "--target", "f37", "--background", "--json").want(b, exitDone).chain(b)
			before, after := *chain.Builds[0].Build, *chain.Builds[1].Build
			given := queuetest.Value[time.Time](b, f.pool, "select assigned_at from tasks where build_id = $1 and method = 'buildSRPM'", after)
			return given.Sub(f.switched(b, `select t.name, g.number from repo_generations g join builds b on b.build_tag = g.tag_id join tags t on t.id = g.tag_id
				where b.id = $1 and g.rev >= b.build_tag_rev order by g.number limit 1`, before))
		})
	})
	b.Run("a build that waits for it is given to a host", func(b *testing.B) {
		f, n := newFlow(b, 1), 0
		f.switches(b, func(b *testing.B) time.Duration {
			name := f.newPackage(b, n)
			n++
			resume := f.holdPublisher(b, "f37-build")
			f.call(b, "repo", "publish", "f37-build").want(b, exitDone)
			f.call(b, "build", "submit", name, "--target", "f37", "--nowait").want(b, exitDone)
			f.wait(b, "the build waits", `select exists (select from tasks t join builds b on b.id = t.build_id join tags g on g.id = b.build_tag
				where t.method = 'buildSRPM' and t.state = 'FREE' and g.built_rev < b.need_rev)`)
			resume()
			f.published(b, n)
			build := queuetest.Value[int64](b, f.pool, "select max(id) from builds")
			given := queuetest.Value[time.Time](b, f.pool, "select assigned_at from tasks where build_id = $1 and method = 'buildSRPM'", build)
			return given.Sub(f.switched(b, `select t.name, g.number from repo_generations g join builds b on b.build_tag = g.tag_id join tags t on t.id = g.tag_id
				where b.id = $1 and g.rev >= b.need_rev order by g.number limit 1`, build))
		})
	})
}

// switches runs what takes some time after a switch, and reports that.
func (f *flow) switches(b *testing.B, run func(*testing.B) time.Duration) {
	b.Helper()
	var total, worst time.Duration
	n := 0
	for b.Loop() {
		took := run(b)
		total, worst, n = total+took, max(worst, took), n+1
	}
	b.ReportMetric(float64(total.Microseconds())/1000/float64(n), "ms/switch")
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst")
	b.ReportMetric(0, "ns/op")
}

// newPackage makes the nth package, unless it is there, and returns its name.
func (f *flow) newPackage(b *testing.B, n int) string {
	b.Helper()
	name := packageName(n)
	if _, there := f.heads[name]; !there {
		f.makeRepository(b, filepath.Join(f.server.Config.path("git"), "rpms"), name)
	}
	return name
}

// switched is when the generation became the latest that a query tells by tag
// and number.
func (f *flow) switched(b *testing.B, query string, args ...any) time.Time {
	b.Helper()
	var tag string
	var number int64
	if err := f.pool.QueryRow(b.Context(), query, args...).Scan(&tag, &number); err != nil {
		b.Fatal(err)
	}
	info, err := os.Lstat(filepath.Join(f.server.reposDir(), tag, fmt.Sprint(number)))
	if err != nil {
		b.Fatal(err)
	}
	// A rename changes the status of what it renames, and nothing does later.
	changed := info.Sys().(*syscall.Stat_t).Ctim
	return time.Unix(changed.Unix())
}

// holdPublisher keeps a tag's repository from being made until resume is called.
func (f *flow) holdPublisher(b *testing.B, tag string) (resume func()) {
	b.Helper()
	file, err := os.OpenFile(filepath.Join(f.server.reposDir(), tag, ".lock"), os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	queuetest.Wait(b, "the repository is not being made", func() (bool, string) {
		return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil, "somebody makes it"
	})
	return func() { _ = file.Close() }
}
