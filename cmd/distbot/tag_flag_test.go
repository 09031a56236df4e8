package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0":                         "1970-01-01T00:00:00Z",
		"1795163448.75":             "2026-11-20T08:30:48.75Z",
		"-1":                        "1969-12-31T23:59:59Z",
		"2026-11-20T08:30:48Z":      "2026-11-20T08:30:48Z",
		"2026-11-20T09:30:48+01:00": "2026-11-20T08:30:48Z",
	} {
		got, err := parseTime(text)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("parseTime(%q) = %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "2026-11-20", "NaN", "Inf", "1e300", "253402300800"} {
		if got, err := parseTime(text); err == nil {
			t.Errorf("parseTime(%q) = %v, want an error", text, got)
		}
	}
}

func TestParseLifetime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"never": 0, "90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute} {
		if got, err := parseLifetime(text); err != nil || got != want {
			t.Errorf("parseLifetime(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0d", "-1d", "d", "1.5d", "0s", "-5h", "200000000d", "99999999999999999999d", "soon"} {
		if got, err := parseLifetime(text); err == nil {
			t.Errorf("parseLifetime(%q) = %v, want an error", text, got)
		}
	}
}

func TestExtraFlag(t *testing.T) {
	t.Parallel()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(&settings{}, "extra", "")
	args := []string{"--extra", "text=.fc40", "--extra", "number=3", "--extra", "quoted=\"3\"", "--extra", "list=[1,2]", "--extra", "eq=a=b", "--extra", "null=null", "--extra", "empty="}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	want := map[string]json.RawMessage{
		"text": json.RawMessage(`".fc40"`), "number": json.RawMessage("3"), "quoted": json.RawMessage(`"3"`), "list": json.RawMessage("[1,2]"),
		"eq": json.RawMessage(`"a=b"`), "null": json.RawMessage("null"), "empty": json.RawMessage(`""`),
	}
	if diff := cmp.Diff(want, extraOf(flags)); diff != "" {
		t.Errorf("extra settings (-want +got):\n%s", diff)
	}
	for _, pair := range []string{"novalue", "=x"} {
		if err := flags.Parse([]string{"--extra", pair}); err == nil {
			t.Errorf("--extra %q was taken", pair)
		}
	}
}

// TestTagNamesAreUTF8 gives what no database could compare to a command of each
// kind.
func TestTagNamesAreUTF8(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"tag list X", "tag list --build X", "tag info X", "tag tree X", "tag history --tag X", "tag explain f40 X", "tag add X", "tag build f40 X",
		"tag groups list f40 X", "target list --name X", "perm list --user X", "token list --user X", "user show X", "user add a --as X",
	} {
		var stdout, stderr bytes.Buffer
		args := strings.Fields(strings.ReplaceAll(line, "X", "\xff"))
		code := run(t.Context(), terminal{args: args, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }})
		if code != exitUsage || !strings.Contains(stderr.String(), `"\xff" is not UTF-8`) {
			t.Errorf("distbot %s: exit code %d, stderr %q", line, code, stderr.String())
		}
	}
}
