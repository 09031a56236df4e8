package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	t.Run("An empty file is an installation with defaults", func(t *testing.T) {
		t.Parallel()
		config, err := parseConfig(nil, "/srv/distbot")
		if err != nil {
			t.Fatal(err)
		}
		if config.StateDir != "/srv/distbot/state" || config.ExternalURL != "http://127.0.0.1:8080" || config.Builder.Limits.Memory != 8<<30 {
			t.Errorf("config %+v", config)
		}
	})
	t.Run("Sizes and durations are read", func(t *testing.T) {
		t.Parallel()
		config, err := parseConfig([]byte("builder: {limits: {memory: 512M, timeout: 90m}}\nretention: {generation_age: 1h}\n"), "/")
		if err != nil {
			t.Fatal(err)
		}
		if config.Builder.Limits.Memory != 512<<20 || time.Duration(config.Builder.Limits.Timeout) != 90*time.Minute ||
			time.Duration(config.Retention.GenerationAge) != time.Hour {
			t.Errorf("config %+v", config)
		}
	})
	t.Run("A host builds for what it emulates too", func(t *testing.T) {
		t.Parallel()
		config, err := parseConfig([]byte("builder: {emulate: [riscv64]}\n"), "/")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{hostArch(), "riscv64"}, config.builderArches()); diff != "" {
			t.Errorf("architectures (-want +got):\n%s", diff)
		}
	})
	for name, test := range map[string]struct{ text, want string }{
		"An unknown key is named with its line":       {"listen: a\nlisten_on: b\n", `line 2: unknown key "listen_on"`},
		"An unknown key of a forge is named":          {"forges:\n  - {name: a, secret: x}\n", `line 2: unknown key "secret"`},
		"An address to listen on has a port":          {"listen: localhost", `line 1: listen: "localhost" is no address`},
		"A port is a number of 16 bits":               {"listen: \"127.0.0.1:70000\"", `"127.0.0.1:70000" is no address`},
		"A key that is given twice is refused":        {"listen: \":1\"\nlisten: \":2\"", `line 2: mapping key "listen" already defined at line 1`},
		"A text that is no YAML is refused":           {"forges: [", "line 1: "},
		"A kind that is no forge's is refused":        {"forges: [{name: a, kind: svn, url: x, webhook_secret_files: [s]}]", `kind must be github, forgejo or git, not "svn"`},
		"A forge without a secret is refused":         {"forges: [{name: a, kind: forgejo, url: http://x}]", "webhook_secret_files is missing"},
		"A forge without a url is refused":            {"forges: [{name: a, kind: git, webhook_secret_files: [s]}]", "url is missing"},
		"A forge's name must fit a path":              {"forges: [{name: ../a, kind: git, url: x, webhook_secret_files: [s]}]", "name must be lower-case"},
		"A name that is used twice is refused":        {"forges: [{name: a, kind: git, url: x, webhook_secret_files: [s]}, {name: a, kind: git, url: x, webhook_secret_files: [s]}]", "the name is used twice"},
		"An App is GitHub's":                          {"forges: [{name: a, kind: forgejo, url: http://x, app_id: 1, key_file: k, webhook_secret_files: [s]}]", "app_id and key_file are of kind github"},
		"An App has a key":                            {"forges: [{name: a, kind: github, app_id: 1, webhook_secret_files: [s]}]", "needs both app_id, a positive number, and key_file"},
		"A key is an App's":                           {"forges: [{name: a, kind: github, key_file: k, webhook_secret_files: [s]}]", "needs both app_id, a positive number, and key_file"},
		"An App's id is a number":                     {"forges: [{name: a, kind: github, app_id: distbot, webhook_secret_files: [s]}]", "line 1"},
		"An App has no token":                         {"forges: [{name: a, kind: github, app_id: 1, key_file: k, token_file: t, webhook_secret_files: [s]}]", "a GitHub App has no token_file"},
		"An external url must be one":                 {"external_url: distbot.example.org", "is no http or https URL"},
		"A size must be one":                          {"builder: {limits: {memory: lots}}", `"lots" is no size`},
		"A size that is too large for a file is none": {"builder: {limits: {memory: 999999999999T}}", "is no size"},
		"A duration must be one":                      {"retention: {generation_age: 3 days}", `"3 days" is no duration`},
		"An address for build hosts has a port":       {"builders: {listen: localhost}", `builders: listen: "localhost" is no address`},
		"Build hosts call by https":                   {"builders: {listen: \":1\", url: \"http://a\"}", `builders: url: "http://a" is no https URL`},
		"Build hosts' URL has no path":                {"builders: {listen: \":1\", url: \"https://a/b\"}", "must be a host and a port alone"},
		"A URL for build hosts needs somebody there":  {"builders: {url: \"https://a\"}", "without listen nobody answers"},
		"A name of the hub must be one":               {"builders: {listen: \":1\", names: [\"*.example.org\"]}", `"*.example.org" is neither`},
		"A driver that does not exist is refused":     {"builder: {driver: docker}", `not "docker"`},
		"What is emulated is not native":              {"builder: {arches: [x86_64, i686], emulate: [i686]}", "emulate: i686 is among arches"},
		"An architecture must have a name":            {"builder: {emulate: [../../bin]}", `emulate: "../../bin" is no name`},
		"A signer is somewhere or not":                {"signing: {signer: here}", `signer must be none, child or external, not "here"`},
		"A socket's path must be short":               {"signing: {signer: child, dir: /" + strings.Repeat("x", 100) + "}", "at most 103"},
		"A capacity of nothing is refused":            {"builder: {capacity: 0}", "capacity must be between"},
		"Every problem is told at once": {
			"listen: nowhere\nbuilder:\n  capacity: 0\n  limits: {memory: lots}\nfrobnicate: 1\nforges:\n  - name: a\n    kind: svn\n    url: x\n    webhook_secret_files: [s]\n" +
				"  - 7\nreconcile: {every: soon}\n",
			"7 mistakes:\n" +
				`  line 1: listen: "nowhere" is no address such as 127.0.0.1:8080` + "\n" +
				"  line 3: builder: capacity must be between 1 and 1000, not 0\n" +
				`  line 4: "lots" is no size, such as 512M or 8G` + "\n" +
				`  line 5: unknown key "frobnicate"` + "\n" +
				`  line 8: forges[0] (a): kind must be github, forgejo or git, not "svn"` + "\n" +
				"  line 11: the value `7` is not what this key takes\n" +
				`  line 12: "soon" is no duration, such as 90s or 24h`,
		},
		"A value of another shape is named by its line": {"listen: [a]\n", "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseConfig([]byte(test.text), "/")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestLoadConfigNamesTheFileThatIsMissing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "distbot.yaml")
	if _, err := loadConfig(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "distbot init") {
		t.Errorf("got %v, want an error that names %s and distbot init", err, path)
	}
}
