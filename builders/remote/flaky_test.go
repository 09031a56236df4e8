package remote

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// flaky is a network that loses requests, answers, and the ends of answers.
type flaky struct {
	http.RoundTripper
	mu   sync.Mutex
	draw *rand.Rand
	// lost counts what was lost, by the end of the request's path.
	lost map[string]int
}

var errLine = errors.New("the line is dead")

func newFlaky(base http.RoundTripper, seed uint64) *flaky {
	return &flaky{RoundTripper: base, draw: rand.New(rand.NewPCG(seed, 0)), lost: map[string]int{}}
}

// chance draws what happens to a request.
func (f *flaky) chance(r *http.Request) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.draw.IntN(100)
	if n < 40 {
		f.lost[r.Method]++
	}
	return n
}

// RoundTrip implements http.RoundTripper.
func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	n := f.chance(r)
	if n < 15 { // The request is lost.
		if r.Body != nil {
			_ = r.Body.Close() // as a transport must
		}
		return nil, errLine
	}
	response, err := f.RoundTripper.RoundTrip(r)
	switch {
	case err != nil:
	case n < 30: // The answer is lost.
		return nil, errors.Join(errLine, response.Body.Close())
	case n < 40: // Its end is lost.
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(response.Body, 20), broken{}), response.Body}
	}
	return response, err
}

// TestLostRequestsAndAnswers builds over a network that loses four of ten
// exchanges: every build is complete, at its first attempt.
func TestLostRequestsAndAnswers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			b.schedule(t)
			h := b.newBuilder(t, "far-1", b.driver(t, nil))
			if err := h.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			network := newFlaky(h.client.HTTP.Transport, seed)
			h.client.Lease, h.client.HTTP, h.client.Files = &http.Client{Transport: network}, &http.Client{Transport: network}, &http.Client{Transport: network}
			b.run(t, h)
			build := b.Start(t, b.NewBuild(1))
			if state, reason := b.state(t, build); state != queue.BuildComplete {
				t.Fatalf("the build is %s: %s", state, reason)
			}
			tasks, err := db.New(b.Pool).TasksOfBuild(t.Context(), build)
			if err != nil {
				t.Fatal(err)
			}
			for _, task := range tasks {
				if task.Attempt > 1 {
					t.Errorf("task %d (%s) took %d attempts: %v", task.ID, task.Method, task.Attempt, attempts(t, b.Pool, task.ID))
				}
				if task.Method == queue.MethodBuildArch {
					if log := b.logOf(t, queue.Claim{TaskID: task.ID, Attempt: 1}, "build.log"); log != "built hello-1-1.x86_64.rpm\n" {
						t.Errorf("the log is %q", log)
					}
				}
			}
			network.mu.Lock()
			defer network.mu.Unlock()
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				if network.lost[method] == 0 {
					t.Errorf("no %s was lost: the test shows nothing", method)
				}
			}
		})
	}
}

// TestRestartOfTheHub kills the hub's side while a build runs, and answers again
// at the same address.
func TestRestartOfTheHub(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.schedule(t)
	g := newGate()
	h := b.start(t, b.newBuilder(t, "far-1", b.driver(t, g.then(leave("hello-1-1.x86_64.rpm", binaryPackage(t))))))
	build := b.Start(t, b.NewBuild(1))
	order := receive(t, "the build begins", g.began)
	b.kill()
	close(g.open)
	b.serve(t, b.address)
	if state, reason := b.state(t, build); state != queue.BuildComplete {
		t.Errorf("the build is %s: %s", state, reason)
	}
	if lost := attempts(t, b.Pool, order.TaskID); len(lost) > 0 {
		t.Errorf("lost attempts: %v", lost)
	}
	if connected := queuetest.Value[bool](t, b.Pool, "select client_id is not null from hosts where id = $1", h.id); !connected {
		t.Error("the host has lost its session")
	}
}

// TestTwoProcessesOfAHost has a second process take over from one that lives: the
// first ends its build and returns.
func TestTwoProcessesOfAHost(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.schedule(t)
	g := newGate()
	first := b.newBuilder(t, "far-1", b.driver(t, g.then(nil)))
	b.start(t, first)
	build := b.Start(t, b.NewBuild(1))
	order := receive(t, "the build begins", g.began)
	second := b.sameHost(t, first, b.driver(t, nil))
	b.start(t, second)
	first.LookNow()
	receive(t, "the first process ends", first.ended)
	if !errors.Is(first.cause, queue.ErrLostLease) {
		t.Errorf("the first process ended with %v, want %v", first.cause, queue.ErrLostLease)
	}
	if state, reason := b.state(t, build); state != queue.BuildComplete {
		t.Errorf("the build is %s: %s", state, reason)
	}
	if got := attempts(t, b.Pool, order.TaskID); len(got) != 1 || got[0] != "1 lost: the builder was started again" {
		t.Errorf("lost attempts: %v", got)
	}
}
