package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"Help lists the commands":                 {[]string{"help"}, exitDone, "delivery replay", ""},
		"No command is wrong usage":               {nil, exitUsage, "", "usage: distbot COMMAND"},
		"An unknown command is wrong usage":       {[]string{"frobnicate"}, exitUsage, "", `there is no command "frobnicate"`},
		"A group without a verb names its verbs":  {[]string{"build"}, exitUsage, "", "build needs one of: submit, list, show, log, cancel, retry"},
		"An unknown flag is wrong usage":          {[]string{"build", "list", "--frobnicate"}, exitUsage, "", "flag provided but not defined"},
		"A missing argument is wrong usage":       {[]string{"delivery", "show"}, exitUsage, "", "usage: distbot delivery show ID"},
		"An id must be one":                       {[]string{"build", "cancel", "x"}, exitUsage, "", `"x" is no id of a build`},
		"A limit has bounds":                      {[]string{"task", "list", "--limit", "0"}, exitUsage, "", "--limit must be between"},
		"A missing configuration is a failure":    {[]string{"build", "list", "--config", "/nonexistent/distbot.yaml"}, exitFailed, "", "there is no /nonexistent/distbot.yaml"},
		"Flags may stand before the command":      {[]string{"--config", "/nonexistent/first.yaml", "--debug", "build", "list"}, exitFailed, "", "there is no /nonexistent/first.yaml"},
		"A flag may be joined to its value":       {[]string{"--config=/nonexistent/first.yaml", "build", "list"}, exitFailed, "", "there is no /nonexistent/first.yaml"},
		"Flags after the command win":             {[]string{"--config", "/nonexistent/first.yaml", "build", "list", "--config", "/nonexistent/last.yaml"}, exitFailed, "", "there is no /nonexistent/last.yaml"},
		"Flags without a command are wrong usage": {[]string{"--config", "x.yaml"}, exitUsage, "", "usage: distbot COMMAND"},
		"A flag before a command must be its own": {[]string{"--config", "x.yaml", "doctor"}, exitUsage, "", "flag provided but not defined"},
		"Other flags stand after the command":     {[]string{"--json", "build", "list"}, exitUsage, "", `there is no command "--json"`},
		"Help of a command tells its flags":       {[]string{"build", "log", "--help"}, exitDone, "--name FILE\n        only this file: checkout.log, root.log or build.log", ""},
		"Help of a command that is a group too":   {[]string{"builder", "--help"}, exitDone, "--check\n", ""},
		"Help before a command is its help, too":  {[]string{"help", "build", "log"}, exitDone, "usage: distbot build log ID|NVR", ""},
		"Help may be of a group":                  {[]string{"help", "delivery"}, exitDone, "delivery replay", ""},
		"Help of nothing is wrong usage":          {[]string{"help", "bulid"}, exitUsage, "", `there is no command "bulid"`},
		"A wrong flag is told with the usage":     {[]string{"build", "cancel", "--now"}, exitUsage, "", "distbot build cancel: flag provided but not defined: -now\nusage: distbot build cancel ID\n"},
		"Help of a group lists its commands":      {[]string{"delivery", "--help"}, exitDone, "delivery replay", ""},
		"An argument too many is wrong usage":     {[]string{"build", "list", "extra"}, exitUsage, "", `unexpected argument "extra"`},
		"The version is printed":                  {[]string{"--version"}, exitDone, "distbot", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), terminal{
				args: test.args, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" },
			})
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("stdout %q, stderr %q; want %q and %q in them", stdout.String(), stderr.String(), test.stdout, test.stderr)
			}
		})
	}
}

// TestWrongUsageNeedsNoInstallation calls commands wrongly where there is no
// configuration and no database.
func TestWrongUsageNeedsNoInstallation(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"build list --limit 0", "build list extra", "build show", "build show 1 2", "build log", "build cancel", "build cancel 0", "build retry x",
		"delivery list --limit x", "delivery show", "delivery replay -1", "task list --limit 10001", "task show", "task show 1 2",
		"host list extra", "tag list pattern extra", "target list extra", "migrate extra", "apply extra",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), terminal{
				args:  append([]string{"--config", "/nonexistent/distbot.yaml"}, strings.Fields(args)...),
				stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" },
			})
			if code != exitUsage || stdout.Len() > 0 || strings.Contains(stderr.String(), "nonexistent") {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d and a word about usage", code, stdout.String(), stderr.String(), exitUsage)
			}
		})
	}
}

func TestFlagsMayStandAnywhere(t *testing.T) {
	t.Parallel()
	cmd, rest, err := find([]string{"build", "show", "7", "--json", "--config", "x.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	flags := newFlags(cmd)
	if err := parseAnywhere(flags, rest); err != nil {
		t.Fatal(err)
	}
	if flags.NArg() != 1 || flags.Arg(0) != "7" || !wantsJSON(flags) || flags.Lookup("config").Value.String() != "x.yaml" {
		t.Errorf("arguments %v, json %v, config %s", flags.Args(), wantsJSON(flags), flags.Lookup("config").Value)
	}
}
