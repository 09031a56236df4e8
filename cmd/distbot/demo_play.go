package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// demoPackage is a package of the demo and what must come of it.
type demoPackage struct {
	name  string
	state string
}

// The demo's packages in two waves: the second needs what the first brings.
var (
	firstWave  = []demoPackage{{"libgreet", queue.BuildComplete}, {"greet-motd", queue.BuildComplete}, {"broken", queue.BuildFailed}}
	secondWave = []demoPackage{{"usegreet", queue.BuildComplete}}
)

// demoNames are the packages of both waves.
func demoNames() []string {
	var names []string
	for _, pkg := range slices.Concat(firstWave, secondWave) {
		names = append(names, pkg.name)
	}
	return names
}

// waveTimeout bounds how long the demo waits for a wave.
const waveTimeout = 10 * time.Minute

// play pushes the packages and follows their builds.
func (d *Demo) play(ctx context.Context) (*summary, error) {
	seen := map[string]string{}
	for _, wave := range [][]demoPackage{firstWave, secondWave} {
		for _, pkg := range wave {
			clone, err := d.makeRepository(ctx, pkg.name)
			if err != nil {
				return nil, err
			}
			d.step("git push rpms/%s f37", pkg.name)
			if err := d.push(ctx, clone); err != nil {
				return nil, err
			}
		}
		if err := d.follow(ctx, wave, seen); err != nil {
			return nil, err
		}
	}
	return d.summarize(ctx)
}

// follow prints what changes until every build of the wave is over.
func (d *Demo) follow(ctx context.Context, wave []demoPackage, seen map[string]string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, waveTimeout, fmt.Errorf("not everything was built within %s", waveTimeout))
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		over, err := d.look(ctx, wave, seen)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if over {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// look prints what is new and tells whether the wave is over: built and
// published, or failed.
func (d *Demo) look(ctx context.Context, wave []demoPackage, seen map[string]string) (over bool, err error) {
	q := db.New(d.server.pool)
	builds, err := q.ListBuilds(ctx, db.ListBuildsParams{MaxRows: 100})
	if err != nil {
		return false, err
	}
	slices.Reverse(builds)
	ended := map[string]bool{}
	for _, b := range builds {
		tasks, err := q.TasksOfBuild(ctx, b.ID)
		if err != nil {
			return false, err
		}
		for _, task := range tasks {
			d.news(seen, fmt.Sprintf("task %d", task.ID), taskNews(b, task))
		}
		if b.State == queue.BuildFailed || b.State == queue.BuildCanceled || b.PublishedAt != nil {
			ended[b.Package] = true
			d.news(seen, fmt.Sprintf("build %d", b.ID), buildNews(b))
		}
	}
	for _, pkg := range wave {
		if !ended[pkg.name] {
			return false, nil
		}
	}
	return true, nil
}

// news prints a line when it differs from the last one about the same thing.
func (d *Demo) news(seen map[string]string, key, line string) {
	if line != "" && seen[key] != line {
		seen[key] = line
		d.step("%s", line)
	}
}

func taskNews(b db.ListBuildsRow, task db.Task) string {
	if task.Method == queue.MethodBuild || task.State == queue.TaskFree {
		return ""
	}
	what := task.Method
	if task.Arch != "" {
		what += " " + task.Arch
	}
	return strings.TrimRight(fmt.Sprintf("  %-24s %-18s %-8s %s", nvrOf(b.Nvr, b.PlannedNvr), what, task.State, cmp.Or(task.Phase, "")), " ")
}

func buildNews(b db.ListBuildsRow) string {
	if b.State == queue.BuildComplete {
		return fmt.Sprintf("✔ %s is in the repository of %s", nvrOf(b.Nvr, b.PlannedNvr), b.DestTagName)
	}
	return fmt.Sprintf("✘ %s %s: %s", nvrOf(b.Nvr, b.PlannedNvr), b.State, b.Reason)
}

// summary is what the demo came to.
type summary struct {
	Builds []summaryBuild `json:"builds"`
	Repos  []summaryRepo  `json:"repos"`
	Ack    struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
	} `json:"webhook_ack_ms"`
	OK bool `json:"ok"`
}

type summaryBuild struct {
	NVR      string            `json:"nvr"`
	Package  string            `json:"package"`
	Target   string            `json:"target"`
	State    string            `json:"state"`
	Arches   map[string]string `json:"arches"`
	Commit   string            `json:"commit"`
	Statuses []summaryStatus   `json:"statuses"`
	Seconds  float64           `json:"seconds"`
	url      string
}

type summaryStatus struct {
	Context string `json:"context"`
	State   string `json:"state"`
}

type summaryRepo struct {
	Tag      string   `json:"tag"`
	Arch     string   `json:"arch"`
	URL      string   `json:"url"`
	Path     string   `json:"path"`
	Packages []string `json:"packages"`
}

// archState is how an arch task ended, in the words of builds.
var archState = map[string]string{
	queue.TaskClosed: queue.BuildComplete, queue.TaskFailed: queue.BuildFailed, queue.TaskCanceled: queue.BuildCanceled,
}

// summarize reads what came out and compares it with what was expected.
func (d *Demo) summarize(ctx context.Context) (*summary, error) {
	q := db.New(d.server.pool)
	builds, err := q.ListBuilds(ctx, db.ListBuildsParams{MaxRows: 100})
	if err != nil {
		return nil, err
	}
	slices.Reverse(builds)
	s := &summary{Builds: []summaryBuild{}, Repos: []summaryRepo{}}
	for _, row := range builds {
		b, err := d.summarizeBuild(ctx, q, row)
		if err != nil {
			return nil, err
		}
		s.Builds = append(s.Builds, b)
	}
	if s.Repos, err = d.summarizeRepos(ctx, q); err != nil {
		return nil, err
	}
	s.Ack.P50, s.Ack.P99 = d.acks.quantile(0.5), d.acks.quantile(0.99)
	s.OK = asExpected(s)
	return s, nil
}

func (d *Demo) summarizeBuild(ctx context.Context, q *db.Queries, row db.ListBuildsRow) (summaryBuild, error) {
	full, err := q.GetBuild(ctx, row.ID)
	if err != nil {
		return summaryBuild{}, err
	}
	b := summaryBuild{
		NVR: nvrOf(row.Nvr, row.PlannedNvr), Package: row.Package, Target: row.Target, State: row.State, Commit: row.CommitID,
		Arches: map[string]string{}, Statuses: []summaryStatus{}, url: queue.BuildURL(d.server.Config.ExternalURL, row.ID),
	}
	tasks, err := q.TasksOfBuild(ctx, row.ID)
	if err != nil {
		return b, err
	}
	for _, task := range tasks {
		if task.Method == queue.MethodBuildArch {
			b.Arches[task.Arch] = cmp.Or(archState[task.State], queue.BuildBuilding)
		}
	}
	reports, err := q.ReportsOfCommit(ctx, db.ReportsOfCommitParams{RepositoryID: full.RepositoryID, CommitID: row.CommitID})
	if err != nil {
		return b, err
	}
	for _, r := range reports {
		b.Statuses = append(b.Statuses, summaryStatus{Context: r.Context, State: r.State})
	}
	end := time.Now()
	if row.PublishedAt != nil {
		end = *row.PublishedAt
	} else if row.FinishedAt != nil {
		end = *row.FinishedAt
	}
	b.Seconds = float64(end.Sub(row.CreatedAt).Milliseconds()) / 1000
	return b, nil
}

func (d *Demo) summarizeRepos(ctx context.Context, q *db.Queries) ([]summaryRepo, error) {
	overview, err := q.ReposOverview(ctx, nil)
	if err != nil {
		return nil, err
	}
	var repos []summaryRepo
	for _, tag := range overview {
		generation, err := q.LatestGeneration(ctx, tag.ID)
		if err != nil {
			return nil, err
		}
		rpms, err := q.GenerationRPMs(ctx, generation.ID)
		if err != nil {
			return nil, err
		}
		for _, arch := range generation.Arches {
			repo := summaryRepo{
				Tag: tag.Name, Arch: arch, Packages: []string{},
				URL:  fmt.Sprintf("%s/repos/%s/latest/%s/", d.server.Config.ExternalURL, tag.Name, arch),
				Path: filepath.Join(d.server.reposDir(), tag.Name, "latest", arch),
			}
			for _, rpm := range rpms {
				if rpm.RepoArch == arch {
					repo.Packages = append(repo.Packages, fmt.Sprintf("%s-%s-%s.%s", rpm.Name, rpm.Version, rpm.Release, rpm.Arch))
				}
			}
			repos = append(repos, repo)
		}
	}
	return repos, nil
}

// asExpected compares builds, statuses and repositories with the plan.
func asExpected(s *summary) bool {
	want := slices.Concat(firstWave, secondWave)
	if len(s.Builds) != len(want) {
		return false
	}
	var inRepo []string
	for _, repo := range s.Repos {
		if repo.Tag == "f37" {
			inRepo = append(inRepo, repo.Packages...)
		}
	}
	for _, pkg := range want {
		i := slices.IndexFunc(s.Builds, func(b summaryBuild) bool { return b.Package == pkg.name })
		if i < 0 || s.Builds[i].State != pkg.state {
			return false
		}
		final := "success"
		if pkg.state == queue.BuildFailed {
			final = "failure"
		}
		if !slices.Contains(s.Builds[i].Statuses, summaryStatus{Context: queue.ContextOf("f37", ""), State: final}) {
			return false
		}
		published := slices.ContainsFunc(inRepo, func(name string) bool { return strings.HasPrefix(name, s.Builds[i].NVR+".") })
		if published != (pkg.state == queue.BuildComplete) {
			return false
		}
	}
	return true
}

// printSummary prints the table at the end.
func (d *Demo) printSummary(s *summary) {
	d.say("")
	var rows [][]string
	for _, b := range s.Builds {
		var arches, statuses []string
		for arch, state := range b.Arches {
			arches = append(arches, arch+" "+state)
		}
		slices.Sort(arches)
		for _, status := range b.Statuses {
			statuses = append(statuses, strings.TrimPrefix(status.Context, "distbot/")+" "+status.State)
		}
		rows = append(rows, []string{b.NVR, b.State, strings.Join(arches, ", "), strings.Join(statuses, ", "), fmt.Sprintf("%.1f s", b.Seconds), b.url})
	}
	if err := writeTable(d.out, []string{"BUILD", "STATE", "ARCHES", "STATUSES OF THE COMMIT", "TIME", "PAGE"}, rows); err != nil {
		return
	}
	d.say("")
	rows = nil
	for _, repo := range s.Repos {
		rows = append(rows, []string{repo.Tag, repo.Arch, fmt.Sprint(len(repo.Packages)), repo.URL})
	}
	if err := writeTable(d.out, []string{"REPOSITORY", "ARCH", "PACKAGES", "URL"}, rows); err != nil {
		return
	}
	d.say("\nwebhooks were answered in %.1f ms (median), %.1f ms (99 %%)", s.Ack.P50, s.Ack.P99)
	if s.OK {
		d.say("everything came out as expected: broken has a mistake in it, the others are installable")
	} else {
		d.say("SOMETHING DID NOT COME OUT AS EXPECTED")
	}
}

func writeSummary(path string, s *summary) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := writeJSON(file, s); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// ackTimes measures how long webhooks are answered for. Safe for concurrent
// use.
type ackTimes struct {
	mu    sync.Mutex
	times []time.Duration
}

// measure wraps the front door.
func (a *ackTimes) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		next.ServeHTTP(w, r)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.times = append(a.times, time.Since(start))
	})
}

// quantile is the time in milliseconds that the share p of answers took at
// most.
func (a *ackTimes) quantile(p float64) float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(a.times))
	return float64(sorted[min(int(p*float64(len(sorted))), len(sorted)-1)].Microseconds()) / 1000
}
