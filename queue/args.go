package queue

import (
	"strconv"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// The River queues of hubs. Tagging has a queue of its own: those of one tag
// wait for one another, and nothing else should wait with them.
const (
	QueueControl = "control"
	QueueTag     = "tag"
	QueuePublish = "publish"
	QueueReport  = "report"
)

// HostQueue is the queue of what the scheduler gives to a host.
func HostQueue(hostID int64) string { return "host_" + strconv.FormatInt(hostID, 10) }

// maxTries is how often a job that returns an error is tried before FateOf
// gives it up. Retries back off, the last one comes after about two minutes.
const maxTries = 8

// endless keeps River from discarding a job whose end nobody could record,
// because the database was down then: what ends work is FateOf, and a state
// that says so. With the longest wait between tries it is a month.
const endless = 10_000

// lastTry reports whether the job was tried as often as an error is forgiven.
func lastTry(row *rivertype.JobRow) bool { return row.Attempt >= maxTries }

// once makes a job unique among those that are not finished. It must not be
// relied on for "at least once more": see the want/built pairs of tags and
// reports.
var once = river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateRetryable, rivertype.JobStateScheduled,
}}

// PlanArgs asks distgit what a stored delivery means.
type PlanArgs struct {
	DeliveryID int64 `json:"delivery_id"`
}

// Kind implements river.JobArgs.
func (PlanArgs) Kind() string { return "distgit.plan" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (PlanArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueControl, MaxAttempts: endless}
}

// ReconcileArgs asks distgit to compare the branch heads of every known
// repository with what was planned, since no forge repeats a lost delivery.
type ReconcileArgs struct{}

// Kind implements river.JobArgs.
func (ReconcileArgs) Kind() string { return "distgit.reconcile" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ReconcileArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueControl, MaxAttempts: 1, UniqueOpts: once}
}

// TaskArgs tells an embedded host to carry an attempt out. It is only a door
// bell: what the host may do is in the task.
type TaskArgs struct {
	Claim
	// HostID selects the queue.
	HostID int64 `json:"-"`
}

// Kind implements river.JobArgs.
func (TaskArgs) Kind() string { return "builders.task" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (a TaskArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: HostQueue(a.HostID), MaxAttempts: endless}
}

// DeliverArgs tells a hub to ring at a remote host for attempts it was given.
type DeliverArgs struct {
	HostID int64   `json:"host_id"`
	Claims []Claim `json:"claims"`
}

// Kind implements river.JobArgs.
func (DeliverArgs) Kind() string { return "builders.deliver" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (DeliverArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueControl, MaxAttempts: endless}
}

// RecallArgs tells a hub to ring at a remote host for an attempt that has
// ended.
type RecallArgs struct {
	HostID int64 `json:"host_id"`
	Claim
}

// Kind implements river.JobArgs.
func (RecallArgs) Kind() string { return "builders.recall" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (RecallArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueControl, MaxAttempts: endless}
}

// ImportArgs asks builders to make the results of a finished build part of the
// distribution.
type ImportArgs struct {
	BuildID int64 `json:"build_id"`
}

// Kind implements river.JobArgs.
func (ImportArgs) Kind() string { return "builders.import" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ImportArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueControl, MaxAttempts: endless}
}

// TagArgs asks tags to tag a complete build into its target's destination.
type TagArgs struct {
	BuildID int64 `json:"build_id"`
}

// Kind implements river.JobArgs.
func (TagArgs) Kind() string { return "tags.apply" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (TagArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueTag, MaxAttempts: endless}
}

// JoinedArgs asks tags to have the repositories made anew that hold a build
// which packages have joined.
type JoinedArgs struct {
	BuildID int64 `json:"build_id"`
}

// Kind implements river.JobArgs.
func (JoinedArgs) Kind() string { return "tags.joined" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (JoinedArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueTag, MaxAttempts: endless}
}

// PublishArgs asks repopublish to bring a tag's repository up to date.
type PublishArgs struct {
	TagID int64 `json:"tag_id"`
}

// Kind implements river.JobArgs.
func (PublishArgs) Kind() string { return "repopublish.publish" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (PublishArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueuePublish, MaxAttempts: endless, UniqueOpts: once}
}

// ReportArgs asks report to bring a commit's statuses up to date at its forge.
type ReportArgs struct {
	RepositoryID int64  `json:"repository_id"`
	Commit       string `json:"commit"`
}

// Kind implements river.JobArgs.
func (ReportArgs) Kind() string { return "report.send" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ReportArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueReport, MaxAttempts: endless, UniqueOpts: once}
}
