package repopublish

import (
	"testing"

	"github.com/distbot/distbot/queue/queuetest"
)

// TestNamesKeepTheirBytes holds that the file name of a package never gets the
// bytes of another build's package of that name.
func TestNamesKeepTheirBytes(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
	s.work(t)
	younger := s.complete(t, 0, "aaa", "1")
	first := s.complete(t, 1, "bbb", "1", "shared.x86_64")
	other := s.packRequiring(t, "shared", "1", "x86_64", "other-bytes")
	s.record(t, younger, "aaa", "1", "shared", "x86_64", other)
	s.tag(t, s.dist.DestTag, first)
	s.settled(t)
	const usual = "Packages/s/shared-1-1.x86_64.rpm"
	before := publishedPackages(t, s, s.newest(t))
	if len(before) != 1 || before[0].Href != usual {
		t.Fatalf("published: %+v", before)
	}
	is := func(when, href, sha256 string) {
		t.Helper()
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "shared-1-1.x86_64")
		if now := publishedPackages(t, s, s.newest(t)); now[0].Href != href || now[0].Checksum != sha256 {
			t.Errorf("%s: %s at %s, want %s at %s", when, now[0].Checksum, now[0].Href, sha256, href)
		}
	}
	s.tag(t, s.dist.DestTag, younger)
	is("another build has one of the name", usual, before[0].Checksum)
	queuetest.Exec(t, s.Pool, "delete from tag_builds where build_id = $1", first)
	s.regenerate(t, s.dist.DestTag)
	is("the first one is gone", "Packages/s/"+other.SHA256+"/shared-1-1.x86_64.rpm", other.SHA256)
	s.regenerate(t, s.dist.DestTag)
	is("published again", "Packages/s/"+other.SHA256+"/shared-1-1.x86_64.rpm", other.SHA256)
	s.tag(t, s.dist.DestTag, first)
	is("the first one is there again", usual, before[0].Checksum)
}
