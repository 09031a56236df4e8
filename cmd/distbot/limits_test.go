package main

import (
	"strings"
	"testing"
)

func TestLimitsConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ limits, problem string }{
		"The least that is useful is taken":       {"{memory: 64M, file_size: 1M, disk: 64M, log: 4K, pids: 16, cpus: 0.01, timeout: 1s}", ""},
		"No limit of processors is taken":         {"{cpus: 0}", ""},
		"Processors can't be less than none":      {"{cpus: -1}", "limits: cpus must be between 0.01 and 10000, or 0 for no limit, not -1"},
		"Processors are a number":                 {"{cpus: .nan}", "limits: cpus must be"},
		"Processors are finite":                   {"{cpus: .inf}", "limits: cpus must be"},
		"A build needs a process":                 {"{pids: 0}", "limits: pids must be at least 16, not 0"},
		"A build needs more than one":             {"{pids: 1}", "limits: pids must be at least 16, not 1"},
		"Processes can't be less than none":       {"{pids: -1}", "limits: pids must be"},
		"A build needs memory":                    {"{memory: 0}", "limits: memory must be at least 64M, not 0 bytes"},
		"A build needs more than a little":        {"{memory: 1K}", "limits: memory must be at least 64M, not 1024 bytes"},
		"A build writes files":                    {"{file_size: 0}", "limits: file_size must be"},
		"A build fills disk":                      {"{disk: 1}", "limits: disk must be"},
		"A build prints":                          {"{log: 0}", "limits: log must be"},
		"A build takes time":                      {"{timeout: 0s}", "limits: timeout must be at least 1s, not 0s"},
		"A build takes more than a blink of time": {"{timeout: 1ns}", "limits: timeout must be at least 1s, not 1ns"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, host := parseHostFile([]byte(hostFile+"limits: "+test.limits+"\n"), "/")
			_, hub := parseConfig([]byte("listen: 127.0.0.1:80\nbuilder:\n  limits: "+test.limits+"\n"), "/")
			for _, got := range []struct {
				err   error
				where string
			}{{host, "line 6: "}, {hub, "line 3: builder: "}} {
				switch {
				case test.problem == "" && got.err != nil:
					t.Errorf("%v, want it to be taken", got.err)
				case test.problem != "" && (got.err == nil || !strings.HasPrefix(got.err.Error(), got.where+test.problem)):
					t.Errorf("%v, want %q", got.err, got.where+test.problem)
				}
			}
		})
	}
}
