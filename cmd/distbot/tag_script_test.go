package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/distbot/distbot/internal/dbtest"
)

// TestTagScripts runs the stories of testdata/tag, each with an empty
// installation and these commands besides testscript's own:
//
//	distbot ARGUMENT...          runs the command line, which must be done; with !
//	                             before it, fail
//	misuse ARGUMENT...           runs the command line, which must be used wrongly
//	build NVR [STATE [ARCH...]]  makes a build, COMPLETE by default, with RPMs
//	longfilter CHILD PARENT      sets a filter of 10,000 characters, which must fail
//	same FILE                    the last output is that of the file, where TIME
//	                             stands for any time
func TestTagScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "tag"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			tb, ok := env.T().(testing.TB)
			if !ok {
				return fmt.Errorf("%T is no test", env.T())
			}
			url := dbtest.NewURL(tb)
			env.Setenv("DATABASE", url)
			return os.WriteFile(filepath.Join(env.WorkDir, "distbot.yaml"), []byte("database: {url: \""+url+"\"}\n"), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"distbot": func(ts *testscript.TestScript, neg bool, args []string) {
				want := exitDone
				if neg {
					want = exitFailed
				}
				callScript(t, ts, want, args)
			},
			"misuse": func(ts *testscript.TestScript, _ bool, args []string) { callScript(t, ts, exitUsage, args) },
			"build":  func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(makeBuild(t, ts, args)) },
			"longfilter": func(ts *testscript.TestScript, _ bool, args []string) {
				callScript(t, ts, exitFailed, append([]string{"tag", "edit-inheritance", "--pkg-filter", strings.Repeat("a", 10_000)}, args...))
			},
			"same": func(ts *testscript.TestScript, _ bool, args []string) { sameOutput(ts, args) },
		},
	})
}

// callScript runs a command line of a script in this process.
func callScript(t *testing.T, ts *testscript.TestScript, want int, args []string) {
	args = append([]string{"--config", ts.MkAbs("distbot.yaml")}, args...)
	code := run(t.Context(), terminal{
		args: args, stdin: strings.NewReader(""), stdout: ts.Stdout(), stderr: ts.Stderr(), getenv: func(string) string { return "" },
	})
	if code != want {
		ts.Fatalf("distbot %s: exit code %d, want %d", strings.Join(args, " "), code, want)
	}
}

// makeBuild makes a build as builders do, without an event.
func makeBuild(t *testing.T, ts *testscript.TestScript, args []string) error {
	conn, err := pgx.Connect(t.Context(), ts.Getenv("DATABASE"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(t.Context()) }()
	parts := strings.Split(args[0], "-")
	n := len(parts)
	if n < 3 {
		return fmt.Errorf("%s is no NVR", args[0])
	}
	name, version, release, state := strings.Join(parts[:n-2], "-"), parts[n-2], parts[n-1], "COMPLETE"
	if len(args) > 1 {
		state = args[1]
	}
	var id int64
	err = conn.QueryRow(t.Context(), `with p as (insert into packages (name) values ($1) on conflict (name) do update set name = excluded.name returning id),
		r as (insert into repositories (forge, forge_repo_id, full_name, clone_url) values ('none', $1, $1, 'none')
			on conflict (forge, forge_repo_id) do update set full_name = excluded.full_name returning id)
		insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev,
			version, release, nvr, state, finished_at)
		select p.id, r.id, 't', t.id, t.id, false, '', '', now(), '', 0, $2, $3, $4, $5, now() from p, r, (select min(id) as id from tags) t
		returning id`, name, version, release, args[0], state).Scan(&id)
	if err != nil {
		return err
	}
	for i, arch := range args[min(2, len(args)):] {
		_, err = conn.Exec(t.Context(), `insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path)
			values ($1, $2, 0, $3, $4, $5, $6, $7, 1, 0, '')`,
			id, name, version, release, strings.Replace(arch, "src", "x86_64", 1), arch == "src", strconv.Itoa(i))
		if err != nil {
			return err
		}
	}
	return nil
}

var timeText = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

func sameOutput(ts *testscript.TestScript, args []string) {
	got, want := timeText.ReplaceAllString(ts.ReadFile("stdout"), "TIME"), ts.ReadFile(args[0])
	if got != want {
		ts.Fatalf("the output differs from %s; it is\n%s", args[0], got)
	}
}
