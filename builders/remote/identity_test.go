package remote

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestOnlyTheHostOfAnAttemptSpeaksOfIt(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	owner, other := newLiar(t, b, "far-1"), newLiar(t, b, "far-2")
	owner.begin(t)
	good := sourcePackage(t)
	requests := map[string]func(l *liar) (int, problem){
		"phase": func(l *liar) (int, problem) {
			return l.post(t, taskPath(l.claim, "phase"), phaseMessage{Phase: "srpm"})
		},
		"log":     func(l *liar) (int, problem) { return l.post(t, taskPath(l.claim, "logs/build.log?offset=0"), "x") },
		"result":  func(l *liar) (int, problem) { return l.put(t, "hello-1-1.src.rpm", good, sumOf(good)) },
		"sources": func(l *liar) (int, problem) { return l.send(t, "GET", taskPath(l.claim, "sources"), nil, nil) },
		"repo": func(l *liar) (int, problem) {
			return l.send(t, "GET", taskPath(l.claim, "repos/0/repodata/repomd.xml"), nil, nil)
		},
		"finish": func(l *liar) (int, problem) {
			return l.post(t, taskPath(l.claim, "finish"), finishMessage{Outcome: outcome()})
		},
		"fail":    func(l *liar) (int, problem) { return l.post(t, taskPath(l.claim, "fail"), failMessage{}) },
		"release": func(l *liar) (int, problem) { return l.post(t, taskPath(l.claim, "release"), reasonMessage{}) },
		"refuse":  func(l *liar) (int, problem) { return l.post(t, taskPath(l.claim, "refuse"), reasonMessage{}) },
	}
	for name, test := range map[string]struct {
		// pretend makes a host what it says.
		pretend func() *liar
		code    string
	}{
		"Another host with the session and token of the first": {func() *liar {
			l := *other
			l.session, l.claim, l.token = owner.session, owner.claim, owner.token
			return &l
		}, codeLostAttempt},
		"Another host with the token":   {func() *liar { l := *other; l.claim, l.token = owner.claim, owner.token; return &l }, codeLostAttempt},
		"The host without a token":      {func() *liar { l := *owner; l.token = ""; return &l }, codeToken},
		"The host with another token":   {func() *liar { l := *owner; l.token = newSecret(); return &l }, codeToken},
		"A former process of the host":  {func() *liar { l := *owner; l.session = "far-1-0123"; return &l }, codeLostAttempt},
		"The host with another attempt": {func() *liar { l := *owner; l.claim.Attempt++; return &l }, codeLostAttempt},
		"The host with another task":    {func() *liar { l := *owner; l.claim.TaskID++; return &l }, codeLostAttempt},
	} {
		for what, request := range requests {
			t.Run(name+" is refused: "+what, func(t *testing.T) {
				if status, p := request(test.pretend()); p.Code != test.code {
					t.Errorf("%d %+v, want %s", status, p, test.code)
				}
			})
		}
	}
	state := queuetest.Value[string](t, b.Pool, "select state || ' ' || phase from tasks where id = $1", owner.claim.TaskID)
	if state != "OPEN " {
		t.Errorf("the task is %q after all that, want OPEN", state)
	}
	if n := queuetest.Value[int](t, b.Pool, "select count(*) from task_uploads"); n != 0 {
		t.Errorf("%d uploads were noted", n)
	}
	if _, err := os.Stat(filepath.Join(b.stages.Logs.Dir(owner.claim.TaskID, 1), "build.log")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log was written: %v", err)
	}
	t.Run("Only the host itself begins what it was given", func(t *testing.T) {
		status, p := other.post(t, taskPath(owner.claim, "begin"), nil)
		if status != http.StatusGone || p.Code != codeTaskOver {
			t.Errorf("%d %+v", status, p)
		}
	})
	t.Run("A host is who its certificate says", func(t *testing.T) {
		var connected connectAnswer
		other.mustPost(t, Prefix+"connect", queue.HostInfo{Name: "far-1", Arches: []string{"x86_64"}, Capacity: 1, Driver: "liar"}, &connected)
		if connected.HostID != other.id || connected.Host != "far-2" {
			t.Errorf("connected as %+v, want far-2", connected)
		}
		if still := queuetest.Value[bool](t, b.Pool, "select client_id = $1 from hosts where name = 'far-1'", owner.session); !still {
			t.Error("far-1 has lost its session to far-2")
		}
	})
	t.Run("A certificate that does not count is nobody", func(t *testing.T) {
		b.mu.Lock()
		for print, peer := range b.peers {
			if peer.HostID == other.id {
				delete(b.peers, print)
			}
		}
		b.mu.Unlock()
		if status, p := other.post(t, Prefix+"heartbeat", queue.HostStatus{}); status != http.StatusForbidden || p.Code != codeIdentity {
			t.Errorf("%d %+v", status, p)
		}
	})
}
