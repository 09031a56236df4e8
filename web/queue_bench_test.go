package web

import (
	"net/http"
	"testing"
)

// BenchmarkQueue reads the pages and answers about 100,000 tasks of two
// architectures and four priorities that wait, half of them for a repository,
// beside 100 hosts.
func BenchmarkQueue(b *testing.B) {
	s := newSite(b)
	s.exec(fixtureSQL)
	s.exec(`insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, planned_nvr, state)
		select 1, 1, 'f37', 2, 1, false, 'refs/heads/f37', lpad(n::text, 40, '0'), now(), 'libhello.spec', 9 - n % 2, 'libhello-' || n || '-1.fc37', 'BUILDING'
		from generate_series(1, 50000) n`)
	s.exec(`insert into tasks (build_id, method, label, state, weight, arch, root_arches, bin, priority, waits_tag, waits_rev)
		select b.id, 'buildArch', 'libhello', 'FREE', 1.5, a, array[a], a, 10 * (1 + b.id % 4),
		       case when b.need_rev = 9 then b.build_tag end, case when b.need_rev = 9 then b.need_rev end
		from builds b, unnest(array['x86_64', 'riscv64']) a where b.id > 5 order by b.id`)
	s.exec(`insert into hosts (name, arches, capacity, client_id, seen_at)
		select 'host-' || n, array['x86_64'], 2, 'client-' || n, now() + interval '1 hour' from generate_series(1, 100) n`)
	s.exec("vacuum analyze")
	for name, path := range map[string]string{
		"the page":                            "/queue",
		"the page of one architecture":        "/queue?channel=default&arch=riscv64",
		"the page in the middle":              "/queue?after=20.50000",
		"the answer":                          "/api/v1/queue",
		"the answer with as many as it gives": "/api/v1/queue?limit=500",
		"the hosts":                           "/hosts",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if got := s.get(path); got.status != http.StatusOK {
					b.Fatalf("GET %s: %d", path, got.status)
				}
			}
		})
	}
}
