// Package directorytest makes directories of RPMs for tests and benchmarks.
package directorytest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// Pack writes a package such as most are: a dozen dependencies, dozens of
// files, a changelog, and ten kilobytes that don't compress. Its content
// follows from its number and release, and so does its name, which is returned
// as a path.
func Pack(tb testing.TB, dir string, number, release int) string {
	tb.Helper()
	name := fmt.Sprintf("package%05d", number)
	random := rand.New(rand.NewPCG(uint64(number), uint64(release)))
	body := make([]byte, 10_000)
	for i := range body {
		body[i] = byte(random.Uint32())
	}
	raw := rpmtest.Pack(tb, rpmpack.RPMMetaData{
		Name: name, Version: "1.0", Release: fmt.Sprint(release), Arch: "x86_64", Summary: "Package " + name,
		Description: "A package of a benchmark.\nIt has a description of two lines.", BuildTime: time.Unix(1_700_000_000+int64(release), 0),
		Compressor: "gzip",
	}, func(r *rpmpack.RPM) {
		r.AddFile(rpmpack.RPMFile{Name: "/usr/bin/" + name, Body: body})
		for i := range 40 {
			r.AddFile(rpmpack.RPMFile{Name: fmt.Sprintf("/usr/share/%s/directory%d/file%d", name, i%4, i)})
		}
		var requires, flags []string
		for i := range 12 {
			requires, flags = append(requires, fmt.Sprintf("lib%d.so.%d()(64bit)", (number*7+i*13)%1000, i)), append(flags, "")
		}
		r.AddCustomTag(1049, rpmpack.EntryStringSlice(requires))
		r.AddCustomTag(1048, rpmpack.EntryUint32(make([]uint32, len(requires))))
		r.AddCustomTag(1050, rpmpack.EntryStringSlice(flags))
		var times []uint32
		var authors, texts []string
		for i := range 10 {
			times = append(times, uint32(1_700_000_000-i*1_000_000))
			authors = append(authors, "Jane Doe <jane@example.org> - 1.0-1")
			texts = append(texts, fmt.Sprintf("- change %d of %s\n- another line of it", random.IntN(1000), name))
		}
		r.AddCustomTag(1080, rpmpack.EntryUint32(times))
		r.AddCustomTag(1081, rpmpack.EntryStringSlice(authors))
		r.AddCustomTag(1082, rpmpack.EntryStringSlice(texts))
	})
	file := filepath.Join(dir, name+fmt.Sprintf("-1.0-%d.x86_64.rpm", release))
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		tb.Fatal(err)
	}
	return file
}
