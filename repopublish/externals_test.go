package repopublish

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distbot/distbot/queue/queuetest"
)

// hanging is a server that accepts connections and never answers; it counts
// them.
func hanging(t *testing.T) (url string, asked *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked = &atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			asked.Add(1)
			open = append(open, conn)
		}
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return "http://" + listener.Addr().String(), asked
}

func TestExternalRepositoriesThatHang(t *testing.T) {
	t.Parallel()
	stageWith := func(t *testing.T, policy string) (s *stage, asked *atomic.Int64) {
		t.Helper()
		s = newLoneStage(t, "x86_64", "riscv64")
		s.externals.within = 200 * time.Millisecond
		s.setting(t, ClosureExtra, `"`+policy+`"`)
		url, asked := hanging(t)
		queuetest.Exec(t, s.Pool, `insert into tag_external_repos (tag_id, name, url, priority, create_event) select $1, 'dead', $2, 1, max(id) from events`, s.dist.DestTag, url+"/$arch/")
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		s.work(t)
		return s, asked
	}

	t.Run("don't keep a tag that is only warned from being published, and are not asked each time", func(t *testing.T) {
		t.Parallel()
		s, asked := stageWith(t, "warn")
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
		found := queuetest.Value[string](t, s.Pool, "select closure->>'unchecked' from repo_generations where tag_id = $1 and state = 'published' order by number desc limit 1", s.dist.DestTag)
		if want := "external repository dead: external repositories were not read within 200ms"; !strings.Contains(found, want) {
			t.Errorf("recorded %q, want %q in it", found, want)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("it was asked %d times, want once for all architectures", n)
		}
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		s.fresh(t)
		if n := asked.Load(); n != 1 {
			t.Errorf("it was asked %d times, want once for some minutes", n)
		}
	})

	t.Run("are asked again by a tag that depends on them", func(t *testing.T) {
		t.Parallel()
		s, asked := stageWith(t, "block")
		queuetest.Wait(t, "it is asked again", func() (bool, string) {
			s.hurry(t)
			return asked.Load() > 1, s.troubleOf(t)
		})
		queuetest.WaitRow(t, s.Pool, "the trouble is told", "select exists (select from repo_troubles where tag_id = $1 and kind = 'failing' and reason like '%external repositories were not read within 200ms%')", s.dist.DestTag)
	})
}
