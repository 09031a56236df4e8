package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/arch"
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
		"An architecture must be one":                      {"arches: [bogus]\n", "line 6: arches: this machine runs " + arch.Host()},
		"noarch is no machine's architecture":              {"arches: [noarch]\n", "line 6: arches: this machine runs"},
		"Another machine's architecture is to be emulated": {"arches: [s390x]\n", "not s390x, which emulate may name"},
		"An architecture is named once":                    {"arches: [" + arch.Host() + ", " + arch.Host() + "]\n", "arches: " + arch.Host() + " is there twice"},
		"What is emulated must be an architecture":         {"emulate: [bogus]\n", "line 6: emulate: bogus is none of aarch64,"},
		"noarch is not emulated":                           {"emulate: [noarch]\n", "emulate: noarch is none of"},
		"A host without channels gets no work":             {"channels: []\n", "line 6: channels is empty"},
		"A channel is named once":                          {"channels: [a, b, a]\n", "line 6: channels: a is there twice"},
		"A load is not negative":                           {"max_load: -1\n", "line 6: max_load must be between 0, which is any, and 10000, not -1"},
		"A load is a number":                               {"max_load: .nan\n", "line 6: max_load must be"},
		"A load is finite":                                 {"max_load: .inf\n", "line 6: max_load must be"},
		"A host's name is one line":                        {"name: \"a\\nb\"\n", `line 6: name: "a\nb" is no line`},
		"A host's name is short":                           {"name: " + strings.Repeat("x", 101) + "\n", "line 6: name: "},
		"The root is no directory for work":                {"work_dir: /\n", "line 6: work_dir: / is a directory of the operating system"},
		"A system's directory is none":                     {"work_dir: /usr/../usr/lib/\n", "line 6: work_dir: /usr/../usr/lib/ is"},
		"A system's directory with others' in it is none":  {"work_dir: /var/lib\n", "line 6: work_dir: /var/lib is"},
		"A directory for work is needed":                   {"work_dir: \"\"\n", "work_dir is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseHostFile([]byte(hostFile+test.text), "/etc/distbot"); err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%v, want %q in it", err, test.problem)
			}
		})
	}
	for hub, problem := range map[string]string{
		"http://hub:1":        `line 1: hub: "http://hub:1" is no https URL`,
		"https://hub:1/x":     `line 1: hub: "https://hub:1/x" must be a host and a port alone`,
		"https://hub:1?a=b":   `line 1: hub: "https://hub:1?a=b" must be`,
		"https://u:secret@h":  `line 1: hub: "https://u:xxxxx@h" must be`,
		"http://u:secret@h":   `line 1: hub: "http://u:xxxxx@h" is no https URL`,
		"https://u:sec ret@h": "line 1: hub: it is no https URL",
		"https://hub:70000":   `line 1: hub: "https://hub:70000" has no port`,
		"hub.example.org":     `line 1: hub: "hub.example.org" is no https URL`,
	} {
		t.Run("The address "+hub+" is refused", func(t *testing.T) {
			t.Parallel()
			_, err := parseHostFile([]byte(strings.Replace(hostFile, "https://hub.example.org:8443", strconv.Quote(hub), 1)), "/etc/distbot")
			if err == nil || !strings.HasPrefix(err.Error(), problem) {
				t.Errorf("%v, want %q", err, problem)
			}
		})
	}
	t.Run("A key that is there twice is one mistake", func(t *testing.T) {
		t.Parallel()
		_, err := parseHostFile([]byte(hostFile+"hub: https://hub.example.org\n"), "/etc/distbot")
		if want := `line 6: mapping key "hub" already defined at line 1`; err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	})
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
