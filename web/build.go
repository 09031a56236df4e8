package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// buildView is what a build's page shows.
type buildView struct {
	db.GetBuildRow
	NVRText string
	Origin  origin
	Running bool
	Tasks   []taskLine
	// Saw are the generations of the build tag that its buildroots were made of.
	Saw      []seenGeneration
	RPMs     []db.Rpm
	Statuses []statusLine
	Tags     []db.TagBuildsOfRow
	// Publishing is true between COMPLETE and the moment clients can install.
	Publishing bool
	Retries    []int64
	Deliveries []db.DeliveriesOfBuildRow
	// Skipped are architectures of the build tag that the package is not for.
	Skipped  []db.SkippedArchesRow
	Warnings []string
	// Chain is the chain that the build is part of, 0 for none.
	Chain    int64
	Rebuilds []rebuildLine
}

// build is the page of one build.
func (s *server) build(r *http.Request) (*view, error) {
	id, err := pathID(r, "id")
	if err != nil {
		return nil, err
	}
	// The fingerprint first: what changes while the rest is read is news.
	state, err := s.queries.BuildFingerprint(r.Context(), id)
	if err != nil {
		return nil, err
	}
	data, err := s.readBuild(r.Context(), id)
	if err != nil {
		return nil, err
	}
	v := &view{page: "build", Title: data.NVRText, Nav: "builds", Data: data}
	if !state.Settled {
		v.Live = "/builds/" + strconv.FormatInt(id, 10) + "/events?seen=" + state.Fingerprint
		v.Refresh = true
	}
	return v, nil
}

// readBuild reads all that belongs to a build.
func (s *server) readBuild(ctx context.Context, id int64) (*buildView, error) {
	q := s.queries
	b, err := q.GetBuild(ctx, id)
	if err != nil {
		return nil, err
	}
	data := &buildView{
		GetBuildRow: b, NVRText: nvrOf(b.Nvr, b.PlannedNvr, b.Package), Running: b.State == queue.BuildBuilding,
		Origin:     originOf(b.Forge, b.ForgeRepoID, b.FullName, b.CloneUrl, b.Ref, b.CommitID, b.PullNumber),
		Publishing: b.State == queue.BuildComplete && !b.Scratch && b.PublishedAt == nil,
	}
	if data.Tasks, err = s.taskTree(ctx, b); err != nil {
		return nil, err
	}
	if data.Saw, err = s.generationsSeen(ctx, id, data.Tasks); err != nil {
		return nil, err
	}
	if data.RPMs, err = q.RPMsOfBuild(ctx, id); err != nil {
		return nil, err
	}
	reports, err := q.ReportsOfCommit(ctx, db.ReportsOfCommitParams{RepositoryID: b.RepositoryID, CommitID: b.CommitID})
	if err != nil {
		return nil, err
	}
	data.Statuses = statusesOf(reports, b.Target, id)
	if data.Tags, err = q.TagBuildsOf(ctx, id); err != nil {
		return nil, err
	}
	if data.Retries, err = q.RetriesOfBuild(ctx, &id); err != nil {
		return nil, err
	}
	if data.Skipped, err = q.SkippedArches(ctx, id); err != nil {
		return nil, err
	}
	if data.Warnings, err = q.WarningsOfBuild(ctx, id); err != nil {
		return nil, err
	}
	if data.Deliveries, err = q.DeliveriesOfBuild(ctx, &id); err != nil {
		return nil, err
	}
	if data.Chain, err = q.ChainOfBuild(ctx, &id); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	data.Rebuilds, err = s.rebuildsOf(ctx, id)
	return data, err
}

// statusLine is a commit status and whether the forge has it.
type statusLine struct {
	db.Report
	// Delivery is sent, unsent, delayed or unsendable.
	Delivery string
	// Other is the build whose status this is, if it is another one.
	Other int64
}

// statusesOf picks the statuses of a commit that are about the build's target.
// A newer build of the same commit takes them over.
func statusesOf(reports []db.Report, target string, build int64) []statusLine {
	var lines []statusLine
	whole := queue.ContextOf(target, "")
	for _, report := range reports {
		if report.Context != whole && !strings.HasPrefix(report.Context, whole+"/") {
			continue
		}
		line := statusLine{Report: report, Delivery: deliveryOf(report)}
		if report.BuildID != build {
			line.Other = report.BuildID
		}
		lines = append(lines, line)
	}
	return lines
}

// deliveryOf tells how far a status has come on its way to the forge.
func deliveryOf(report db.Report) string {
	switch {
	case report.SentSeq >= report.Seq && report.LastError == "":
		return "sent"
	case report.SentSeq >= report.Seq:
		return "unsendable"
	case report.Failures > 0:
		return "delayed"
	}
	return "unsent"
}

// buildrootView is what the page of a buildroot shows.
type buildrootView struct {
	Build   db.GetBuildRow
	NVRText string
	Task    db.Task
	Root    db.Buildroot
	// Saw is the generation that it was made of, nil where none is known.
	Saw      *seenGeneration
	Packages []db.BuildrootRPMsRow
}

// buildroot lists the packages that a task's buildroot held.
func (s *server) buildroot(r *http.Request) (*view, error) {
	id, err := pathID(r, "id")
	if err != nil {
		return nil, err
	}
	taskID, err := pathID(r, "task")
	if err != nil {
		return nil, err
	}
	ctx, q := r.Context(), s.queries
	data := buildrootView{}
	if data.Task, err = q.GetTask(ctx, taskID); err != nil {
		return nil, err
	}
	if data.Task.BuildID != id {
		return nil, errNotFound
	}
	if data.Build, err = q.GetBuild(ctx, id); err != nil {
		return nil, err
	}
	if data.Root, err = q.BuildrootOfTask(ctx, taskID); err != nil {
		return nil, err
	}
	if data.Packages, err = q.BuildrootRPMs(ctx, data.Root.ID); err != nil {
		return nil, err
	}
	data.NVRText = nvrOf(data.Build.Nvr, data.Build.PlannedNvr, data.Build.Package)
	if data.Saw, err = s.generationOfRoot(ctx, data.Root); err != nil {
		return nil, err
	}
	return &view{page: "buildroot", Title: "Buildroot of " + data.NVRText, Nav: "builds", Data: data}, nil
}
