package directory

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/directory/directorytest"
)

// stampOf is the revision and the newest timestamp of a repository.
func stampOf(tb testing.TB, dir string) (revision string, timestamp int64) {
	tb.Helper()
	md, err := repomd.ReadRepomd(strings.NewReader(repodata(tb, dir)["repodata/repomd.xml"]))
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range md.Data {
		timestamp = max(timestamp, d.Timestamp)
	}
	return md.Revision, timestamp
}

// Clients keep what they have when metadata does not become newer.
func TestRevisionAndTimestampGrowWithEveryChange(t *testing.T) {
	t.Parallel()
	const built = 1_700_000_000 // the first release
	type stamp struct {
		Revision  string
		Timestamp int64
	}
	number := func(n int64) stamp { return stamp{strconv.FormatInt(n, 10), n} }
	history := func() (stamps []stamp) {
		dir, cache := t.TempDir(), t.TempDir()
		var newer string
		for _, step := range []struct {
			name   string
			change func()
			opts   Options
			want   stamp
		}{
			{"one package", func() { directorytest.Pack(t, dir, 1, 1) }, Options{}, number(built + 1)},
			{"a newer one", func() { newer = directorytest.Pack(t, dir, 2, 500) }, Options{}, number(built + 500)},
			{"nothing", func() {}, Options{}, number(built + 500)},
			{"the newer one goes", func() {
				if err := os.Remove(newer); err != nil {
					t.Fatal(err)
				}
			}, Options{}, number(built + 501)},
			{"nothing again", func() {}, Options{}, number(built + 501)},
			{"an older one", func() { directorytest.Pack(t, dir, 3, 1) }, Options{}, number(built + 502)},
			{"modules", func() {}, Options{Modules: defaults("1")}, number(built + 503)},
			{"a revision of one's own", func() {}, Options{Revision: "2030"}, stamp{"2030", built + 503}},
			{"another compression", func() {}, Options{Compression: repomd.Zstd}, number(built + 504)},
			{"no modules", func() {}, Options{Drop: []string{"modules"}, Compression: repomd.Zstd}, number(built + 505)},
			{"a huge revision", func() {}, Options{Revision: "20300101120000", Compression: repomd.Zstd}, stamp{"20300101120000", built + 505}},
			{"a package after that", func() { directorytest.Pack(t, dir, 4, 1) }, Options{Compression: repomd.Zstd}, stamp{"20300101120001", built + 506}},
			{"a much newer one", func() { directorytest.Pack(t, dir, 5, 9000) }, Options{Revision: "r", Compression: repomd.Zstd}, stamp{"r", built + 9000}},
			{"one more", func() { directorytest.Pack(t, dir, 6, 1) }, Options{Compression: repomd.Zstd}, number(built + 9001)},
		} {
			step.change()
			step.opts.Dir, step.opts.CacheDir, step.opts.Update = dir, cache, true
			result := mustCreate(t, step.opts)
			revision, timestamp := stampOf(t, dir)
			if got := (stamp{revision, timestamp}); got != step.want || result.Revision != revision {
				t.Errorf("%s: %+v, told %q, want %+v", step.name, got, result.Revision, step.want)
			}
			stamps = append(stamps, stamp{revision, timestamp})
		}
		return stamps
	}
	if diff := cmp.Diff(history(), history()); diff != "" {
		t.Errorf("the same history twice (-first +second)\n%s", diff)
	}
}

func TestStampAfterOtherPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	directorytest.Pack(t, dir, 1, 1)
	tool(t, "createrepo_c", "-q", dir) // with the time of the run
	_, theirs := stampOf(t, dir)
	mustCreate(t, Options{Dir: dir})
	if revision, ours := stampOf(t, dir); ours != theirs+1 || revision != strconv.FormatInt(ours, 10) {
		t.Errorf("revision %s and timestamp %d after %d", revision, ours, theirs)
	}
	// Nothing follows the largest number.
	last := before{md: repomd.Repomd{Revision: strconv.Itoa(math.MaxInt64), Data: []repomd.Data{{Timestamp: math.MaxInt64}}}}
	if revision, timestamp := last.stamp(repomd.Repomd{}, 1, ""); timestamp != math.MaxInt64 || revision != strconv.Itoa(math.MaxInt64) {
		t.Errorf("revision %s and timestamp %d", revision, timestamp)
	}
}
