package github

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/go-github/v60/github"

	"github.com/distbot/distbot/forge"
)

// checksPermission is what an App needs for check runs.
const checksPermission = `repository permission "Checks: read and write", and the repository among those it is installed on`

// The states of a check run.
const (
	runQueued     = "queued"
	runInProgress = "in_progress"
	runCompleted  = "completed"
)

// noDetails is the summary of a check run that has none: GitHub wants one.
const noDetails = "distbot's page has the details."

// checkRunPlace is the commit that check runs are about.
type checkRunPlace struct{ owner, repo, commit string }

// setCheckRun shows a status as a check run of its context's name, and does
// nothing if it is shown already. GitHub shows the newest of a name.
//
// A run goes on from queued to completed. One that is completed is never
// reopened, and one that has annotations is never changed, since GitHub adds
// annotations to those that are there: a new run takes its place. So what a
// former build said of a line is gone with the next build's check run.
func (f *Forge) setCheckRun(ctx context.Context, client *github.Client, place checkRunPlace, status forge.Status) error {
	runs, err := f.ownCheckRuns(ctx, client, place, &status.Context)
	if err != nil {
		return err
	}
	want, run := checkRunOf(status), newestOf(runs, status.Context)
	switch {
	case run != nil && shows(run, want):
		return nil
	case run != nil && mayBecome(run, want):
		_, _, err = client.Checks.UpdateCheckRun(ctx, place.owner, place.repo, run.GetID(), github.UpdateCheckRunOptions{
			// An empty name would be sent as one.
			Name:       want.GetName(),
			DetailsURL: want.DetailsURL, ExternalID: want.ExternalID, Status: want.Status, Conclusion: want.Conclusion, Output: want.Output,
		})
	default:
		_, _, err = client.Checks.CreateCheckRun(ctx, place.owner, place.repo, github.CreateCheckRunOptions{
			Name: want.GetName(), HeadSHA: place.commit,
			DetailsURL: want.DetailsURL, ExternalID: want.ExternalID, Status: want.Status, Conclusion: want.Conclusion, Output: want.Output,
		})
	}
	return err
}

// checkRunOf is the check run that shows a status.
func checkRunOf(status forge.Status) *github.CheckRun {
	description := forge.CutDescription(status.Description)
	run := &github.CheckRun{
		Name:       github.String(status.Context),
		DetailsURL: nonEmpty(status.TargetURL),
		ExternalID: nonEmpty(status.Run),
		Output: &github.CheckRunOutput{
			Title:   github.String(cmp.Or(description, string(status.State))),
			Summary: github.String(noDetails),
		},
	}
	run.Status, run.Conclusion = progressOf(status)
	if status.Detail == nil {
		return run
	}
	run.Output.Summary = github.String(cmp.Or(forge.CutSummary(status.Detail.Summary), noDetails))
	for _, a := range status.Detail.Annotations {
		run.Output.Annotations = append(run.Output.Annotations, &github.CheckRunAnnotation{
			Path: github.String(a.Path), StartLine: github.Int(a.Line), EndLine: github.Int(a.Line),
			AnnotationLevel: github.String(string(a.Level)), Title: nonEmpty(forge.CutAnnotationTitle(a.Title)),
			Message: github.String(forge.CutMessage(a.Message)),
		})
	}
	return run
}

// progressOf is a status's state as a check run's status and conclusion. There
// is no conclusion for an error: it fails, and its title says why.
func progressOf(status forge.Status) (progress, conclusion *string) {
	switch status.Finer {
	case forge.FinerQueued:
		return github.String(runQueued), nil
	case forge.FinerSkipped:
		return github.String(runCompleted), github.String("skipped")
	case forge.FinerNeutral:
		return github.String(runCompleted), github.String("neutral")
	case forge.FinerCanceled:
		return github.String(runCompleted), github.String("cancelled")
	}
	switch status.State {
	case forge.StatePending:
		return github.String(runInProgress), nil
	case forge.StateSuccess:
		return github.String(runCompleted), github.String("success")
	}
	return github.String(runCompleted), github.String("failure")
}

// ownCheckRuns returns the App's check runs of a commit, of one name if that is
// not nil, in no particular order.
func (f *Forge) ownCheckRuns(ctx context.Context, client *github.Client, place checkRunPlace, name *string) ([]*github.CheckRun, error) {
	var all []*github.CheckRun
	options := &github.ListCheckRunsOptions{
		CheckName: name, AppID: &f.app.ID,
		// "latest" is by the time of completion, which those that run have not.
		Filter:      github.String("all"),
		ListOptions: github.ListOptions{PerPage: pageSize, Page: 1},
	}
	for range maxPages {
		list, resp, err := client.Checks.ListCheckRunsForRef(ctx, place.owner, place.repo, place.commit, options)
		if err != nil {
			return nil, err
		}
		all = append(all, list.CheckRuns...)
		if resp.NextPage == 0 {
			return all, nil
		}
		options.Page = resp.NextPage
	}
	return nil, &answerError{fmt.Sprintf("more than %d check runs", maxPages*pageSize)}
}

// newestOf is the check run of a name that was made last; nil without one.
func newestOf(runs []*github.CheckRun, name string) (newest *github.CheckRun) {
	for _, run := range runs {
		if run.GetName() == name && run.GetID() > newest.GetID() {
			newest = run
		}
	}
	return newest
}

// shows reports whether a run at GitHub is what is wanted. Its summary is not
// compared, which GitHub may store in its own form.
func shows(run, want *github.CheckRun) bool {
	return run.GetExternalID() == want.GetExternalID() &&
		run.GetStatus() == want.GetStatus() && run.GetConclusion() == want.GetConclusion() &&
		run.GetOutput().GetTitle() == want.GetOutput().GetTitle() &&
		run.GetOutput().GetAnnotationsCount() == len(want.GetOutput().Annotations) &&
		(want.DetailsURL == nil || run.GetDetailsURL() == want.GetDetailsURL())
}

// mayBecome reports whether a run at GitHub can be changed to what is wanted.
func mayBecome(run, want *github.CheckRun) bool {
	if run.GetOutput().GetAnnotationsCount() > 0 {
		return false
	}
	return run.GetStatus() != runCompleted || want.GetStatus() == runCompleted && run.GetExternalID() == want.GetExternalID()
}

// checkRunStatuses returns the newest check run of each name as a status.
func (f *Forge) checkRunStatuses(ctx context.Context, client *github.Client, place checkRunPlace) ([]forge.Status, error) {
	runs, err := f.ownCheckRuns(ctx, client, place, nil)
	if err != nil {
		return nil, err
	}
	newest := map[string]*github.CheckRun{}
	for _, run := range runs {
		if run.GetID() > newest[run.GetName()].GetID() {
			newest[run.GetName()] = run
		}
	}
	statuses := make([]forge.Status, 0, len(newest))
	for name, run := range newest {
		status := forge.Status{
			Context: name, Description: run.GetOutput().GetTitle(), TargetURL: run.GetDetailsURL(), Run: run.GetExternalID(),
		}
		status.State, status.Finer = stateOf(run)
		statuses = append(statuses, status)
	}
	return statuses, nil
}

// stateOf is what a check run says, in the words of statuses.
func stateOf(run *github.CheckRun) (forge.State, forge.FinerState) {
	switch run.GetStatus() {
	case runQueued:
		return forge.StatePending, forge.FinerQueued
	case runCompleted:
	default:
		return forge.StatePending, ""
	}
	switch run.GetConclusion() {
	case "success":
		return forge.StateSuccess, ""
	case "skipped":
		return forge.StateSuccess, forge.FinerSkipped
	case "neutral":
		return forge.StateSuccess, forge.FinerNeutral
	case "cancelled":
		return forge.StateError, forge.FinerCanceled
	}
	return forge.StateFailure, ""
}
