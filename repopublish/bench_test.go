package repopublish

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// BenchmarkPublish makes a generation that differs from the one before by one
// package: with the metadata of the one before and its packages' tree at hand,
// and where the metadata is read from the database.
func BenchmarkPublish(b *testing.B) {
	for _, packages := range []int{5000, 20000} {
		p, tag := newBigTag(b, packages)
		for _, warm := range []bool{true, false} {
			b.Run(fmt.Sprintf("packages=%d/kept=%t", packages, warm), func(b *testing.B) {
				defer debug.SetGCPercent(debug.SetGCPercent(200)) // as in serve
				dir := filepath.Join(p.ReposDir, "big")
				publish := func() *generation {
					b.StopTimer()
					queuetest.Exec(b, p.Pool, "update tags set want_rev = want_rev + 1 where id = $1", tag.ID)
					b.StartTimer()
					c, err := p.current(b.Context(), tag.ID)
					if err != nil {
						b.Fatal(err)
					}
					made, err := p.make(b.Context(), dir, tag, c)
					if err != nil || made.packages() != packages {
						b.Fatalf("made %+v, %v; want %d packages", made, err, packages)
					}
					return made
				}
				var recording time.Duration
				record := func(made *generation) {
					begin := time.Now()
					w := &Worker{Publisher: p}
					if err := pgx.BeginFunc(b.Context(), p.Pool, func(tx pgx.Tx) error { return w.publishRow(b.Context(), tx, tag.ID, made) }); err != nil {
						b.Fatal(err)
					}
					recording += time.Since(begin)
				}
				made := publish()
				record(made)
				if warm {
					p.prepare(b.Context(), tag.ID, made)
				}
				recording = 0
				for n := 0; b.Loop(); n++ {
					b.StopTimer()
					if !warm {
						if err := os.RemoveAll(p.CacheDir); err != nil {
							b.Fatal(err)
						}
					}
					// Anywhere: what comes after it is hashed anew.
					addBigBuild(b, p, tag.ID, (n*7919+packages/2)%packages, fmt.Sprintf("%d%d.%t", b.N, n, warm))
					b.StartTimer()
					made := publish()
					b.StopTimer()
					record(made)
					if warm {
						// Nobody waits for it.
						p.prepare(b.Context(), tag.ID, made)
					}
					if err := os.RemoveAll(filepath.Join(dir, fmt.Sprint(made.number-1))); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/publish")
				b.ReportMetric(float64(recording.Milliseconds())/float64(b.N), "ms/record")
			})
		}
	}
}

// newBigTag makes a tag with that many packages of 40 files each.
func newBigTag(tb testing.TB, packages int) (*Publisher, db.TagForPublishRow) {
	tb.Helper()
	dir := tb.TempDir()
	artifacts, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = artifacts.Close() })
	p := &Publisher{
		Pool: dbtest.New(tb), Store: artifacts, ReposDir: filepath.Join(dir, "repos"), CacheDir: filepath.Join(dir, "cache"), Keep: 1, Logger: slog.New(slog.DiscardHandler),
	}
	tag := db.TagForPublishRow{ID: queuetest.Tag(tb, p.Pool, "big", "x86_64"), Name: "big", Arches: []string{"x86_64"}, WantRev: 2}
	queuetest.Repository(tb, p.Pool, "git", "rpms/big")
	unlock, err := lock(filepath.Join(p.ReposDir, "big"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(unlock)
	for n := range packages {
		addBigBuild(tb, p, tag.ID, n, "1")
	}
	// As autovacuum does.
	queuetest.Exec(tb, p.Pool, "analyze")
	return p, tag
}

// addBigBuild tags a build of the nth package.
func addBigBuild(tb testing.TB, p *Publisher, tag int64, n int, release string) {
	tb.Helper()
	name := fmt.Sprintf("package%04d", n)
	raw := rpmtest.Pack(tb, rpmpack.RPMMetaData{
		Name: name, Version: "1", Release: release, Arch: "x86_64", Summary: name, Description: strings.Repeat("What "+name+" does. ", 20),
		BuildTime: time.Unix(1_700_000_000, 0),
	}, func(r *rpmpack.RPM) {
		for file := range 40 {
			r.AddFile(rpmpack.RPMFile{Name: fmt.Sprintf("/usr/share/%s/some/directory/file%02d.txt", name, file), Body: []byte(release), Mode: 0o644})
		}
	})
	blob, err := p.Store.Put(tb.Context(), bytes.NewReader(raw), "", 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	queuetest.Exec(tb, p.Pool, `with event as (insert into events (actor, what) values ('test', 'tag') returning id),
		build as (insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, state)
			select $1, id, 'big', $2, $2, false, '', '', now(), '', 1, 'COMPLETE' from repositories returning id),
		tagged as (insert into tag_builds (tag_id, build_id, package_id, create_event) select $2, build.id, $1, event.id from build, event),
		listed as (insert into tag_packages (tag_id, package_id, create_event) select $2, $1, event.id from event on conflict do nothing),
		owned as (insert into tag_package_owners (tag_id, package_id, owner_id, create_event)
			select $2, $1, u.id, event.id from event, users u where u.name = 'distbot' on conflict do nothing)
		insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path)
		select id, $3, 0, '1', $4, 'x86_64', false, $5, $6, 1700000000, '-' from build`,
		queuetest.Package(tb, p.Pool, name), tag, name, release, blob.SHA256, blob.Size)
}
