//go:build e2e

package e2e_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the stories of testdata, each with the program on its PATH
// and these commands besides testscript's own:
//
//	code N PROGRAM ARGUMENT...     the program must end with exit code N
//	await PATTERN PROGRAM ARG...   runs the program until its output matches
//	ready                          waits until the server at $URL answers
//	expand FILE...                 replaces $NAME in files
//
// $ADDR is an address that nobody listens on, $URL the server there, $BASE the
// URL of the base distribution, $ARCH this machine's architecture and $BIN the
// directory of the program.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		WorkdirRoot:         makeDir(t, "scripts"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			addr := loopback(t)
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("BIN", filepath.Dir(binary))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("BIN", filepath.Dir(binary))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("ADDR", addr)
			env.Setenv("URL", "http://"+addr)
			env.Setenv("BASE", baseURL)
			env.Setenv("ARCH", hostArch())
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			return os.WriteFile(filepath.Join(env.WorkDir, ".gitconfig"), []byte("[user]\nname = Ada\nemail = ada@example.test\n[init]\ndefaultBranch = f37\n"), 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": runCode, "await": runAwait, "ready": runReady, "expand": runExpand,
		},
	})
}

func misused(ts *testscript.TestScript, neg, wrong bool, usage string) {
	if neg || wrong {
		ts.Fatalf("usage: %s", usage)
	}
}

func runCode(ts *testscript.TestScript, neg bool, args []string) {
	misused(ts, neg, len(args) < 2, "code N PROGRAM ARGUMENT...")
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		code = exit.ExitCode()
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func runAwait(ts *testscript.TestScript, neg bool, args []string) {
	misused(ts, neg, len(args) < 2, "await PATTERN PROGRAM ARGUMENT...")
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	poll(ts, "output "+args[0], func() (string, bool) {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		return out + ts.ReadFile("stderr"), err == nil && pattern.MatchString(out)
	})
}

func runReady(ts *testscript.TestScript, neg bool, args []string) {
	misused(ts, neg, len(args) > 0, "ready")
	poll(ts, "answer of the server", func() (string, bool) {
		resp, err := http.Get(ts.Getenv("URL") + "/readyz")
		if err != nil {
			return err.Error(), false
		}
		resp.Body.Close()
		return resp.Status, resp.StatusCode == http.StatusOK
	})
}

// poll is eventually for scripts.
func poll(ts *testscript.TestScript, what string, look func() (seen string, ok bool)) {
	deadline := time.After(patience)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		seen, ok := look()
		if ok {
			return
		}
		select {
		case <-deadline:
			ts.Fatalf("no %s within %s; last seen:\n%s", what, patience, seen)
		case <-ticker.C:
		}
	}
}

func runExpand(ts *testscript.TestScript, neg bool, args []string) {
	misused(ts, neg, len(args) == 0, "expand FILE...")
	names := []string{"ADDR", "URL", "BASE", "ARCH", "WORK"}
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, "$"+name, ts.Getenv(name))
	}
	for _, name := range args {
		text := strings.NewReplacer(pairs...).Replace(ts.ReadFile(name))
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}
