// Package queue is the index of the system: what can be asked for (args.go),
// how a build's steps hang together (task.go), which host works on them
// (scheduler.go, plan.go, host.go), what processes live (lease.go), what happens to the
// work of the dead (reap.go), and how the outcome is announced (report.go).
//
// It knows job kinds, River queues and the task tree, and refuses to know what
// a job does. The way of a push through it:
//
//	webhooks     Plan{delivery}      ─▶ distgit
//	distgit      source task         ─▶ Scheduler
//	Scheduler    Task{attempt}       ─▶ a host: builders/buildhost
//	builders     task × arches       ─▶ Scheduler
//	builders     Import{build}       ─▶ builders
//	builders     Tag{build}          ─▶ tags
//	builders     Joined{build}       ─▶ tags
//	tags         Publish{tag}        ─▶ repopublish
//	all          Report{report}      ─▶ report
//
// Every arrow is one transaction that changes state and inserts the job that
// follows, or leaves a free task that the scheduler finds. Jobs carry ids only, so running one twice is harmless: a worker
// reads the state again and finds that nothing is left to do.
//
// # The order of locks
//
// Every transaction of every package locks rows in this order, so that no two
// wait for each other:
//
//  1. a chain or rebuild;
//  2. hosts, by id;
//  3. builds, by id;
//  4. tags, by id;
//  5. tasks, by id, which is the parent before its children: who ends more than
//     one task of a build, or may have to, locks them all first (LockOpenTasks,
//     OpenTasksOfBuild);
//  6. jobs that exist;
//  7. the statuses of a commit, by context (LockStatuses);
//  8. new jobs. A unique one locks the job that is there already; a worker ends
//     its own job last.
//
// Who ends several builds locks all of them, and their tasks, before the
// statuses of the first. A single row may be skipped, never taken out of order.
// Builds and tasks are locked "for no key update": "for update" would also stop
// those who only refer to a row, such as who adds a task. The scheduler waits for
// no task at all: it leaves those that somebody holds to a later round, and
// writes each row once, since PostgreSQL checks the foreign keys of a row that
// the same transaction has written before, whatever has changed.
package queue
