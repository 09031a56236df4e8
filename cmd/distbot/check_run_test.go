package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost/hosttest"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/builders/host"
	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/forge/github"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/report"
)

// specOf are sources of nothing but a spec.
type specOf string

// Prepare implements builders.Sources.
func (s specOf) Prepare(_ context.Context, order builders.SourceOrder, dir string, _ io.Writer) error {
	if strings.Contains(string(s), "%autorelease") {
		past := drivertest.NewPast()
		past.Spec = "hello.spec"
		past.Commit("Initial import", map[string]string{past.Spec: string(s)})
		var history bytes.Buffer
		if err := errors.Join(past.Encode(&history), os.WriteFile(order.History, history.Bytes(), 0o644)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "hello.spec"), []byte(s), 0o644)
}

// hostDriver is a driver that runs rpmbuild on this host.
func hostDriver(t *testing.T) builders.Driver {
	t.Helper()
	//nolint:usetesting // builds run as others, who may not pass the parent of t.TempDir
	dir, err := os.MkdirTemp("", "distbot-check-run-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	config := host.Config{Dir: filepath.Join(dir, "builds"), Wall: 5 * time.Minute, Logger: slog.New(slog.DiscardHandler)}
	if os.Geteuid() == 0 {
		nobody, err := user.LookupId("65534")
		if err != nil {
			t.Fatal(err)
		}
		config.User = nobody.Username
	}
	driver, err := host.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

// TestAFailedBuildIsANoteOnItsSpec runs rpmbuild on specs with a mistake each, and
// looks at what GitHub shows.
func TestAFailedBuildIsANoteOnItsSpec(t *testing.T) {
	t.Parallel()
	const spec = "Name: hello\nVersion: 1\nRelease: 1\nSummary: Hello\nLicense: MIT\nBuildArch: noarch\n%description\nHello.\n" +
		"%prep\n%build\n%install\nmkdir -p %{buildroot}/usr/share\n%files\n"
	for _, test := range []struct {
		name, spec, context, line, title, summary string
	}{
		{
			"That makes no source package", strings.Replace(spec, "BuildArch", "Recommend: @you ``` [x](https://evil.example)\nBuildArch", 1),
			"distbot/f37/srpm", "Recommend: @you ``` [x](https://evil.example)", "source package: bad spec", "**source package** failed in phase `srpm`",
		},
		{
			"Whose files are in no package", strings.Replace(spec, "%files\n", "touch %{buildroot}/usr/share/frob\n%files\n", 1),
			"distbot/f37/noarch", "%files", "noarch: unpackaged files", "\nIn no package:\n\n- `/usr/share/frob`\n",
		},
		{
			"That runs what is not there", strings.Replace(spec, "%build\n", "%build\necho '```' '# @everyone'\nnosuchcommand --all\n", 1),
			"distbot/f37/noarch", "nosuchcommand --all", "noarch: missing command", "\n+ nosuchcommand --all\n",
		},
		{
			"That was processed before", strings.NewReplacer("Release: 1\n", "Release: %autorelease\n", "%build\n", "%build\nnosuchcommand --all\n").Replace(spec) +
				"%changelog\n%autochangelog\n",
			"distbot/f37/noarch", "nosuchcommand --all", "noarch: missing command", "**noarch** failed in phase `build`",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := failOnGitHub(t, test.spec)
			run, ok := server.Shown("rpms/hello", queuetest.Commit(1), test.context)
			if !ok || run.Status != "completed" || run.Conclusion != "failure" || len(run.Annotations) != 1 {
				t.Fatalf("%s is %+v, want a failure with one annotation", test.context, run)
			}
			note := run.Annotations[0]
			lines := strings.Split(test.spec, "\n")
			if note.Path != "hello.spec" || note.Line > len(lines) || lines[note.Line-1] != test.line || note.Level != forge.LevelFailure {
				t.Errorf("annotation %+v, want it at %q", note, test.line)
			}
			if note.Title != test.title || !strings.HasPrefix(note.Message, run.Title) {
				t.Errorf("the annotation says %q: %q of %q", note.Title, note.Message, run.Title)
			}
			if !strings.Contains(run.Summary, test.summary) || !strings.Contains(run.Summary, "/logs/build.log?attempt=1") {
				t.Errorf("the summary lacks %q or a link: %s", test.summary, run.Summary)
			}
			whole, _ := server.Shown("rpms/hello", queuetest.Commit(1), "distbot/f37")
			if whole.Conclusion != "failure" || len(whole.Annotations) > 0 || whole.Summary != run.Summary {
				t.Errorf("the build's own check run is %+v", whole)
			}
			if diff := cmp.Diff(1, countRuns(server, test.context)); diff != "" {
				t.Errorf("check runs of %s (-want +got):\n%s", test.context, diff)
			}
		})
	}
}

func countRuns(server *forgetest.Server, name string) (n int) {
	for _, run := range server.CheckRuns("rpms/hello", queuetest.Commit(1)) {
		if run.Name == name {
			n++
		}
	}
	return n
}

// failOnGitHub builds a spec until it has failed, and GitHub knows.
func failOnGitHub(t *testing.T, spec string) *forgetest.Server {
	t.Helper()
	pool, dir := dbtest.New(t), t.TempDir()
	files, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	arch := hostArch()
	dist := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), arch)
	queuetest.Exec(t, pool, "insert into repo_generations (tag_id, number, rev, state, arches) select id, 1, 1, 'published', arches from tags where name = 'f37-build'")
	repos := filepath.Join(dir, "repos")
	if err := os.MkdirAll(filepath.Join(repos, "f37-build", "1", arch), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, group := range []string{"build", "srpm-build"} {
		queuetest.Group(t, pool, dist.BuildTag, group, "bash")
	}
	server := forgetest.NewGitHub(t)
	server.AddCommit("rpms/hello", queuetest.Commit(1))
	keyFile := filepath.Join(dir, "app.pem")
	if err := os.WriteFile(keyFile, forgetest.AppKey(t, forgetest.AppID), 0o600); err != nil {
		t.Fatal(err)
	}
	app, err := github.New(github.Config{
		APIURL: server.APIURL, App: &github.App{ID: forgetest.AppID, Key: func() (forge.Secret, error) { return forge.ReadSecretFile(keyFile) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	hosttest.Start(t, hosttest.Config{
		Name: "hub-1", Arches: []string{arch}, Driver: hostDriver(t), WorkDir: filepath.Join(dir, "work"),
		Stages: builders.Stages{
			Pool: pool, Sources: specOf(spec), Store: files, Logs: tasklog.In(dir), ReposDir: repos, ExternalURL: queuetest.ExternalURL, Logger: log,
		},
		Queues: []string{queue.QueueControl, queue.QueueReport},
		Register: func(workers *river.Workers, stages *builders.Stages) {
			river.AddWorker(workers, &builders.ImportWorker{Stages: stages})
			river.AddWorker(workers, &report.Worker{Pool: pool, Forges: map[string]forge.Forge{"gitea": app}, Logger: log})
		},
	})
	build := dist.Start(t, dist.NewBuild(1))
	queuetest.WaitRow(t, pool, "the build has failed", "select state = 'FAILED' from builds where id = $1", build)
	queuetest.WaitRow(t, pool, "GitHub knows", "select bool_and(sent_seq = seq and last_error = '') from reports")
	return server
}

// TestAnAppIsReadFromItsFiles makes the driver that distbot.yaml asks for.
func TestAnAppIsReadFromItsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := Config{dir: dir}
	write := func(name string, mode os.FileMode, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("app.pem", 0o600, forgetest.AppKey(t, forgetest.AppID))
	write("open.pem", 0o644, forgetest.AppKey(t, forgetest.AppID))
	write("other.pem", 0o600, []byte("ghp_secret"))
	f, err := newForge(config, ForgeConfig{Kind: "github", AppID: 1, KeyFile: "app.pem"})
	if err != nil || !f.ShowsDetails() {
		t.Errorf("newForge = %v, %v, want an App", f, err)
	}
	for file, want := range map[string]string{
		"open.pem": "everyone may access it: chmod 600 it", "other.pem": "no RSA private key", "none.pem": "no such file",
	} {
		_, err := newForge(config, ForgeConfig{Kind: "github", AppID: 1, KeyFile: file})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "ghp_secret") {
			t.Errorf("newForge with %s = %v, want an error with %q", file, err, want)
		}
	}
}
