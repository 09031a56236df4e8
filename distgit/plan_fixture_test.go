package distgit

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/plaingit"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// pullForge is a folder of bare repositories whose deliveries may also be pull
// requests: a forge.Event as JSON.
type pullForge struct{ *plaingit.Forge }

const eventPull = "pull_request"

// Parse implements forge.Forge.
func (f pullForge) Parse(header http.Header, body []byte) (forge.Event, error) {
	if header.Get(plaingit.EventHeader) != eventPull {
		return f.Forge.Parse(header, body)
	}
	var event forge.Event
	if err := json.Unmarshal(body, &event); err != nil {
		return forge.Event{}, &forge.MalformedError{Reason: "body is no event"}
	}
	return event.Vet()
}

// hub is a planner with a forge "git" and a database. Branch f37 has the target
// f37, branch rawhide the targets f38 and next, and wip branches are ignored.
type hub struct {
	*Planner
	t    *testing.T
	pool *pgxpool.Pool
	root string
	seen int
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, pool: dbtest.New(t), root: t.TempDir()}
	driver, err := plaingit.New(plaingit.Config{Root: h.root})
	if err != nil {
		t.Fatal(err)
	}
	h.Planner = &Planner{
		Pool: h.pool, Jobs: queuetest.Inserter(t, h.pool), Hosts: map[string]Host{"git": {Forge: pullForge{driver}, Base: h.root}},
		Mirrors: &Mirrors{Dir: t.TempDir()}, ExternalURL: queuetest.ExternalURL, Logger: slog.New(slog.DiscardHandler),
	}
	build := queuetest.Tag(t, h.pool, "f37-build", "x86_64")
	queuetest.Exec(t, h.pool, `update tags set extra = '{"rpm.macro.dist": ".fc37"}'`)
	dest := queuetest.Tag(t, h.pool, "f37", "x86_64")
	for target, branch := range map[string]string{"f37": "f37", "f38": "rawhide", "next": "rawhide"} {
		queuetest.Exec(t, h.pool, `insert into build_targets (name, build_tag, dest_tag, branches, create_event)
			values ($1, $2, $3, array[$4], 1)`, target, build, dest, branch)
	}
	queuetest.Exec(t, h.pool, "insert into ignored_branches values ('wip/**'), ('private-*')")
	return h
}

// repository makes an empty repository of the hub's forge, whose package the
// destination tag lists.
func (h *hub) repository(id string) *origin {
	h.t.Helper()
	dest := queuetest.Value[int64](h.t, h.pool, "select id from tags where name = 'f37'")
	queuetest.List(h.t, h.pool, dest, queuetest.Package(h.t, h.pool, path.Base(id)))
	o := &origin{t: h.t, root: h.root, id: id, work: h.t.TempDir()}
	o.run(h.root, "init", "-q", "--bare", "-b", "main", o.bare())
	o.git("init", "-q", "-b", "main")
	o.git("remote", "add", "origin", o.bare())
	return o
}

// spec is a spec of a package.
func spec(name, version string) string {
	return "Name: " + name + "\nVersion: " + version + "\nRelease: 1%{?dist}\nSummary: A package\nLicense: MIT\n%description\nA package.\n"
}

// hello is a repository rpms/hello with a spec, pushed to the branch.
func (h *hub) hello(branch string) (o *origin, commit string) {
	h.t.Helper()
	o = h.repository("rpms/hello")
	return o, o.change("hello.spec", spec("hello", "1.0"), "refs/heads/"+branch)
}

// change commits one file and pushes to a ref.
func (o *origin) change(name, content, ref string) (commit string) {
	o.t.Helper()
	o.write(name, content)
	commit = o.commit("change " + name)
	o.push(ref)
	return commit
}

// work plans deliveries until the test ends.
func (h *hub) work() {
	h.t.Helper()
	queuetest.Start(h.t, h.pool, "planner", func(workers *river.Workers, jobs queue.Canceler) {
		h.Jobs = jobs
		river.AddWorker(workers, &PlanWorker{Planner: h.Planner})
		river.AddWorker(workers, &ReconcileWorker{Planner: h.Planner})
	}, queue.QueueControl)
}

// received stores a delivery as the front door does and returns its id. Its
// planning is not enqueued.
func (h *hub) received(event, repository string, body any) int64 {
	h.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	h.seen++
	id := "delivery-" + strconv.Itoa(h.seen)
	headers, err := json.Marshal(map[string]string{plaingit.EventHeader: event, plaingit.DeliveryHeader: id})
	if err != nil {
		h.t.Fatal(err)
	}
	return queuetest.Value[int64](h.t, h.pool, `insert into deliveries (forge, delivery_id, event, repository, state, headers, body)
		values ('git', $1, $2, $3, 'received', $4, $5) returning id`, id, event, repository, headers, text)
}

// pushed stores the delivery of a push.
func (h *hub) pushed(o *origin, ref, commit string) int64 {
	h.t.Helper()
	return h.received(plaingit.EventPush, o.id, map[string]string{
		"repository": o.id, "ref": ref, "before": strings.Repeat("0", 40), "after": commit, "pusher": "ann",
	})
}

// pulled pushes HEAD as the head of a pull request and stores its delivery.
func (h *hub) pulled(o *origin, number int64, base string) (delivery int64, head string) {
	h.t.Helper()
	o.push(fmt.Sprintf("refs/pull/%d/head", number))
	head = o.git("rev-parse", "HEAD")
	return h.received(eventPull, o.id, forge.Event{
		Kind: forge.EventPullRequest, Repository: forge.Repository{ID: o.id, FullName: o.id},
		PullRequest: &forge.PullRequest{Number: number, Head: head, BaseBranch: base, Author: "ann"},
	}), head
}

// enqueue asks for the planning of a delivery.
func (h *hub) enqueue(delivery int64) {
	h.t.Helper()
	queuetest.Tx(h.t, h.pool, func(tx pgx.Tx) error {
		_, err := queue.Insert(h.t.Context(), tx, h.Jobs, queue.PlanArgs{DeliveryID: delivery})
		return err
	})
}

// plan enqueues the planning of a delivery, waits for it and returns what
// became of it, as "STATE: REASON".
func (h *hub) planned(delivery int64) string {
	h.t.Helper()
	h.enqueue(delivery)
	return h.over(delivery)
}

func (h *hub) over(delivery int64) string {
	h.t.Helper()
	queuetest.Wait(h.t, "the delivery is planned", func() (bool, string) {
		now := queuetest.Value[string](h.t, h.pool, `select d.state || coalesce(': ' || (select string_agg(errors::text, ' ') from river_job
			where (args->>'delivery_id')::bigint = d.id), '') from deliveries d where id = $1`, delivery)
		return !strings.HasPrefix(now, "received"), now
	})
	return queuetest.Value[string](h.t, h.pool, "select state || ': ' || reason from deliveries where id = $1", delivery)
}

// builds lists all builds as "TARGET COMMIT STATE", commits cut to seven
// digits, scratch builds with their pull request.
func (h *hub) builds() []string {
	h.t.Helper()
	return queuetest.Values[string](h.t, h.pool, `select target || ' ' || left(commit_id, 7) || ' ' || state ||
		case when scratch then ' scratch of ' || pull_number else '' end from builds order by id`)
}

// statuses lists what is wanted on a commit as "CONTEXT STATE: DESCRIPTION".
func (h *hub) statuses(commit string) []string {
	h.t.Helper()
	return queuetest.Values[string](h.t, h.pool, `select context || ' ' || state || ': ' || description from reports
		where commit_id = $1 order by context collate "C"`, commit)
}
