//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/rpmpack"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish"
	"github.com/distbot/distbot/web"
)

// TestPublishesUnderReaders publishes again and again under readers that never
// pause: the real dnf, which makes its cache anew each time, and a client that
// downloads all that the latest generation names. A generation is kept for a
// minute after it was replaced. Now and then somebody goes back to the generation
// before and ends that again. It is 150 publishes, or DISTBOT_PUBLISHES: a
// thousand take some minutes.
//
//nolint:paralleltest // it takes all the processors there are
func TestPublishesUnderReaders(t *testing.T) {
	const builds = 40
	publishes := 150
	if text := os.Getenv("DISTBOT_PUBLISHES"); text != "" {
		var err error
		if publishes, err = strconv.Atoi(text); err != nil || publishes < 1 {
			t.Fatalf("DISTBOT_PUBLISHES is %q, want a number of publishes", text)
		}
	}
	pool, dir := dbtest.New(t), t.TempDir()
	files, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	jobs := queuetest.Inserter(t, pool)
	dist := queuetest.NewDistribution(t, pool, jobs, "x86_64")
	queuetest.Exec(t, pool, "delete from tag_inheritance")
	var ids []int64
	for n := range builds {
		ids = append(ids, packedBuild(t, dist, files, n))
	}
	log := slog.New(slog.DiscardHandler)
	repos := filepath.Join(dir, "repos")
	queuetest.Start(t, pool, "publisher", func(workers *river.Workers, _ queue.Canceler) {
		river.AddWorker(workers, &repopublish.Worker{Publisher: &repopublish.Publisher{
			Pool: pool, Jobs: jobs, Store: files, ReposDir: repos, CacheDir: filepath.Join(dir, "cache"),
			ExternalURL: queuetest.ExternalURL, Keep: 2, KeepFor: time.Minute, Every: time.Millisecond, Logger: log,
		}})
	}, queue.QueuePublish)
	handler, err := web.New(web.Config{
		Pool: pool, Logs: tasklog.In(dir), ReposDir: repos, StoreDir: filepath.Join(dir, "store"), ExternalURL: queuetest.ExternalURL, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	publish := func(build int64) {
		rev := int64(0)
		queuetest.Tx(t, pool, func(tx pgx.Tx) error {
			// Tagged anew it is the newest again.
			if _, err := tx.Exec(t.Context(), "update tag_builds set revoke_event = create_event where build_id = $1 and revoke_event is null", build); err != nil {
				return err
			}
			if err := queuetest.TagBuild(t.Context(), tx, jobs, dist.DestTag, build); err != nil {
				return err
			}
			return tx.QueryRow(t.Context(), "select want_rev from tags where id = $1", dist.DestTag).Scan(&rev)
		})
		queuetest.WaitRow(t, pool, "the build is published", "select built_rev >= $2 from tags where id = $1", dist.DestTag, rev)
	}
	publish(ids[0])

	url := server.URL + "/repos/f37/latest/x86_64"
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers errgroup.Group
	var made, downloaded atomic.Int64
	read := func(count *atomic.Int64, once func() error) {
		readers.Go(func() error {
			defer stop()
			for ctx.Err() == nil {
				if err := once(); err != nil && ctx.Err() == nil {
					return err
				}
				count.Add(1)
			}
			return nil
		})
	}
	home := t.TempDir()
	read(&made, func() error { return makecache(ctx, t, home, url) })
	read(&downloaded, func() error { return download(ctx, url) })
	for n := 1; n <= publishes && ctx.Err() == nil; n++ {
		publish(ids[n%builds])
		if n%10 == 0 {
			thereAndBack(t, pool, jobs, repos, dist.DestTag)
		}
	}
	stop()
	if err := readers.Wait(); err != nil {
		t.Error(err)
	}
	if made.Load() < 3 || downloaded.Load() < 50 {
		t.Errorf("%d caches made by dnf and %d downloads: the readers did not read", made.Load(), downloaded.Load())
	}
	if n := queuetest.Value[int](t, pool, "select count(*) from repo_generations where tag_id = $1 and state <> 'building'", dist.DestTag); n < publishes {
		t.Errorf("%d generations were published, want %d at least", n, publishes)
	}
	t.Logf("%d caches made by dnf and %d repositories downloaded", made.Load(), downloaded.Load())
}

// thereAndBack goes back to the generation before the newest, and publishes what
// the tag says again.
func thereAndBack(t *testing.T, pool *pgxpool.Pool, jobs queue.Inserter, repos string, tag int64) {
	t.Helper()
	if _, err := repopublish.GoBack(t.Context(), pool, jobs, repos, "f37", 0, "test", "under readers"); err != nil {
		t.Fatal(err)
	}
	queuetest.WaitRow(t, pool, "it went back", "select made_id is not null from repo_holds where tag_id = $1", tag)
	_, rev, err := repopublish.Publish(t.Context(), pool, jobs, "f37")
	if err != nil {
		t.Fatal(err)
	}
	queuetest.WaitRow(t, pool, "the tag is published again", "select built_rev >= $2 from tags where id = $1", tag, rev)
}

// packedBuild makes the COMPLETE build packageN-V-1 with a package of that name.
func packedBuild(t *testing.T, dist *queuetest.Distribution, files *store.Store, n int) int64 {
	t.Helper()
	name, version := fmt.Sprintf("package%d", n%4), fmt.Sprint(n+1)
	build := dist.NewBuild(n)
	build.PackageID = queuetest.Package(t, dist.Pool, name)
	id := dist.Start(t, build)
	raw := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: name, Version: version, Release: "1", Arch: "x86_64", Summary: name, BuildTime: time.Unix(1_700_000_000, 0)}, nil)
	blob, err := files.Put(t.Context(), bytes.NewReader(raw), "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	queuetest.Exec(t, dist.Pool, "update builds set state = 'COMPLETE', nvr = $2, version = $3, release = '1' where id = $1", id, name+"-"+version+"-1", version)
	queuetest.Exec(t, dist.Pool, `insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path)
		values ($1, $2, 0, $3, '1', 'x86_64', false, $4, $5, 1700000000, '-')`, id, name, version, blob.SHA256, blob.Size)
	return id
}

// makecache is dnf's, with everything fetched again that may have changed.
func makecache(ctx context.Context, t *testing.T, home, url string) error {
	config := filepath.Join(home, "dnf.conf")
	if err := os.WriteFile(config, []byte("[main]\n"), 0o644); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, rpmtest.Tool(t, "dnf"), "--quiet", "--config="+config, "--forcearch=x86_64", "--releasever=37", "--nogpgcheck",
		"--noplugins", "--setopt=reposdir=/dev/null", "--setopt=cachedir="+home+"/cache", "--setopt=persistdir="+home+"/persist", "--setopt=logdir="+home,
		"--setopt=retries=1", "--repofrompath=published,"+url, "--repo=published", "--refresh", "makecache").CombinedOutput()
	if err != nil {
		return fmt.Errorf("dnf makecache: %w\n%s", err, out)
	}
	return nil
}

// download fetches a repository and checks everything, as clients do.
func download(ctx context.Context, url string) error {
	index, err := fetch(ctx, url+"/repodata/repomd.xml")
	if err != nil {
		return err
	}
	md, err := repomd.ReadRepomd(strings.NewReader(index))
	if err != nil {
		return err
	}
	primary, ok := md.Find("primary")
	if !ok {
		return errors.New("repomd.xml lists no primary")
	}
	for _, data := range md.Data {
		text, err := fetch(ctx, url+"/"+data.Href)
		if err != nil {
			return err
		}
		if int64(len(text)) != data.Size {
			return fmt.Errorf("%s has %d bytes, want %d", data.Href, len(text), data.Size)
		}
		if data.Type != primary.Type {
			continue
		}
		err = repomd.ReadPackages(data, strings.NewReader(text), func(p repomd.PrimaryPackage) error {
			rpm, err := fetch(ctx, url+"/"+p.Href)
			if sum := sha256.Sum256([]byte(rpm)); err == nil && hex.EncodeToString(sum[:]) != p.Checksum {
				err = fmt.Errorf("%s has %d bytes and another checksum, want %d", p.Href, len(rpm), p.Size)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func fetch(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return string(body), err
}
