package main

import (
	"bytes"
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
			if (stdout == "") != (code != exitDone) {
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
