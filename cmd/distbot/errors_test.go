package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

func TestPrintRefusal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"another error":   {errors.New("queue: no disk\x1b[2J"), "{\n  \"error\": {\n    \"text\": \"no disk\"\n  }\n}\n"},
		"a wrong command": {usage("expected %s", "a name"), "{\n  \"error\": {\n    \"text\": \"expected a name\",\n    \"usage\": \"distbot x NAME\"\n  }\n}\n"},
		"a refusal": {
			inUsersWords(&tags.RefusedError{Fault: tags.FaultNotAllowed, Text: "tag f40 is locked"}, "bob"),
			"{\n  \"error\": {\n    \"fault\": 1004,\n    \"class\": \"ActionNotAllowed\",\n    \"text\": \"tag f40 is locked\",\n" +
				"    \"help\": \"an admin may override the lock by --force, distbot tag edit TAG --unlock ends it\"\n  }\n}\n",
		},
		"a refusal within another error": {
			fmt.Errorf("x.yaml: %w", inUsersWords(&tags.RefusedError{Fault: tags.FaultTag, Text: "no\x1b[2J"}, "bob")),
			"{\n  \"error\": {\n    \"fault\": 1003,\n    \"class\": \"TagError\",\n    \"text\": \"no\"\n  }\n}\n",
		},
		"an unknown name, put into words twice": {
			inUsersWords(inUsersWords(fmt.Errorf("tagview: %q: %w", "x", tagview.ErrNoSubject), ""), "bob"),
			"{\n  \"error\": {\n    \"fault\": 1000,\n    \"class\": \"GenericError\",\n    \"text\": \"\\\"x\\\": no such package or build\"\n  }\n}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := printRefusal(&out, test.err, "distbot x NAME"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("JSON (-want +got):\n%s", diff)
			}
		})
	}
}
