package repopublish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// stage is a distribution with a store and a publisher that does not work yet.
type stage struct {
	*Publisher
	dist *queuetest.Distribution
}

func newStage(t *testing.T, arches ...string) *stage {
	t.Helper()
	return newStageOn(t, dbtest.New(t), arches...)
}

func newStageOn(t *testing.T, pool *pgxpool.Pool, arches ...string) *stage {
	t.Helper()
	dir := t.TempDir()
	artifacts, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = artifacts.Close() })
	jobs := queuetest.Inserter(t, pool)
	return &stage{
		Publisher: &Publisher{
			Pool: pool, Jobs: jobs, Store: artifacts, ReposDir: filepath.Join(dir, "repos"), CacheDir: filepath.Join(dir, "cache"), ExternalURL: queuetest.ExternalURL,
			Keep: 3, KeepFor: time.Hour, Logger: slog.New(slog.DiscardHandler),
		},
		dist: queuetest.NewDistribution(t, pool, jobs, arches...),
	}
}

// work publishes until the test ends.
func (s *stage) work(t *testing.T) {
	t.Helper()
	queuetest.Start(t, s.Pool, "publisher", func(workers *river.Workers, _ queue.Canceler) {
		river.AddWorker(workers, &Worker{Publisher: s.Publisher})
	}, queue.QueuePublish)
}

// complete makes the COMPLETE build NAME-VERSION-1 as hello's nth commit, with
// RPMs of these names and arches ("hello.x86_64").
func (s *stage) complete(t *testing.T, n int, name, version string, rpms ...string) int64 {
	t.Helper()
	build := s.dist.NewBuild(n)
	build.PackageID = queuetest.Package(t, s.Pool, name)
	id := s.dist.Start(t, build)
	queuetest.Exec(t, s.Pool, "update builds set state = 'COMPLETE', nvr = $2, version = $3, release = '1' where id = $1", id, name+"-"+version+"-1", version)
	queuetest.Exec(t, s.Pool, "update tasks set state = 'CLOSED' where build_id = $1 and method <> 'build'", id)
	for _, rpm := range rpms {
		rpmName, arch, _ := strings.Cut(rpm, ".")
		s.record(t, id, name, version, rpmName, arch, s.pack(t, rpmName, version, arch))
	}
	return id
}

// record says that a build has an RPM, whatever the blob is.
func (s *stage) record(t *testing.T, build int64, name, version, rpmName, arch string, blob store.Blob) {
	t.Helper()
	err := db.New(s.Pool).InsertRPMs(t.Context(), db.InsertRPMsParams{
		BuildID: build, BuildrootIds: []int64{0}, Names: []string{rpmName}, Epochs: []int32{0}, Versions: []string{version},
		Releases: []string{"1"}, Arches: []string{arch}, Sources: []bool{arch == "src"}, Sha256s: []string{blob.SHA256},
		Sizes: []int64{blob.Size}, BuildTimes: []int64{1_700_000_000},
		Paths: []string{"packages/" + name + "/" + version + "/1/" + arch + "/" + rpmName + "-" + version + "-1." + arch + ".rpm"},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pack makes an RPM and puts it into the store.
func (s *stage) pack(t *testing.T, name, version, arch string) store.Blob {
	t.Helper()
	return s.packRequiring(t, name, version, arch)
}

// packRequiring is pack for a package that requires others.
func (s *stage) packRequiring(t *testing.T, name, version, arch string, requires ...string) store.Blob {
	t.Helper()
	raw := rpmtest.Pack(t, rpmpack.RPMMetaData{
		Name: name, Version: version, Release: "1", Arch: arch, Summary: name, BuildTime: time.Unix(1_700_000_000, 0),
	}, func(r *rpmpack.RPM) {
		for _, require := range requires {
			if err := r.Requires.Set(require); err != nil {
				t.Fatal(err)
			}
		}
		r.AddFile(rpmpack.RPMFile{Name: "/usr/share/" + name + "/version", Body: []byte(version + "-1"), Mode: 0o644, Owner: "root", Group: "root"})
	})
	blob, err := s.Store.Put(t.Context(), bytes.NewReader(raw), "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// labelsRead says of all packages that they are known not to be modular, so that
// their headers are first read for their metadata.
func (s *stage) labelsRead(t *testing.T) {
	t.Helper()
	queuetest.Exec(t, s.Pool, "update rpms set modularity_label = ''")
}

// tag tags a build, as tagging does.
func (s *stage) tag(t *testing.T, tag, build int64) {
	t.Helper()
	queuetest.Tx(t, s.Pool, func(tx pgx.Tx) error { return queuetest.TagBuild(t.Context(), tx, s.Jobs, tag, build) })
}

// regenerate wants a tag made anew.
func (s *stage) regenerate(t *testing.T, tag int64) {
	t.Helper()
	queuetest.Tx(t, s.Pool, func(tx pgx.Tx) error {
		_, err := queuetest.Raise(t.Context(), tx, s.Jobs, tag)
		return err
	})
}

// settled waits until nothing is left to publish.
func (s *stage) settled(t *testing.T) {
	t.Helper()
	queuetest.WaitRow(t, s.Pool, "publishing ends", `select not exists
		(select from river_job where kind = 'repopublish.publish' and state in ('available', 'running', 'scheduled', 'retryable'))`)
}

// hurry lets jobs that wait for another try run now.
func (s *stage) hurry(t *testing.T) {
	t.Helper()
	queuetest.Exec(t, s.Pool, "update river_job set state = 'available', scheduled_at = now() where state in ('available', 'retryable', 'scheduled')")
}

// fresh fails the test for tags whose repository does not hold what is wanted.
func (s *stage) fresh(t *testing.T) {
	t.Helper()
	stale := queuetest.Values[string](t, s.Pool, `select name || ': wants ' || want_rev || ', has ' || built_rev || ', newest generation ' || coalesce(max(g.rev), 0)
		from tags t left join repo_generations g on g.tag_id = t.id and g.state = 'published'
		group by t.id having want_rev <> built_rev or built_rev <> coalesce(max(g.rev), 1) order by 1`)
	if len(stale) > 0 {
		t.Errorf("stale tags:\n%s", strings.Join(stale, "\n"))
	}
}

// latestOf resolves a tag's newest generation, as a server does once for each
// request.
func (s *stage) latestOf(tag string) (string, error) {
	number, err := os.Readlink(filepath.Join(s.ReposDir, tag, latest))
	return filepath.Join(s.ReposDir, tag, number), err
}

// readRepo reads a repository as a client does: everything repomd.xml names
// must be there with the right checksum, and so must every package. It returns
// the packages and the repository's revision.
func readRepo(dir string) (packages []string, revision string, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "repodata", "repomd.xml"))
	if err != nil {
		return nil, "", err
	}
	index, err := repomd.ReadRepomd(bytes.NewReader(text))
	if err != nil {
		return nil, "", err
	}
	for _, data := range index.Data {
		content, err := os.ReadFile(filepath.Join(dir, data.Href))
		if err != nil {
			return nil, "", err
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != data.SHA256 {
			return nil, "", fmt.Errorf("%s has another checksum than repomd.xml says", data.Href)
		}
		if data.Type != "primary" {
			continue
		}
		opened, err := repomd.Decompress(data.Href, bytes.NewReader(content))
		if err != nil {
			return nil, "", err
		}
		err = repomd.ReadPrimary(opened, func(p repomd.PrimaryPackage) error {
			rpm, err := os.ReadFile(filepath.Join(dir, p.Href))
			if err != nil {
				return err
			}
			if sum := sha256.Sum256(rpm); hex.EncodeToString(sum[:]) != p.Checksum {
				return fmt.Errorf("%s has another checksum than primary.xml says", p.Href)
			}
			packages = append(packages, p.NVRA())
			return nil
		})
		if err := errors.Join(err, opened.Close()); err != nil {
			return nil, "", err
		}
	}
	slices.Sort(packages)
	return packages, index.Revision, nil
}

// wantPackages compares what the newest generation of a tag holds.
func (s *stage) wantPackages(t *testing.T, tag, arch string, want ...string) {
	t.Helper()
	dir, err := s.latestOf(tag)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := readRepo(filepath.Join(dir, arch))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s of %s (-want +got):\n%s", arch, tag, diff)
	}
}

// dnf runs dnf with the newest generation of a tag, served over HTTP, as its
// only repository.
func (s *stage) dnf(t *testing.T, tag string, args ...string) string {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(s.ReposDir)))
	defer server.Close()
	state := t.TempDir()
	config := filepath.Join(state, "dnf.conf")
	if err := os.WriteFile(config, []byte("[main]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "dnf"), append([]string{
		"--quiet", "--config=" + config, "--forcearch=x86_64", "--releasever=37", "--nogpgcheck", "--noplugins",
		"--setopt=reposdir=/dev/null", "--setopt=cachedir=" + state, "--setopt=persistdir=" + state, "--setopt=logdir=" + state,
		"--repofrompath=published," + server.URL + "/" + tag + "/latest/x86_64", "--repo=published",
	}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, &stdout, &stderr)
	}
	return stdout.String()
}

// names lists what lies in a tag's directory.
func (s *stage) names(t *testing.T, tag string) (trees, unfinished []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.ReposDir, tag))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		switch {
		case strings.HasPrefix(entry.Name(), partial):
			unfinished = append(unfinished, entry.Name())
		case entry.IsDir():
			trees = append(trees, entry.Name())
		}
	}
	return trees, unfinished
}

// wantNoLeftovers fails the test when an unfinished tree of f37 lies around.
func (s *stage) wantNoLeftovers(t *testing.T) {
	t.Helper()
	if _, unfinished := s.names(t, "f37"); len(unfinished) > 0 {
		t.Errorf("%v was left behind", unfinished)
	}
}

// wantTreesAsRecorded waits until the sweep that follows a publish has ended:
// then the generations that lie there are those the database calls published,
// each whole, and nothing else.
func (s *stage) wantTreesAsRecorded(t *testing.T, tag string) {
	t.Helper()
	var recorded []string
	queuetest.Wait(t, "old generations are swept", func() (bool, string) {
		recorded = queuetest.Values[string](t, s.Pool, `select number::text from repo_generations g join tags t on t.id = g.tag_id
			where t.name = $1 and g.state = 'published' order by 1`, tag)
		trees, unfinished := s.names(t, tag)
		return slices.Equal(trees, recorded) && len(unfinished) == 0,
			fmt.Sprintf("%v and %v lie in %s, %v are recorded as published", trees, unfinished, tag, recorded)
	})
	for _, number := range recorded {
		if _, _, err := readRepo(filepath.Join(s.ReposDir, tag, number, "x86_64")); err != nil {
			t.Errorf("generation %s of %s is not whole: %v", number, tag, err)
		}
	}
}
