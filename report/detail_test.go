package report_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/forge/github"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// newAppStage is a stage whose forge is a GitHub that distbot is an App of.
func newAppStage(t *testing.T) *stage {
	t.Helper()
	s := newStage(t)
	s.server = forgetest.NewGitHub(t)
	s.server.AddCommit("rpms/hello", queuetest.Commit(0))
	key := forgetest.AppKey(t, forgetest.AppID)
	driver, err := github.New(github.Config{
		APIURL: s.server.APIURL, App: &github.App{ID: forgetest.AppID, Key: func() (forge.Secret, error) { return key, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.forge = driver
	return s
}

// failed is the status of build 1 that failed at a line of the spec.
func (s *stage) failed() queue.Status {
	status := s.status(0, 1, "x86_64", "failure", "nothing provides greet >= 3")
	status.Detail = &queue.Detail{
		Summary:     "**x86_64** failed: `nothing provides greet >= 3`\n",
		Annotations: []queue.Annotation{{Path: "hello.spec", Line: 9, Level: queue.LevelFailure, Title: "x86_64: missing requires", Message: "nothing provides greet >= 3"}},
	}
	return status
}

// wantRuns compares the check runs of hello's first commit, as lines "EXTERNAL-ID
// NAME STATUS CONCLUSION ANNOTATIONS".
func (s *stage) wantRuns(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, run := range s.server.CheckRuns("rpms/hello", queuetest.Commit(0)) {
		got = append(got, strings.Join(strings.Fields(fmt.Sprint(run.ExternalID, " ", strings.TrimPrefix(run.Name, "distbot/"), " ", run.Status, " ", run.Conclusion, " ", len(run.Annotations))), " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("check runs (-want +got):\n%s", diff)
	}
}

func TestReportWithADetail(t *testing.T) {
	t.Parallel()

	t.Run("is a check run with a note on the line", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.work(t)
		queued := s.status(0, 1, "x86_64", "pending", "waiting for a builder")
		queued.Finer = queue.FinerQueued
		s.want(t, queued)
		s.settled(t)
		s.wantRuns(t, "build/1 f37/x86_64 queued 0")
		s.want(t, s.status(0, 1, "x86_64", "pending", "at work"))
		s.settled(t)
		s.wantRuns(t, "build/1 f37/x86_64 in_progress 0")
		s.want(t, s.failed())
		s.settled(t)
		s.wantRuns(t, "build/1 f37/x86_64 completed failure 1")
		run, _ := s.server.Shown("rpms/hello", queuetest.Commit(0), "distbot/f37/x86_64")
		want := s.failed().Detail
		got := &queue.Detail{Summary: run.Summary}
		for _, a := range run.Annotations {
			got.Annotations = append(got.Annotations, queue.Annotation{Path: a.Path, Line: a.Line, Level: string(a.Level), Title: a.Title, Message: a.Message})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("what is shown (-want +got):\n%s", diff)
		}
		if run.Title != "nothing provides greet >= 3" || run.DetailsURL != queue.BuildURL(queuetest.ExternalURL, 1) {
			t.Errorf("the check run is %+v", run)
		}
	})

	t.Run("goes away with the next build that succeeds", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.work(t)
		s.want(t, s.failed())
		s.settled(t)
		s.want(t, s.status(0, 2, "x86_64", "pending", "again"), s.status(0, 2, "x86_64", "success", "1 package"))
		s.settled(t)
		run, _ := s.server.Shown("rpms/hello", queuetest.Commit(0), "distbot/f37/x86_64")
		if run.Conclusion != "success" || len(run.Annotations) > 0 || run.ExternalID != "build/2" {
			t.Errorf("what is shown is %+v", run)
		}
	})

	t.Run("says what a state means", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.work(t)
		skipped, canceled := s.status(0, 1, "i686", "success", "skipped: ExcludeArch i686"), s.status(0, 1, "s390x", "error", "canceled")
		skipped.Finer, canceled.Finer = queue.FinerSkipped, queue.FinerCanceled
		best := queue.ArchStatus(queue.PolicyBestEffort, s.failed())
		s.wantAtOnce(t, skipped, canceled, best)
		s.settled(t)
		s.wantRuns(t, "build/1 f37/i686 completed skipped 0", "build/1 f37/s390x completed cancelled 0", "build/1 f37/x86_64 completed neutral 1")
	})

	t.Run("is sent alone where only its line is shown", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.work(t)
		s.want(t, s.failed())
		s.settled(t)
		s.wantPosted(t, "f37/x86_64 failure nothing provides greet >= 3")
	})

	t.Run("is sent alone when the forge refuses it, so that nobody waits for ever", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		// Installation, token and list are answered.
		s.server.FailAfter(3, forgetest.Fault{Status: http.StatusUnprocessableEntity, Body: `{"message":"Invalid request."}`})
		s.work(t)
		s.want(t, s.failed())
		s.settled(t)
		s.wantRuns(t, "build/1 f37/x86_64 completed failure 0")
		if reason := queuetest.Value[string](t, s.pool, "select last_error from reports"); reason != "" {
			t.Errorf("the report's last error is %q", reason)
		}
	})

	t.Run("is left out where no forge could take it", func(t *testing.T) {
		t.Parallel()
		for name, change := range map[string]func(*queue.Detail){
			"a path that leads out": func(d *queue.Detail) { d.Annotations[0].Path = "../hello.spec" },
			"no line":               func(d *queue.Detail) { d.Annotations[0].Line = -1 },
			"too many notes":        func(d *queue.Detail) { d.Annotations = make([]queue.Annotation, 51) },
			"more than is kept":     func(d *queue.Detail) { d.Summary = strings.Repeat("x", 1<<20) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newAppStage(t)
				s.work(t)
				status := s.failed()
				change(status.Detail)
				s.want(t, status)
				s.settled(t)
				run, _ := s.server.Shown("rpms/hello", queuetest.Commit(0), status.Context)
				if run.Conclusion != "failure" || len(run.Annotations) > 0 || strings.Contains(run.Summary, "xx") {
					t.Errorf("what is shown is %.300v", run)
				}
			})
		}
	})

	t.Run("keeps what a database does not", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.work(t)
		status := s.failed()
		status.Detail.Summary, status.Detail.Annotations[0].Message = "a\x00b\xff`", "\x00c\xff\n\u202ed"
		s.want(t, status)
		s.settled(t)
		run, _ := s.server.Shown("rpms/hello", queuetest.Commit(0), status.Context)
		if run.Summary != "ab\uFFFD`" || len(run.Annotations) != 1 || run.Annotations[0].Message != "c\uFFFD\nd" {
			t.Errorf("what is shown is %+v", run)
		}
	})
}

// TestACheckRunAfterACrash is about a process that died between sending and
// recording: GitHub adds annotations to those that are there.
func TestACheckRunAfterACrash(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]bool{"after sending": true, "before sending": false} {
		t.Run("that happened "+name+" leaves one check run with one note", func(t *testing.T) {
			t.Parallel()
			s := newAppStage(t)
			s.want(t, s.failed())
			queuetest.Exec(t, s.pool, "update reports set sending_seq = seq")
			if sent {
				s.work(t)
				queuetest.WaitRow(t, s.pool, "it is sent", "select sent_seq = seq from reports")
				s.settled(t)
				// As the process left it that died then.
				queuetest.Exec(t, s.pool, "update reports set sent_seq = 0, sent_at = null")
				queuetest.Tx(t, s.pool, func(tx pgx.Tx) error {
					_, err := queue.Insert(t.Context(), tx, s.jobs, queue.ReportArgs{RepositoryID: s.dist.Repository, Commit: queuetest.Commit(0)})
					return err
				})
			} else {
				s.work(t)
			}
			s.settled(t)
			s.wantRuns(t, "build/1 f37/x86_64 completed failure 1")
		})
	}

	t.Run("and a forge that did not say whether it took it", func(t *testing.T) {
		t.Parallel()
		s := newAppStage(t)
		s.forge = &vagueForge{Forge: s.forge}
		s.work(t)
		s.want(t, s.failed())
		queuetest.WaitRow(t, s.pool, "the failure is noted", "select failures = 1 from reports")
		s.hurry(t)
		s.settled(t)
		s.wantRuns(t, "build/1 f37/x86_64 completed failure 1")
	})
}

// vagueForge takes the first status and does not say so.
type vagueForge struct {
	forge.Forge
	asked bool
}

func (v *vagueForge) SetStatus(ctx context.Context, repo forge.Repository, commit string, status forge.Status) error {
	err := v.Forge.SetStatus(ctx, repo, commit, status)
	if err == nil && !v.asked {
		v.asked = true
		return &forge.RetryError{Err: context.DeadlineExceeded}
	}
	return err
}
