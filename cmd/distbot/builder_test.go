package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/distbot/distbot/internal/dbtest"
)

// TestBuilderScripts runs the stories of testdata/builder, each with an empty
// installation and the commands distbot and misuse of TestTagScripts.
func TestBuilderScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "builder"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			tb, ok := env.T().(testing.TB)
			if !ok {
				return fmt.Errorf("%T is no test", env.T())
			}
			config := "database: {url: \"" + dbtest.NewURL(tb) + "\"}\nexternal_url: https://hub.example.org\n"
			for name, more := range map[string]string{"distbot.yaml": "builders: {listen: \"127.0.0.1:8443\"}\n", "deaf.yaml": ""} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(config+more), 0o600); err != nil {
					return err
				}
			}
			return nil
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
			// modes FILE MODE... checks permissions.
			"modes": func(ts *testscript.TestScript, _ bool, args []string) {
				for i := 0; i+1 < len(args); i += 2 {
					info, err := os.Stat(ts.MkAbs(args[i]))
					ts.Check(err)
					if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[i+1] {
						ts.Fatalf("%s has mode %s, want %s", args[i], got, args[i+1])
					}
				}
			},
		},
	})
}

func TestBuildersConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text, url string
		names     []string
	}{
		"The host of external_url is the default": {
			"external_url: https://hub.example.org/distbot\nbuilders: {listen: \"0.0.0.0:8443\"}", "https://hub.example.org:8443", []string{"hub.example.org"},
		},
		"A URL of its own counts": {
			"builders: {listen: \":8443\", url: \"https://builders.example.org\"}", "https://builders.example.org", []string{"builders.example.org"},
		},
		"Names are added": {
			"external_url: http://192.0.2.7\nbuilders: {listen: \"[::]:443\", names: [hub, 192.0.2.7, \"2001:db8::7\"]}", "https://192.0.2.7:443", []string{"192.0.2.7", "hub", "2001:db8::7"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := parseConfig([]byte(test.text), "/")
			if err != nil {
				t.Fatal(err)
			}
			u, err := config.builderURL()
			if err != nil || u.String() != test.url {
				t.Errorf("url %v, %v, want %s", u, err, test.url)
			}
			names, err := config.builderNames()
			if diff := cmp.Diff(test.names, names); diff != "" || err != nil {
				t.Errorf("names, %v (-want +got):\n%s", err, diff)
			}
		})
	}
}
