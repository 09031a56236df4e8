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
		"Help lists the commands":                {[]string{"help"}, exitDone, "delivery replay", ""},
		"No command is wrong usage":              {nil, exitUsage, "", "usage: distbot COMMAND"},
		"An unknown command is wrong usage":      {[]string{"frobnicate"}, exitUsage, "", `there is no command "frobnicate"`},
		"A group without a verb names its verbs": {[]string{"build"}, exitUsage, "", "build needs one of: list, show, log, cancel, retry"},
		"An unknown flag is wrong usage":         {[]string{"build", "list", "--frobnicate"}, exitUsage, "", "flag provided but not defined"},
		"A missing argument is wrong usage":      {[]string{"delivery", "show"}, exitUsage, "", "usage: distbot delivery show ID"},
		"An id must be one":                      {[]string{"build", "cancel", "x"}, exitUsage, "", `"x" is no id of a build`},
		"A limit has bounds":                     {[]string{"task", "list", "--limit", "0"}, exitUsage, "", "--limit must be between"},
		"A missing configuration is a failure":   {[]string{"build", "list", "--config", "/nonexistent/distbot.yaml"}, exitFailed, "", "there is no /nonexistent/distbot.yaml"},
		"Help of a command tells its flags":      {[]string{"build", "log", "--help"}, exitDone, "", "checkout.log, root.log or build.log"},
		"Help of a group lists its commands":     {[]string{"delivery", "--help"}, exitDone, "delivery replay", ""},
		"An argument too many is wrong usage":    {[]string{"build", "list", "extra"}, exitUsage, "", `unexpected argument "extra"`},
		"The version is printed":                 {[]string{"--version"}, exitDone, "distbot", ""},
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

func TestFlagsMayStandAnywhere(t *testing.T) {
	t.Parallel()
	cmd, rest, err := find([]string{"build", "show", "7", "--json", "--config", "x.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	flags := newFlags(cmd, &bytes.Buffer{})
	if err := parseAnywhere(flags, rest); err != nil {
		t.Fatal(err)
	}
	if flags.NArg() != 1 || flags.Arg(0) != "7" || !wantsJSON(flags) || flags.Lookup("config").Value.String() != "x.yaml" {
		t.Errorf("arguments %v, json %v, config %s", flags.Args(), wantsJSON(flags), flags.Lookup("config").Value)
	}
}
