package directory

import (
	"os"
	"testing"

	"github.com/distbot/distbot/repopublish/directory/directorytest"
)

// BenchmarkUpdate measures a run in which one package of 5,000 changed. The
// whole process is compared with createrepo_c in cmd/distbot.
func BenchmarkUpdate(b *testing.B) {
	const packages = 5000
	dir, cache := b.TempDir(), b.TempDir()
	for i := range packages {
		directorytest.Pack(b, dir, i, 1)
	}
	create := func() {
		if _, err := Create(b.Context(), Options{Dir: dir, CacheDir: cache, Update: true}); err != nil {
			b.Fatal(err)
		}
	}
	create()
	release := 1
	for b.Loop() {
		b.StopTimer()
		release++
		changed := directorytest.Pack(b, dir, packages/2, release)
		b.StartTimer()
		create()
		b.StopTimer()
		if err := os.Remove(changed); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
