// Package queuetest sets the scene for tests of the stages: a distribution with
// tags, repositories and builds, and a client that works its jobs.
//
// It knows the rows a build needs to exist and how to wait for a state without
// sleeping, and refuses to know what any stage does. Nothing but tests may
// import it.
package queuetest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// patience is how long Wait waits for a state before the test fails.
const patience = 30 * time.Second

// look is how often Wait looks.
const look = 5 * time.Millisecond

// ExternalURL is the address of the installation under test.
const ExternalURL = "https://distbot.example.org"

// Wait looks until reached says that the state is there, and fails the test
// with the newest text of reached when patience is over.
func Wait(tb testing.TB, what string, reached func() (ok bool, now string)) {
	tb.Helper()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; <-ticker.C {
		ok, now := reached()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%s: not within %s; now %s", what, patience, now)
		}
	}
}

// WaitRow waits until sql, a query of one boolean, is true.
func WaitRow(tb testing.TB, pool *pgxpool.Pool, what, sql string, args ...any) {
	tb.Helper()
	Wait(tb, what, func() (bool, string) {
		ok := Value[bool](tb, pool, sql, args...)
		return ok, fmt.Sprintf("%s is %t", sql, ok)
	})
}

// Value returns the one value a query gives.
func Value[T any](tb testing.TB, pool *pgxpool.Pool, sql string, args ...any) T {
	tb.Helper()
	var value T
	if err := pool.QueryRow(context.Background(), sql, args...).Scan(&value); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return value
}

// Values returns the first column of a query.
func Values[T any](tb testing.TB, pool *pgxpool.Pool, sql string, args ...any) []T {
	tb.Helper()
	rows, err := pool.Query(context.Background(), sql, args...)
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return values
}

// Exec runs a statement.
func Exec(tb testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	tb.Helper()
	if _, err := pool.Exec(context.Background(), sql, args...); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// Tx runs do in a transaction.
func Tx(tb testing.TB, pool *pgxpool.Pool, do func(tx pgx.Tx) error) {
	tb.Helper()
	if err := pgx.BeginFunc(context.Background(), pool, do); err != nil {
		tb.Fatalf("transaction: %v", err)
	}
}

// Inserter returns a client that works nothing.
func Inserter(tb testing.TB, pool *pgxpool.Pool) *queue.Client {
	tb.Helper()
	client, err := queue.NewClient(pool, queue.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// Start returns a client that works the given queues with up to 20 jobs each
// until the test ends. register adds its workers; it is given the client to
// enqueue with, which works only once Start has returned.
func Start(tb testing.TB, pool *pgxpool.Pool, id string, register func(workers *river.Workers, jobs queue.Canceler), queues ...string) *queue.Client {
	tb.Helper()
	late := &lateClient{}
	config := queue.Config{
		ID: id, Queues: map[string]int{}, Workers: river.NewWorkers(), Hub: true,
		SoftStop: time.Second, Logger: slog.New(slog.DiscardHandler),
	}
	for _, name := range queues {
		config.Queues[name] = 20
	}
	register(config.Workers, late)
	client, err := queue.NewClient(pool, config)
	if err != nil {
		tb.Fatal(err)
	}
	late.Client = client
	if err := client.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := client.Stop(ctx); err != nil {
			tb.Errorf("stop client %s: %v", id, err)
		}
	})
	return client
}

// lateClient is a client that exists only after its workers do.
type lateClient struct{ *queue.Client }

// Distribution is a build tag and a destination that inherit from one another
// as in distro.yaml: NAME-build inherits from NAME, target NAME builds in the
// one and tags into the other.
type Distribution struct {
	Pool *pgxpool.Pool
	// Target is NAME.
	Target              string
	BuildTag, DestTag   int64
	Repository, Package int64
	jobs                queue.Inserter
}

// NewDistribution makes the tags f37 and f37-build for the given arches, a
// package hello and its repository at the forge "gitea".
func NewDistribution(tb testing.TB, pool *pgxpool.Pool, jobs queue.Inserter, arches ...string) *Distribution {
	tb.Helper()
	d := &Distribution{Pool: pool, Target: "f37", jobs: jobs}
	d.DestTag = Tag(tb, pool, "f37", arches...)
	d.BuildTag = Tag(tb, pool, "f37-build", arches...)
	Inherit(tb, pool, d.BuildTag, d.DestTag, 10)
	d.Repository = Repository(tb, pool, "gitea", "rpms/hello")
	d.Package = Package(tb, pool, "hello")
	List(tb, pool, d.DestTag, d.Package)
	return d
}

// Tag makes a tag whose repository wants no making.
func Tag(tb testing.TB, pool *pgxpool.Pool, name string, arches ...string) int64 {
	tb.Helper()
	return Value[int64](tb, pool, `with event as (insert into events (actor, what) values ('test', 'add tag') returning id),
		tag as (insert into tags (name, arches, create_event, built_rev) select $1, $2, id, 1 from event returning id, create_event)
		insert into tag_config (tag_id, arches, create_event) select id, array_to_string($2::text[], ' '), create_event from tag
		returning tag_id`, name, arches)
}

// Inherit makes child inherit from parent.
func Inherit(tb testing.TB, pool *pgxpool.Pool, child, parent int64, priority int) {
	tb.Helper()
	Exec(tb, pool, `with event as (insert into events (actor, what) values ('test', 'inherit') returning id)
		insert into tag_inheritance (tag_id, parent_id, priority, create_event) select $1, $2, $3, id from event`, child, parent, priority)
}

// Repository makes a repository; its id at the forge is its name.
func Repository(tb testing.TB, pool *pgxpool.Pool, forge, fullName string) int64 {
	tb.Helper()
	return Value[int64](tb, pool, `insert into repositories (forge, forge_repo_id, full_name, clone_url)
		values ($1, $2, $2, 'https://git.example.org/' || $2) returning id`, forge, fullName)
}

// Package makes a package, or finds it.
func Package(tb testing.TB, pool *pgxpool.Pool, name string) int64 {
	tb.Helper()
	id, err := db.New(pool).UpsertPackage(context.Background(), name)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// Commit is the id of the nth commit.
func Commit(n int) string { return fmt.Sprintf("%040x", n+1) }

// NewBuild is a build of hello's nth commit.
func (d *Distribution) NewBuild(n int) queue.NewBuild {
	return queue.NewBuild{
		PackageID: d.Package, RepositoryID: d.Repository, Target: d.Target, BuildTag: d.BuildTag, DestTag: d.DestTag,
		Ref: "refs/heads/f37", Commit: Commit(n), CommittedAt: time.Unix(1_700_000_000, 0), Spec: "hello.spec",
		PlannedNVR: "hello-1-1",
	}
}

// Start begins a build as planning does.
func (d *Distribution) Start(tb testing.TB, build queue.NewBuild) int64 {
	tb.Helper()
	var id int64
	Tx(tb, d.Pool, func(tx pgx.Tx) (err error) {
		id, err = queue.StartBuild(context.Background(), tx, d.jobs, ExternalURL, build)
		return err
	})
	return id
}

// Statuses returns the statuses of hello's nth commit as lines "CONTEXT STATE",
// without the contexts' common "distbot/".
func (d *Distribution) Statuses(tb testing.TB, n int) string {
	tb.Helper()
	lines := Values[string](tb, d.Pool, `select substr(context, 9) || ' ' || state from reports
		where repository_id = $1 and commit_id = $2 order by context collate "C"`, d.Repository, Commit(n))
	return strings.Join(lines, "\n")
}

// Task returns the task of a build that has this method and arch.
func Task(tb testing.TB, pool *pgxpool.Pool, build int64, method, arch string) db.Task {
	tb.Helper()
	tasks, err := db.New(pool).TasksOfBuild(context.Background(), build)
	if err != nil {
		tb.Fatal(err)
	}
	for _, task := range tasks {
		if task.Method == method && task.Arch == arch {
			return task
		}
	}
	tb.Fatalf("build %d has no task %s %s", build, method, arch)
	return db.Task{}
}
