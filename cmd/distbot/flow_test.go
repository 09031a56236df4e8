package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/rpmpack"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/sandbox"
	"github.com/distbot/distbot/queue/queuetest"
)

// TestMain lets the test binary be run as a sandbox, and as distbot: a server starts itself as its signer, and
// commands that guard their memory would guard that of the tests.
func TestMain(m *testing.M) {
	sandbox.Main()
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		main()
	}
	os.Exit(m.Run())
}

// stubDriver hands out packages that were made before: what remains is
// distbot's own time.
type stubDriver struct {
	mu    sync.Mutex
	files map[string][]byte
	// gate, where it is set, lets arch builds end once it is closed, and held
	// counts those that wait for that; see hold.
	gate chan struct{}
	held int
	// only, where it is set, is the one architecture that the gate is for.
	only string
}

// hold keeps arch builds from ending until release is called.
func (d *stubDriver) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gate = make(chan struct{})
	return sync.OnceFunc(func() { close(d.gate) })
}

// Name implements builders.Driver.
func (*stubDriver) Name() string { return "stub" }

// SRPM implements builders.Driver.
func (d *stubDriver) SRPM(_ context.Context, order builders.SRPMOrder) (builders.Outcome, error) {
	return d.write(order.Order, strings.TrimSuffix(order.Spec, ".spec")+"-1-1.src.rpm")
}

// Build implements builders.Driver. The source package has no name of its own
// in the order, so the build is found by what the SRPM says.
func (d *stubDriver) Build(ctx context.Context, order builders.BuildOrder) (builders.Outcome, error) {
	d.mu.Lock()
	gate := d.gate
	d.held++
	through := d.only != "" && d.only != order.Arch
	d.mu.Unlock()
	if gate != nil && !through {
		select {
		case <-gate:
		case <-ctx.Done():
			return builders.Outcome{}, ctx.Err()
		}
	}
	srpm, err := os.ReadFile(order.SRPM)
	if err != nil {
		return builders.Outcome{}, err
	}
	d.mu.Lock()
	var name string
	for file, data := range d.files {
		if strings.HasSuffix(file, ".src.rpm") && bytes.Equal(data, srpm) {
			name = strings.TrimSuffix(file, ".src.rpm")
		}
	}
	d.mu.Unlock()
	return d.write(order.Order, name+"."+order.Arch+".rpm")
}

func (d *stubDriver) write(order builders.Order, file string) (builders.Outcome, error) {
	d.mu.Lock()
	data, ok := d.files[file]
	d.mu.Unlock()
	if !ok {
		return builders.Outcome{}, &builders.Failure{Reason: "the stub has no " + file}
	}
	return builders.Outcome{RepoKey: "stub"}, os.WriteFile(filepath.Join(order.ResultDir, file), data, 0o644)
}

// RPM tags that rpmpack does not write by itself.
const (
	tagSourceRPM     = 1044
	tagSourcePackage = 1106
)

// add makes the source package of a name and its packages for the arches.
func (d *stubDriver) add(tb testing.TB, name string, arches ...string) {
	tb.Helper()
	d.mu.Lock() // builds may run already
	defer d.mu.Unlock()
	d.files[name+"-1-1.src.rpm"] = rpmtest.Pack(tb, rpmpack.RPMMetaData{Name: name, Version: "1", Release: "1", Arch: "x86_64"}, func(r *rpmpack.RPM) {
		r.AddCustomTag(tagSourcePackage, rpmpack.EntryUint32([]uint32{1}))
	})
	for _, arch := range arches {
		d.files[name+"-1-1."+arch+".rpm"] = rpmtest.Pack(tb, rpmpack.RPMMetaData{Name: name, Version: "1", Release: "1", Arch: arch}, func(r *rpmpack.RPM) {
			r.AddCustomTag(tagSourceRPM, rpmpack.EntryString(name+"-1-1.src.rpm"))
			r.AddFile(rpmpack.RPMFile{Name: "/usr/share/" + name, Body: []byte(name), Mode: 0o644})
		})
	}
}

// flow is a running installation with plain repositories and a stub driver.
type flow struct {
	server *Server
	driver *stubDriver
	pool   *pgxpool.Pool
	secret forge.Secret
	heads  map[string]string
}

// newFlow starts an installation with n packages for two architectures, not
// pushed yet.
func newFlow(tb testing.TB, n int) *flow {
	tb.Helper()
	return newFlowOn(tb, n, dbtest.NewURL(tb), slog.New(slog.DiscardHandler))
}

// newFlowOn is newFlow on a database, with a log; an empty URL is a private
// PostgreSQL.
func newFlowOn(tb testing.TB, n int, database string, logger *slog.Logger) *flow {
	tb.Helper()
	dir := tb.TempDir()
	// A private PostgreSQL has an account of its own where tests run as root.
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		tb.Fatal(err)
	}
	f := &flow{driver: &stubDriver{files: map[string][]byte{}}, secret: forge.Secret("a secret of the test"), heads: map[string]string{}}
	write := func(name, text string, mode os.FileMode) {
		tb.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			tb.Fatal(err)
		}
	}
	// Benchmarks push more than they begin with.
	var listed []string
	for i := range max(n, 1000) {
		listed = append(listed, packageName(i))
	}
	write("webhook.secret", string(f.secret), 0o600)
	write("distro.yaml", "arches: [x86_64, aarch64]\ntags:\n  f37: {}\n  f37-build: {inherit: [f37], groups: {build: [bash], srpm-build: [bash]}}\n"+
		"packages:\n  f37: ["+strings.Join(listed, ", ")+"]\ntargets:\n  f37: {build_tag: f37-build, dest_tag: f37, branches: [f37]}\n", 0o644)
	write("distbot.yaml", "listen: 127.0.0.1:0\nexternal_url: http://127.0.0.1:1\nstate_dir: state\nbuilder: {arches: [x86_64, aarch64], capacity: 8}\n"+
		"database: {url: \""+database+"\"}\nforges:\n  - {name: git, kind: git, url: git, webhook_secret_files: [webhook.secret]}\n", 0o644)
	for i := range n {
		f.makeRepository(tb, filepath.Join(dir, "git", "rpms"), packageName(i))
	}
	config, err := loadConfig(filepath.Join(dir, "distbot.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	f.serve(tb, config, logger)
	tb.Cleanup(func() { f.close(tb) })
	// Every start looks for pushes that were not delivered: there are none yet.
	f.wait(tb, "the start is over", "select exists (select from river_job where kind = 'distgit.reconcile' and state = 'completed')")
	return f
}

// packageName names the ith package.
func packageName(i int) string { return fmt.Sprintf("pkg%03d", i) }

// serve starts a server, the first one or another on the same state.
func (f *flow) serve(tb testing.TB, config Config, logger *slog.Logger) {
	tb.Helper()
	f.server = &Server{Config: config, Logger: logger, Driver: f.driver}
	for _, step := range []func(context.Context) error{f.server.Open, f.server.applyDistro, f.server.Start} {
		if err := step(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
	f.pool = f.server.pool
}

func (f *flow) close(tb testing.TB) {
	tb.Helper()
	if err := f.server.Close(); err != nil {
		tb.Error(err)
	}
}

// makeRepository makes a bare repository with one commit of a package.
func (f *flow) makeRepository(tb testing.TB, root, name string) {
	tb.Helper()
	f.driver.add(tb, name, "x86_64", "aarch64")
	repo := filepath.Join(root, name+".git")
	if err := os.MkdirAll(repo, 0o755); err != nil {
		tb.Fatal(err)
	}
	spec := "Name: " + name + "\nVersion: 1\nRelease: 1\nSummary: A package\nLicense: MIT\n%description\nA package.\n%files\n"
	stream := fmt.Sprintf("commit refs/heads/f37\ncommitter Ada <ada@example.invalid> 1790000000 +0000\ndata 5\nstart\n"+
		"M 100644 inline %s.spec\ndata %d\n%s\n", name, len(spec), spec)
	runGit(tb, repo, "", "init", "--quiet", "--bare", "--initial-branch=f37")
	runGit(tb, repo, stream, "fast-import", "--quiet")
	f.heads[name] = runGit(tb, repo, "", "rev-parse", "refs/heads/f37")
}

// runGit runs git in a directory and returns its output.
func runGit(tb testing.TB, dir, stdin string, args ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "git", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// deliver posts the delivery of a package's push and returns the answer's code.
func (f *flow) deliver(tb testing.TB, name, id string) int {
	tb.Helper()
	body, err := json.Marshal(map[string]string{
		"repository": "rpms/" + name, "ref": "refs/heads/f37", "before": strings.Repeat("0", 40), "after": f.heads[name], "pusher": "ada",
	})
	if err != nil {
		tb.Fatal(err)
	}
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "http://"+f.server.Addr()+"/webhooks/git", bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Distbot-Event", "push")
	request.Header.Set("X-Distbot-Delivery", id)
	request.Header.Set("X-Distbot-Signature", "sha256="+forge.Sign(body, f.secret))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	if response.StatusCode >= 300 {
		tb.Fatalf("delivery of %s: %s: %s", name, response.Status, text)
	}
	return response.StatusCode
}

// wait waits until the query says true.
func (f *flow) wait(tb testing.TB, what, query string, args ...any) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	for {
		var done bool
		if err := f.pool.QueryRow(ctx, query, args...).Scan(&done); err != nil {
			tb.Fatalf("wait until %s: %v\n%s", what, err, f.state(tb))
		}
		if done {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// state describes what is unfinished, for the message of a failing test.
func (f *flow) state(tb testing.TB) string {
	tb.Helper()
	rows, err := f.pool.Query(context.Background(), `select 'build ' || id || ' ' || state || ' ' || reason from builds
		union all select 'task ' || id || ' ' || method || ' ' || state || ' ' || reason from tasks where state in ('OPEN', 'FREE')
		union all select 'job ' || id || ' ' || kind || ' ' || state || ' ' || coalesce(errors::text, '') from river_job where state <> 'completed' limit 60`)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	var text strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err.Error()
		}
		text.WriteString(line + "\n")
	}
	return text.String()
}

// published waits until n builds are in the repository and everything about
// them was reported.
func (f *flow) published(tb testing.TB, n int) {
	tb.Helper()
	f.wait(tb, strconv.Itoa(n)+" builds are published", "select count(*) = $1 from builds where published_at is not null", n)
	f.wait(tb, "every status is sent", "select count(*) = 0 from reports where sent_seq < seq")
}

func TestFlow(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 3)
	for name := range f.heads {
		if code := f.deliver(t, name, name); code != http.StatusAccepted {
			t.Errorf("delivery of %s: %d, want 202", name, code)
		}
	}
	f.published(t, 3)
	t.Run("Every context of every commit has its final status", func(t *testing.T) {
		t.Parallel()
		rows, err := f.pool.Query(t.Context(), "select context, count(*), bool_and(state = 'success') from reports group by context order by context")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []string
		for rows.Next() {
			var name string
			var n int
			var ok bool
			if err := rows.Scan(&name, &n, &ok); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %d %v", name, n, ok))
		}
		want := "distbot/f37 3 true, distbot/f37/aarch64 3 true, distbot/f37/srpm 3 true, distbot/f37/x86_64 3 true"
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("statuses: %s, want %s", s, want)
		}
	})
	t.Run("Each architecture's repository holds its packages", func(t *testing.T) {
		t.Parallel()
		for _, arch := range []string{"x86_64", "aarch64"} {
			found, err := filepath.Glob(filepath.Join(f.server.reposDir(), "f37", "latest", arch, "Packages", "p", "*."+arch+".rpm"))
			if err != nil || len(found) != 3 {
				t.Errorf("packages of %s: %v, %v, want 3", arch, found, err)
			}
		}
	})
	t.Run("A push that arrives again builds nothing", func(t *testing.T) {
		t.Parallel()
		if code := f.deliver(t, "pkg000", "pkg000"); code != http.StatusOK {
			t.Errorf("the same delivery: %d, want 200", code)
		}
		if code := f.deliver(t, "pkg000", "another-id"); code == http.StatusAccepted {
			t.Errorf("the same push: %d, want 200", code)
		}
	})
}

// TestPushWhileDown pushes without a word to anybody while no server runs.
func TestPushWhileDown(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 1)
	f.deliver(t, "pkg000", "before")
	f.published(t, 1)
	f.close(t)
	repo := filepath.Join(f.server.Config.path("git"), "rpms", "pkg000.git")
	runGit(t, repo, "commit refs/heads/f37\ncommitter Ada <ada@example.invalid> 1790000001 +0000\ndata 5\nagain\n"+
		"from refs/heads/f37^0\nM 100644 inline README\ndata 0\n", "fast-import", "--quiet")
	head := runGit(t, repo, "", "rev-parse", "refs/heads/f37")
	f.serve(t, f.server.Config, slog.New(slog.DiscardHandler))
	f.wait(t, "the next server finds the push", "select exists (select from builds where commit_id = $1)", head)
	if n := len(queuetest.Values[int64](t, f.pool, "select id from deliveries")); n != 1 {
		t.Errorf("%d deliveries, want the first push's only", n)
	}
}

// BenchmarkFlow takes 200 pushes for two architectures through all stages with
// a driver that does nothing.
func BenchmarkFlow(b *testing.B) {
	const pushes = 200
	for b.Loop() {
		b.StopTimer()
		f := newFlow(b, pushes)
		runtime.GC() // what the packages' making left
		b.StartTimer()
		start, before := time.Now(), processorTimeOf(b, f.pool)
		var group errgroup.Group
		group.SetLimit(8)
		for name := range f.heads {
			group.Go(func() error { f.deliver(b, name, name); return nil })
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		f.published(b, pushes)
		b.ReportMetric(time.Since(start).Seconds(), "s/200pushes")
		processorTimeOf(b, f.pool).report(b, before)
	}
}

// BenchmarkFirstStatus measures from the receipt of a push to the moment at
// which the first pending status was sent, as the database saw both.
func BenchmarkFirstStatus(b *testing.B) {
	f := newFlow(b, max(b.N, 1))
	i := 0
	var worst, total time.Duration
	for b.Loop() {
		name := packageName(i)
		if _, there := f.heads[name]; !there {
			b.StopTimer()
			f.makeRepository(b, filepath.Join(f.server.Config.path("git"), "rpms"), name)
			b.StartTimer()
		}
		f.deliver(b, name, name)
		f.wait(b, "the first status of "+name+" is sent", `select exists (select 1 from reports r join repositories p on p.id = r.repository_id
			where p.full_name = $1 and r.sent_seq >= 1)`, "rpms/"+name)
		var milliseconds float64
		err := f.pool.QueryRow(b.Context(), `select extract(epoch from min(r.sent_at) - min(d.received_at))::float8 * 1000
			from reports r join repositories p on p.id = r.repository_id join deliveries d on d.repository = p.full_name
			where p.full_name = $1 and r.sent_seq >= 1`, "rpms/"+name).Scan(&milliseconds)
		if err != nil {
			b.Fatal(err)
		}
		took := time.Duration(milliseconds * float64(time.Millisecond))
		worst, total, i = max(worst, took), total+took, i+1
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(i), "ms/first-status")
	b.ReportMetric(float64(worst.Milliseconds()), "ms-worst")
}
