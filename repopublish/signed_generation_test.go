package repopublish

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/store"
)

// TestGenerationsTellWhatTheyServe holds that the record of a generation is of
// the copies that clients get, and that another key is a change.
func TestGenerationsTellWhatTheyServe(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026", "y2027")
	build := s.complete(t, 1, "hello", "1", "hello.x86_64")
	s.tag(t, s.dist.DestTag, build)
	s.settled(t)
	numbers := []int64{s.newest(t)}
	for _, key := range []string{"y2026", "y2027"} {
		s.setExtra(t, SigningKeysExtra, `"`+key+`"`)
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		numbers = append(numbers, s.newest(t))
	}
	served := map[string]bool{}
	for _, number := range numbers {
		g, err := db.New(s.stage.Pool).Generation(t.Context(), db.GenerationParams{TagID: s.dist.DestTag, Number: number})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := db.New(s.stage.Pool).PackagesOfGeneration(t.Context(), db.PackagesOfGenerationParams{GenerationID: g.ID, MaxRows: 10})
		if err != nil || len(rows) != 1 {
			t.Fatalf("%v, %v", rows, err)
		}
		served[rows[0].Sha256] = true
		blob, err := os.Stat(s.stage.Store.Path(store.Blob{SHA256: rows[0].Sha256}))
		if err != nil || blob.Size() != rows[0].Size {
			t.Errorf("generation %d: %v, %v, want %d bytes", number, blob, err, rows[0].Size)
		}
		if href := publishedHref(t, s.stage, number, rows[0].Sha256); href == "" {
			t.Errorf("generation %d does not serve %s", number, rows[0].Sha256)
		}
	}
	if len(served) != 3 {
		t.Errorf("%d different copies are told, want the package and one for each key", len(served))
	}
	for i := range 2 {
		d, err := generations.Diff(t.Context(), s.stage.Pool, "f37", numbers[i], numbers[i+1])
		want := []generations.ArchDifference{{Arch: "x86_64", Packages: []generations.PackageChange{
			{Name: "hello", Arch: "x86_64", From: "1-1", To: "1-1", FromBuild: build, ToBuild: build},
		}}}
		if diff := cmp.Diff(want, d.Arch); diff != "" || err != nil {
			t.Errorf("from %d to %d: %v (-want +got):\n%s", numbers[i], numbers[i+1], err, diff)
		}
	}
	// Of what older versions made nobody knows which copies it served.
	if _, err := s.stage.Pool.Exec(t.Context(), "update repo_generations set copies_recorded = false where number = $1", numbers[1]); err != nil {
		t.Fatal(err)
	}
	if d, err := generations.Diff(t.Context(), s.stage.Pool, "f37", numbers[1], numbers[2]); err != nil || len(d.Arch) != 0 {
		t.Errorf("got %+v, %v", d.Arch, err)
	}
}

// publishedHref is where a generation of f37 serves a package of these bytes for
// x86_64, empty where it does not.
func publishedHref(t *testing.T, s *stage, number int64, sha256 string) (href string) {
	t.Helper()
	for _, p := range publishedPackages(t, s, number) {
		if p.Checksum == sha256 {
			href = p.Href
		}
	}
	return href
}

// publishedPackages are the packages of a generation of f37 for x86_64.
func publishedPackages(t *testing.T, s *stage, number int64) (list []repomd.PrimaryPackage) {
	t.Helper()
	dir := filepath.Join(treeOf(s.ReposDir, "f37", number), "x86_64")
	text, err := document(dir, "primary")
	if err != nil {
		t.Fatal(err)
	}
	err = repomd.ReadPrimary(bytes.NewReader(text), func(p repomd.PrimaryPackage) error {
		list = append(list, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
