package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/distbot/distbot/queue"
)

// readyTimeout is how long the database may take to answer.
const readyTimeout = 2 * time.Second

// healthz tells that the process answers.
func (s *server) healthz(w http.ResponseWriter, _ *http.Request) error {
	sendText(w, http.StatusOK, "alive\n")
	return nil
}

// readyz tells whether the database answers too.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := s.Pool.Ping(ctx); err != nil {
		s.Logger.WarnContext(r.Context(), "web: not ready", "error", err)
		sendText(w, http.StatusServiceUnavailable, "the database does not answer\n")
		return nil
	}
	sendText(w, http.StatusOK, "ready\n")
	return nil
}

func sendText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client hanging up is its own affair
}

// metrics answers with the gauges in Prometheus' text format 0.0.4. States
// without rows are 0, so that no series comes and goes.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	builds, err := s.queries.CountBuildsByState(ctx)
	if err != nil {
		return err
	}
	tasks, err := s.queries.CountTasksByState(ctx)
	if err != nil {
		return err
	}
	deliveries, err := s.queries.CountDeliveriesByState(ctx)
	if err != nil {
		return err
	}
	waiting, err := s.queries.CountWaiting(ctx)
	if err != nil {
		return err
	}
	byState := func(states []string) map[string]int64 {
		counts := map[string]int64{}
		for _, state := range states {
			counts[state] = 0
		}
		return counts
	}
	ofBuilds, ofTasks, ofDeliveries := byState(buildStates()), byState(taskStates()), byState(deliveryStates())
	for _, row := range builds {
		ofBuilds[row.State] = row.Count
	}
	for _, row := range tasks {
		ofTasks[row.State] = row.Count
	}
	for _, row := range deliveries {
		ofDeliveries[row.State] = row.Count
	}
	var text strings.Builder
	gauges(&text, "distbot_builds", "Builds by state.", buildStates(), ofBuilds)
	gauges(&text, "distbot_tasks", "Tasks by state.", taskStates(), ofTasks)
	gauges(&text, "distbot_deliveries", "Webhook deliveries by state.", deliveryStates(), ofDeliveries)
	gauge(&text, "distbot_reports_unsent", "Commit statuses that the forge does not have yet.", waiting.UnsentReports)
	gauge(&text, "distbot_tags_stale", "Tags whose repository is behind.", waiting.StaleTags)
	gauge(&text, "distbot_tags_troubled", "Tags whose repository can't be made: refused, or failing.", waiting.TroubledTags)
	gauge(&text, "distbot_processes", "Processes with a lease.", waiting.Processes)
	gauge(&text, "distbot_web_followers", "Live pages that are open at this process.", int64(len(s.followers)))
	fmt.Fprintf(&text, "# HELP distbot_build_info The version of this process.\n# TYPE distbot_build_info gauge\ndistbot_build_info{version=%s} 1\n",
		labelValue(s.Version))
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, text.String()) // the client hanging up is its own affair
	return nil
}

// taskStates are the states a task can have.
func taskStates() []string {
	return []string{queue.TaskFree, queue.TaskAssigned, queue.TaskOpen, queue.TaskClosed, queue.TaskFailed, queue.TaskCanceled}
}

func gauges(text *strings.Builder, name, help string, states []string, counts map[string]int64) {
	fmt.Fprintf(text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
	for _, state := range states {
		fmt.Fprintf(text, "%s{state=%s} %d\n", name, labelValue(state), counts[state])
	}
}

func gauge(text *strings.Builder, name, help string, value int64) {
	fmt.Fprintf(text, "# HELP %s %s\n# TYPE %s gauge\n%s %d\n", name, help, name, name, value)
}

// labelValue quotes a value by the three escapes the format has.
func labelValue(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(value) + `"`
}
