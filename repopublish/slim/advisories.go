package slim

import (
	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// advisories makes updateinfo.xml of those of the sources: an update stays known
// for a package if the repository has it or a later version, of the same module
// stream. What fixed an older version is fixed in a later one, and clients that
// ask for security updates find it by the older one's advisory.
func (p *plan) advisories() ([]byte, error) {
	type key struct{ stream, name, arch string }
	newest := map[key]rpmfile.NEVRA{}
	listed := p.whole.ByArtifact()
	note := func(stream string, n rpmfile.NEVRA) {
		k := key{stream, n.Name, n.Arch}
		if old, ok := newest[k]; !ok || rpmfile.CompareEVR(old, n) < 0 {
			newest[k] = n
		}
	}
	for _, a := range p.packages {
		streams := listed[modulemd.FormatArtifact(a.NEVRA)]
		for _, s := range streams {
			note(s.NameStream(), a.NEVRA)
		}
		if len(streams) == 0 {
			note("", a.NEVRA)
		}
	}
	keep := func(stream string, n rpmfile.NEVRA) bool {
		there, ok := newest[key{stream, n.Name, n.Arch}]
		return ok && rpmfile.CompareEVR(n, there) <= 0
	}
	return p.selected("updateinfo", []string{"updateinfo"}, func(documents []repomd.Source) (text []byte, err error) {
		var ids []string
		text, ids, err = repomd.SelectUpdateinfo(documents, keep)
		p.report.Advisories = append(p.report.Advisories, ids...)
		return text, err
	})
}
