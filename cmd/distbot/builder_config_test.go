package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue/hostdoor"
)

// hostFile is what enrolling writes.
const hostFile = "hub: https://hub.example.org:8443\nca: ca.pem\ncertificate: host.pem\nkey: host.key\ndatabase_password: database.password\n"

func TestParseHostFile(t *testing.T) {
	t.Parallel()
	t.Run("What enrolling writes is enough", func(t *testing.T) {
		t.Parallel()
		got, err := parseHostFile([]byte(hostFile), "/etc/distbot")
		if err != nil {
			t.Fatal(err)
		}
		want := defaultHostFile()
		want.HostConfig = hostdoor.HostConfig{
			Hub: "https://hub.example.org:8443", CA: "/etc/distbot/ca.pem", Certificate: "/etc/distbot/host.pem", Key: "/etc/distbot/host.key",
			DatabasePassword: "/etc/distbot/database.password",
		}
		want.WorkDir = "/etc/distbot/work"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	for name, test := range map[string]struct{ text, problem string }{
		"An unknown key is told with its line":      {"label: b1\n", `line 6: unknown key "label"`},
		"A hub must be named":                       {"hub: \"\"\n", "already defined"},
		"A driver that does not exist is refused":   {"driver: docker\n", `"docker"`},
		"A host without architectures gets no work": {"arches: []\n", "arches and emulate are empty"},
		"What runs by itself is not emulated":       {"arches: [x86_64]\nemulate: [x86_64]\n", "emulate: x86_64 is among arches"},
		"A name must be one":                        {"channels: [\"a b\"]\n", `channels: "a b" is no name`},
		"A capacity of nothing is refused":          {"capacity: 0\n", "capacity must be more than 0"},
		"A capacity that is no number is refused":   {"capacity: .nan\n", "capacity must be more than 0"},
		"A size must be one":                        {"min_disk: much\n", `"much" is no size`},
		"Every problem is told at once": {
			"capacity: 0\nlimits: {memory: lots}\nlabel: b1\nchannels: [a b]\ncache: [1]\n",
			"5 mistakes:\n  line 6: capacity must be more than 0 and at most 1000, not 0\n" + `  line 7: "lots" is no size, such as 512M or 8G` + "\n" +
				`  line 8: unknown key "label"` + "\n" + `  line 9: channels: "a b" is no name` + "\n" + `  line 10: "" is no size`,
		},
		"A directory for work is needed": {"work_dir: \"\"\n", "work_dir is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseHostFile([]byte(hostFile+test.text), "/etc/distbot"); err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%v, want %q in it", err, test.problem)
			}
		})
	}
	t.Run("An empty file lacks everything", func(t *testing.T) {
		t.Parallel()
		_, err := parseHostFile(nil, "/etc/distbot")
		for _, key := range []string{"hub", "ca", "certificate", "key", "database_password"} {
			if err == nil || !strings.Contains(err.Error(), key+" is missing") {
				t.Errorf("%v, want %q in it", err, key+" is missing")
			}
		}
	})
}
