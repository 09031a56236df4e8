package tags_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/tags"
)

// size is how large a distribution of the benchmarks is: a chain of tags c0 to
// c6, each inheriting from the next, packages listed in c6, one percent of them
// blocked in c2, and builds spread over all tags.
type size struct {
	packages, builds int
	// revoked is how many taggings there were that are over.
	revoked int
}

// The sizes the real hub was measured with.
var (
	sizeA = size{packages: 5_000, builds: 20_000}
	sizeB = size{packages: 24_000, builds: 72_000, revoked: 720_000}
)

// links is how many links the chain has.
const links = 6

// distribution is an installation with data for benchmarks.
type distribution struct {
	pool *pgxpool.Pool
	tag  tagview.Tag // c0
}

// newDistribution fills a database. Its pool is set up as the server's.
func newDistribution(b *testing.B, s size) distribution {
	b.Helper()
	config, err := pgxpool.ParseConfig(dbtest.NewURL(b))
	if err != nil {
		b.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["jit"] = "off"
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	// Foreign keys hold by construction: checking a million of them takes longer
	// than all benchmarks.
	for _, statement := range []string{
		`set session_replication_role = replica`,
		`insert into events (actor, what) select 'distbot', 'benchmark' from generate_series(1, 1000 + $builds + $revoked)`,
		`insert into tags (name, arches, create_event) select 'c' || n, '{x86_64}', 1 from generate_series(0, $links) n`,
		`insert into tag_config (tag_id, arches, create_event) select id, 'x86_64', 1 from tags`,
		`insert into tag_inheritance (tag_id, parent_id, priority, create_event)
			select c.id, p.id, 0, 2 from tags c join tags p on p.id = c.id + 1`,
		`insert into packages (name) select 'package-' || lpad(n::text, 6, '0') from generate_series(1, $packages) n`,
		`insert into tag_packages (tag_id, package_id, create_event) select t.id, p.id, 3 from tags t, packages p where t.name = 'c$links'`,
		`insert into tag_packages (tag_id, package_id, blocked, create_event)
			select t.id, p.id, true, 4 from tags t, packages p where t.name = 'c2' and p.id % 100 = 0`,
		`insert into tag_package_owners (tag_id, package_id, owner_id, create_event)
			select l.tag_id, l.package_id, u.id, l.create_event from tag_packages l, users u where u.name = 'distbot'`,
		`insert into repositories (forge, forge_repo_id, full_name, clone_url) values ('none', '1', 'none', 'none')`,
		`insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev,
				version, release, nvr, state, finished_at)
			select p.id, r.id, 't', 1, 1, false, 'refs/heads/main', repeat('a', 40), now(), 'x.spec', 0,
				'1.' || n / $packages, '1', p.name || '-1.' || n / $packages || '-1', 'COMPLETE', now()
			from generate_series(0, $builds - 1) n join packages p on p.id = n % $packages + 1, repositories r order by n`,
		// Ten taggings of each build before the one that counts.
		`insert into tag_builds (tag_id, build_id, package_id, create_event, revoke_event)
			select b.id % ($links + 1) + 1, b.id, b.package_id, 10 + n, 11 + n
			from generate_series(0, $revoked - 1) n join builds b on b.id = n % $builds + 1 order by n`,
		`insert into tag_builds (tag_id, build_id, package_id, create_event)
			select b.id % ($links + 1) + 1, b.id, b.package_id, 20 + $revoked + b.id from builds b order by b.id`,
		`set session_replication_role = default`,
		`vacuum analyze`,
	} {
		sql := strings.NewReplacer("$packages", strconv.Itoa(s.packages), "$builds", strconv.Itoa(s.builds),
			"$revoked", strconv.Itoa(s.revoked), "$links", strconv.Itoa(links)).Replace(statement)
		if _, err := pool.Exec(b.Context(), sql); err != nil {
			b.Fatalf("%s: %v", sql, err)
		}
	}
	d := distribution{pool: pool}
	if d.tag, err = d.reader().Tag(b.Context(), "c0"); err != nil {
		b.Fatal(err)
	}
	return d
}

func (d distribution) reader() tagview.Reader { return tagview.Reader{Conn: d.pool} }

// BenchmarkTags asks the questions of the table in docs/performance.md.
func BenchmarkTags(b *testing.B) {
	for _, s := range []struct {
		name string
		size size
	}{{"A", sizeA}, {"B", sizeB}} {
		b.Run(s.name, func(b *testing.B) { newDistribution(b, s.size).run(b) })
	}
}

// BenchmarkGrowth shows how the cost grows with the number of builds.
func BenchmarkGrowth(b *testing.B) {
	for _, builds := range []int{1_000, 10_000, 100_000} {
		b.Run(strconv.Itoa(builds), func(b *testing.B) {
			newDistribution(b, size{packages: builds / 4, builds: builds, revoked: builds}).run(b)
		})
	}
}

func (d distribution) run(b *testing.B) {
	ctx, r, tag := b.Context(), d.reader(), d.tag
	// One package and build of the middle, whose nearest tag is not the first.
	build := d.someBuild(b)
	measure := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			d.cpu(b, func() {
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
	b.Run("latest", func(b *testing.B) { d.latest(b) })
	measure("latest-ids", func() error { _, err := r.LatestBuildIDs(ctx, tag.ID); return err })
	measure("builds", func() error { _, err := r.Builds(ctx, tag.ID, tagview.BuildQuery{Inherit: true}); return err })
	measure("packages", func() error { _, err := r.Packages(ctx, tag.ID, tagview.PackageQuery{Inherit: true}); return err })
	measure("walk", func() error { _, err := r.Inheritance(ctx, tag.ID); return err })
	measure("config", func() error { _, err := r.Config(ctx, tag); return err })
	measure("taggable", func() error {
		_, err := r.Packages(ctx, tag.ID, tagview.PackageQuery{Inherit: true, PackageID: build.PackageID})
		return err
	})
	measure("latest-of-package", func() error {
		_, err := r.Builds(ctx, tag.ID, tagview.BuildQuery{Inherit: true, Latest: 1, PackageID: build.PackageID})
		return err
	})
	measure("explain-package", func() error { _, err := r.Explain(ctx, tag.Name, build.Package); return err })
	measure("explain-build", func() error { _, err := r.Explain(ctx, tag.Name, build.NVR); return err })
	measure("history-of-package", func() error { _, err := r.History(ctx, tagview.HistoryQuery{Package: build.Package}); return err })
	measure("history-of-tag", func() error {
		_, err := r.History(ctx, tagview.HistoryQuery{Tag: tag.Name, Limit: 1000})
		return err
	})
	past := tagview.Reader{Conn: d.pool, At: tagview.At(d.lastEvent(b) - 1000)}
	measure("past-latest-ids", func() error { _, err := past.LatestBuildIDs(ctx, tag.ID); return err })
	measure("last-change", func() error { _, err := r.LastChange(ctx, tag.ID, true); return err })
	b.Run("tag-build", func(b *testing.B) { d.tagBuild(b, build.NVR) })
}

func (d distribution) lastEvent(b *testing.B) (id int64) {
	b.Helper()
	if err := d.pool.QueryRow(b.Context(), "select max(create_event) from tag_builds").Scan(&id); err != nil {
		b.Fatal(err)
	}
	return id
}

func (d distribution) someBuild(b *testing.B) tagview.Build {
	b.Helper()
	var id int64
	if err := d.pool.QueryRow(b.Context(), "select id from packages where name like 'package-%' and id % 100 <> 0 order by id offset 77 limit 1").Scan(&id); err != nil {
		b.Fatal(err)
	}
	builds, err := d.reader().Builds(b.Context(), d.tag.ID, tagview.BuildQuery{Inherit: true, Latest: 1, PackageID: id})
	if err != nil || len(builds) != 1 {
		b.Fatalf("builds of package %d: %v, %v", id, builds, err)
	}
	return builds[0]
}

// latest lists the latest builds and writes them as JSON. Beside the time it
// reports the most memory the process held, the Go runtime and this program
// included.
func (d distribution) latest(b *testing.B) {
	list := func() int {
		builds, err := d.reader().Builds(b.Context(), d.tag.ID, tagview.BuildQuery{Inherit: true, Latest: 1})
		if err != nil {
			b.Fatal(err)
		}
		text, err := json.Marshal(builds)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(builds)), "builds")
		return len(text)
	}
	b.ReportAllocs()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600); err != nil {
		b.Fatal(err) // Resets the peak.
	}
	d.cpu(b, func() {
		for b.Loop() {
			list()
		}
	})
	b.ReportMetric(float64(list())/1e6, "MB-JSON")
	b.ReportMetric(peakMB(b), "MB-peak-RSS")
}

// cpu reports how long processors worked for an operation, those of this program
// and those of PostgreSQL: their sum is what it would take on an idle machine
// with one, whatever else this one is doing.
func (d distribution) cpu(b *testing.B, run func()) {
	b.Helper()
	own, server := d.cpuTime(b)
	run()
	ownAfter, serverAfter := d.cpuTime(b)
	b.ReportMetric(float64(ownAfter-own)/float64(b.N)/1e6, "CPU-ms/op")
	b.ReportMetric(float64(serverAfter-server)/float64(b.N)/1e6, "PostgreSQL-ms/op")
}

// cpuTime is the processor time of this process and of its connections so far.
func (d distribution) cpuTime(b *testing.B) (own, server time.Duration) {
	b.Helper()
	rows, err := d.pool.Query(b.Context(), "select pid from pg_stat_activity where datname = current_database() and backend_type = 'client backend'")
	if err != nil {
		b.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		b.Fatal(err)
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			b.Fatal(err)
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			b.Fatal(err)
		}
		server += time.Duration(ns)
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), server
}

// peakMB is the most memory this process held since the peak was reset.
func peakMB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kB float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kB); n == 1 {
			return kB / 1024
		}
	}
	b.Fatal("the kernel does not report VmHWM")
	return 0
}

// tagBuild tags a build into the tag at the bottom of the chain, so that the
// repositories of all seven are to be made anew.
func (d distribution) tagBuild(b *testing.B, nvr string) {
	jobs, err := queue.NewClient(d.pool, queue.Config{ID: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	editor := &tags.Editor{Pool: d.pool, Jobs: jobs}
	bottom := "c" + strconv.Itoa(links)
	do := func(what string, edit func(*tags.Edit) error) {
		if _, err := editor.Do(b.Context(), tags.System, what, edit); err != nil {
			b.Fatal(err)
		}
	}
	for range b.N {
		do("tag", func(e *tags.Edit) error { return e.TagBuild(context.Background(), bottom, nvr, false) })
		b.StopTimer()
		do("untag", func(e *tags.Edit) error { return e.UntagBuild(context.Background(), bottom, nvr, false) })
		b.StartTimer()
	}
}
