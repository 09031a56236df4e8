package slim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/repopublish/moduletest"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// BenchmarkSlimOf200From5000 takes 200 packages, which are artifacts of 20
// streams, out of 5,000, all that a run does: reading the source, checking and
// copying the RPMs, and writing.
func BenchmarkSlimOf200From5000(b *testing.B) {
	const packages, streams = 5000, 100
	dir := b.TempDir()
	var modules strings.Builder
	var list []string
	for s := range streams {
		fmt.Fprintf(&modules, "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m%d\n  stream: \"1\"\n  version: 1\n  context: c\n  arch: x86_64\n  summary: s\n  description: d\n"+
			"  license:\n    module: [MIT]\n  dependencies:\n  - requires:\n      platform: [el8]\n  profiles:\n    default:\n      rpms: [package%05d, package%05d]\n  artifacts:\n    rpms:\n",
			s, s*10, s*10+1)
		for i := range 10 {
			fmt.Fprintf(&modules, "    - package%05d-0:1.0-1.x86_64\n", s*10+i)
		}
		modules.WriteString("...\n")
	}
	for i := range packages {
		name := fmt.Sprintf("package%05d", i)
		raw := rpmtest.Pack(b, rpmpack.RPMMetaData{Name: name, Version: "1.0", Release: "1", Arch: "x86_64", Summary: "s", BuildTime: time.Unix(1, 0), Compressor: "gzip"}, func(r *rpmpack.RPM) {
			for j := range 40 {
				r.AddFile(rpmpack.RPMFile{Name: fmt.Sprintf("/usr/share/%s/file%d", name, j)})
			}
			var requires []string
			for j := range 12 {
				requires = append(requires, fmt.Sprintf("lib%d.so.%d()(64bit)", (i*7+j*13)%1000, j))
			}
			r.AddCustomTag(1049, rpmpack.EntryStringSlice(requires))
			r.AddCustomTag(1048, rpmpack.EntryUint32(make([]uint32, len(requires))))
			r.AddCustomTag(1050, rpmpack.EntryStringSlice(make([]string, len(requires))))
		})
		if err := os.WriteFile(filepath.Join(dir, name+"-1.0-1.x86_64.rpm"), raw, 0o644); err != nil {
			b.Fatal(err)
		}
		if i < 200 {
			list = append(list, name)
		}
	}
	moduletest.Create(b, dir, modules.String())
	outs := b.TempDir()
	n := 0
	for b.Loop() {
		n++
		s, err := snapshot.Open(b.Context(), snapshot.Source{Name: "r", Location: dir}, snapshot.Options{Documents: []string{"primary", "modules"}})
		if err != nil {
			b.Fatal(err)
		}
		r, err := Make(b.Context(), []*snapshot.Snapshot{s}, Options{Packages: list, Out: filepath.Join(outs, fmt.Sprint(n))})
		if err != nil || r.Packages != 200 || len(r.Streams) != 20 {
			b.Fatalf("%+v %v", r, err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
