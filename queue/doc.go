// Package queue is the index of the system: what can be asked for (args.go),
// how a build's steps hang together (task.go), which host works on them
// (scheduler.go, host.go), what processes live (lease.go), what happens to the
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
package queue
