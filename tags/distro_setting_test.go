package tags_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/tags"
)

// TestCheckSettingAgreesWithDistro asks both, the check and a distro.yaml that
// says the same.
func TestCheckSettingAgreesWithDistro(t *testing.T) {
	t.Parallel()
	nested := func(n int, in string) string { return strings.Repeat("[", n) + in + strings.Repeat("]", n) }
	for name, test := range map[string]struct {
		key, value string
		ok         bool
	}{
		"a text":                              {"mock.x", `"a"`, true},
		"null":                                {"mock.x", "null", true},
		"a key with a blank":                  {"mock x", "1", true},
		"a key with a tab":                    {"mock\tx", "1", false},
		"a key of nothing":                    {"", "1", false},
		"a key that is too long":              {strings.Repeat("k", 257), "1", false},
		"a macro":                             {"rpm.macro.dist", `".fc40"`, true},
		"a macro of two letters":              {"rpm.macro.di", `".fc40"`, false},
		"a macro that is a list":              {"rpm.macro.dist", "[1]", false},
		"a macro that is a list after blanks": {"rpm.macro.dist", " [1]", false},
		"a macro that is a mapping":           {"rpm.macro.dist", "{}", false},
		"a macro with an escape sequence":     {"rpm.macro.dist", `"\u001b[2J"`, false},
		"a macro of two lines":                {"rpm.macro.dist", `"a\nb"`, false},
		"a NUL far inside":                    {"mock.x", `[{"a\u0000":1}]`, false},
		"99 lists and a number":               {"mock.x", nested(99, "1"), true},
		"100 lists and a number":              {"mock.x", nested(100, "1"), false},
		"100 lists and nothing":               {"mock.x", nested(100, ""), true},
		"101 lists and nothing":               {"mock.x", nested(101, ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tags.CheckSetting("f40", test.key, json.RawMessage(test.value))
			var refusal *tags.RefusedError
			if (err == nil) != test.ok || err != nil && !errors.As(err, &refusal) {
				t.Errorf("CheckSetting = %v, want it to be taken: %t", err, test.ok)
			}
			key, err := json.Marshal(test.key)
			if err != nil {
				t.Fatal(err)
			}
			// JSON is YAML, too.
			_, err = tags.ReadDistro(strings.NewReader("arches: [x86_64]\ntags:\n  f40:\n    extra: {" + string(key) + ": " + test.value + "}\n"))
			if (err == nil) != test.ok {
				t.Errorf("ReadDistro = %v, want it to be taken: %t", err, test.ok)
			}
		})
	}
}

func TestCheckBranches(t *testing.T) {
	t.Parallel()
	for branches, want := range map[string]string{
		"":          "",
		"f40,main":  "",
		"f 40":      `target f40: "f 40" is no branch`,
		"f40\x1b":   `target f40: "f40\x1b" is no branch`,
		"a,b,a,":    `target f40: branch a is named twice; target f40: "" is no branch`,
		"f40\u200b": "target f40: \"f40\\u200b\" is no branch",
	} {
		var list []string
		if branches != "" {
			list = strings.Split(branches, ",")
		}
		got := ""
		if err := tags.CheckBranches("f40", list); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("branches %q (-want +got):\n%s", branches, diff)
		}
	}
}
