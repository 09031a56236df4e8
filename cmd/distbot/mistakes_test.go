package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
)

// console is a command line beside an installation with one finished build of
// the target f37.
type console struct {
	t      *testing.T
	pool   *pgxpool.Pool
	config string
	build  int64
}

func newConsole(t *testing.T) *console {
	t.Helper()
	c := &console{t: t, pool: dbtest.New(t), config: filepath.Join(t.TempDir(), "distbot.yaml")}
	text := "database: {url: \"" + c.pool.Config().ConnString() + "\"}\nforges:\n  - {name: git, kind: git, url: git, webhook_secret_files: [webhook.secret]}\n"
	if err := os.WriteFile(c.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	d := queuetest.NewDistribution(t, c.pool, queuetest.Inserter(t, c.pool), "x86_64")
	queuetest.Exec(t, c.pool, "insert into build_targets (name, build_tag, dest_tag, branches, create_event) values ('f37', $1, $2, '{f37}', 1)", d.BuildTag, d.DestTag)
	c.build = d.Start(t, d.NewBuild(0))
	queuetest.Exec(t, c.pool, "update builds set state = 'COMPLETE', finished_at = now()")
	return c
}

// call runs a command line, in which BUILD stands for the build's id.
func (c *console) call(line string) (code int, stdout, stderr string) {
	c.t.Helper()
	var out, errs bytes.Buffer
	args := strings.Fields(strings.ReplaceAll(line, "BUILD", strconv.FormatInt(c.build, 10)))
	code = run(c.t.Context(), terminal{
		args: append(args, "--config", c.config), stdin: strings.NewReader(""), stdout: &out, stderr: &errs, getenv: func(string) string { return "" },
	})
	return code, out.String(), errs.String()
}

func TestFilters(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	for line, want := range map[string]struct {
		code   int
		stderr string
	}{
		"build list --state COMPLETE":       {exitDone, ""},
		"build list --state FAILED":         {exitDone, ""},
		"build list --state complete":       {exitUsage, `--state "complete" is none of: BUILDING, COMPLETE, DELETED, FAILED, CANCELED`},
		"task list --state CLOSED":          {exitDone, ""},
		"task list --state RUNNING":         {exitUsage, `--state "RUNNING" is none of: FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED`},
		"delivery list --state failed":      {exitDone, ""},
		"delivery list --state lost":        {exitUsage, `--state "lost" is none of: received, planned, ignored, duplicate, failed`},
		"delivery list --forge git":         {exitDone, ""},
		"delivery list --forge hub":         {exitFailed, "distbot delivery list: there is no forge hub: the configuration has git\n"},
		"build list --target f37":           {exitDone, ""},
		"build list --target f99":           {exitFailed, "distbot build list: there is no target f99: there are f37\n"},
		"build list --package nosuch":       {exitFailed, "distbot build list: there is no package nosuch: nothing was built of it yet\n"},
		"build list --target f99 --json":    {exitFailed, "there is no target f99"},
		"build list --target f37 --limit 1": {exitDone, ""},
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := c.call(line)
			if code != want.code || !strings.Contains(stderr, want.stderr) || want.stderr == "" && stderr != "" {
				t.Errorf("exit code %d, stderr %q; want %d and %q", code, stderr, want.code, want.stderr)
			}
			if (stdout == "") != (code != exitDone && !strings.Contains(line, "--json")) {
				t.Errorf("exit code %d with stdout %q", code, stdout)
			}
		})
	}

	t.Run("a target that was removed is known by its builds", func(t *testing.T) {
		t.Parallel()
		c := newConsole(t)
		queuetest.Exec(t, c.pool, "update build_targets set revoke_event = 1")
		if code, stdout, stderr := c.call("build list --target f37 --state FAILED"); code != exitDone || stdout != "nothing found\n" {
			t.Errorf("exit code %d, stdout %q, stderr %q; want an empty list", code, stdout, stderr)
		}
	})
}

func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	dir := filepath.Dir(c.config)
	for name, content := range map[string]string{
		"unknown.yaml": "distro: unknown-distro.yaml\ndatabase: {url: \"" + c.pool.Config().ConnString() + "\"}\n", "unknown-distro.yaml": "tags: {}\ntargetsx: {}\n",
		"wrong.yaml": "distro: wrong-distro.yaml\ndatabase: {url: \"" + c.pool.Config().ConnString() + "\"}\n", "wrong-distro.yaml": "targets:\n  f37: {build_tag: nope, dest_tag: f37, branches: [f37]}\n",
		"type.yaml": "forges: [x]\n", "unreachable.yaml": "database: {url: \"postgres://nobody@127.0.0.1:1/x\"}\n", "webhook.secret": "not a secret, but long\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hooks := filepath.Join(dir, "git", "own.git", "hooks")
	if err := os.MkdirAll(hooks, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"../HEAD": "ref: refs/heads/main\n", "post-receive": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(hooks, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	queuetest.Exec(t, c.pool, `insert into deliveries (forge, delivery_id, event, state, headers, body, duplicate_of)
		values ('git', 'one', 'push', 'received', '{}', '', null), ('git', 'two', 'push', 'duplicate', '{}', '', 1)`)
	for line, want := range map[string]string{
		"delivery replay 1":                    "distbot delivery replay: delivery 1 is waiting to be planned already",
		"delivery replay 2":                    "distbot delivery replay: delivery 2 is the same push as delivery 1 and is not planned itself: replay delivery 1",
		"build cancel BUILD":                   "distbot build cancel: build BUILD is COMPLETE: only a running build can be canceled",
		"build retry BUILD":                    "distbot build retry: build BUILD is COMPLETE: only a failed or canceled build can be retried",
		"build cancel 4711":                    "distbot build cancel: there is no build 4711",
		"build retry 4711":                     "distbot build retry: there is no build 4711",
		"build show 4711":                      "distbot build show: there is no build 4711",
		"build show no-1-1":                    "distbot build show: there is no build no-1-1",
		"build log BUILD --task 4711":          "distbot build log: build BUILD has no task 4711: distbot build show BUILD lists its tasks",
		"build log BUILD":                      "has no such log: it may have checkout.log, root.log, build.log",
		"task show 4711":                       "distbot task show: there is no task 4711",
		"delivery show 4711":                   "distbot delivery show: there is no delivery 4711",
		"delivery replay 4711":                 "distbot delivery replay: there is no delivery 4711",
		"hook install /":                       "distbot hook install: / is not below " + dir + "/git",
		"hook install " + dir + "/git/own.git": "distbot hook install: install hook in " + dir + "/git/own.git: the repository has a post-receive hook of its own: --force replaces it and keeps it beside",
		"hook install " + dir + "/git/nosuch":  "distbot hook install: install hook: open " + dir + "/git/nosuch: no such file or directory",
		"bootstrap debian --out " + dir:        `flag provided but not defined: -config`,
		"apply":                                "distbot apply: there is no " + dir + "/distro.yaml: make one with distbot init, or name another with the key distro of distbot.yaml",
		"apply unknown.yaml":                   "distbot apply: " + dir + `/unknown-distro.yaml: line 2: unknown key "targetsx"`,
		"apply wrong.yaml": "distbot apply: " + dir + `/wrong-distro.yaml: 2 mistakes:` + "\n" + `  line 2: target f37: build_tag "nope" is not a tag of this file` + "\n" +
			`  line 2: target f37: dest_tag "f37" is not a tag of this file`,
		"tag list type.yaml":        "distbot tag list: " + dir + "/type.yaml: line 1: the value `x` is not what this key takes",
		"tag list unreachable.yaml": "distbot tag list: open the database: connect: failed to connect to `user=nobody database=x`",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			own := *c
			words := strings.Fields(line)
			if last := words[len(words)-1]; strings.HasSuffix(last, ".yaml") {
				own.config, words = filepath.Join(dir, last), words[:len(words)-1]
			}
			code, stdout, stderr := own.call(strings.Join(words, " "))
			want := strings.ReplaceAll(want, "BUILD", strconv.FormatInt(c.build, 10))
			if code == exitDone || !strings.Contains(stderr, want) || stdout != "" {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %q", code, stdout, stderr, want)
			}
		})
	}
}

func TestForUsers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"queue: build 1 is COMPLETE":                                  "build 1 is COMPLETE",
		"forge git: forge: read secret s: chmod 600 it":               "forge git: read secret s: chmod 600 it",
		"plaingit: install hook: plaingit: it has one":                "install hook: it has one",
		"migrations: connect: pglocal: start server\nstore: no space": "connect: start server\nno space",
		"tag web: no arches":                                          "tag web: no arches",
		"the queue is full":                                           "the queue is full",
	} {
		if got := forUsers(errors.New(text)); got != want {
			t.Errorf("forUsers(%q) = %q, want %q", text, got, want)
		}
	}
}
