package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue/queuetest"
)

// TestFlagsAreUniform goes through every command.
func TestFlagsAreUniform(t *testing.T) {
	t.Parallel()
	// They run until a signal comes, speak to git, or print a file.
	noAnswer := []string{"serve", "demo", "builder", "hook post-receive", "signer", "signer role", "repo key export"}
	// They only look, or change what is no installation's.
	var noUser []string
	for _, group := range []string{
		"serve demo init doctor migrate plan", "bootstrap debian|hook install|hook post-receive", "delivery list|delivery show|task list|task show|host list|host show",
		"build list|build show|build log|build diff-buildroots|build chain list|build chain show|build chain watch",
		"tag list|tag info|tag list-builds|tag list-pkgs|tag groups list|tag module list|tag module show|tag explain|tag history|tag tree|tag side-list|tag export",
		"target list|user list|user show|perm list|token list",
		// Credentials are made by who may read the authority's key, and note the account.
		"builder|builder enroll|builder revoke|builder list-credentials",
		// They work on directories and addresses, or look.
		"repo create|repo closure|repo slim|repo verify|repo list|repo diff",
		// Keys are the business of who may read the signer's directory; the signer's log notes the account.
		"signer|signer audit|signer role|repo keygen|repo key list|repo key export|repo key retire|repo key trust|repo key distrust|repo sign",
	} {
		if !strings.Contains(group, "|") {
			group = strings.ReplaceAll(group, " ", "|")
		}
		noUser = append(noUser, strings.Split(group, "|")...)
	}
	for _, cmd := range commands() {
		flags := newFlags(cmd)
		if _, _, err := find(strings.Fields(cmd.name)); err != nil {
			t.Errorf("%s: %v", cmd.name, err)
		}
		has := func(name, value string) bool {
			f := flags.Lookup(name)
			return f != nil && f.DefValue == value
		}
		if got, want := has("json", "false"), !slices.Contains(noAnswer, cmd.name); got != want {
			t.Errorf("%s has --json: %v, want %v", cmd.name, got, want)
		}
		if got, want := has("as", "admin"), !slices.Contains(noUser, cmd.name); got != want {
			t.Errorf("%s has --as: %v, want %v", cmd.name, got, want)
		}
		flags.VisitAll(func(f *flag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no help", cmd.name, f.Name)
			}
		})
	}
}

// refusal is what --json says of an error.
type refusal struct {
	Error struct {
		Fault int    `json:"fault"`
		Class string `json:"class"`
		Text  string `json:"text"`
		Help  string `json:"help"`
		Usage string `json:"usage"`
	} `json:"error"`
}

func TestRefusalsAreJSON(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	queuetest.Exec(t, c.pool, "insert into users (name, enabled) values ('bob', true), ('off', false)")
	queuetest.Exec(t, c.pool, "insert into hosts (name) values ('b1')")
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"build cancel 4711":                 {exitFailed, "there is no build 4711"},
		"build cancel BUILD":                {exitFailed, "only a running build can be canceled"},
		"build cancel BUILD --as bob":       {exitFailed, "was not asked for by a user: only an admin may end it"},
		"build cancel BUILD --as eve":       {exitFailed, `no such user: "eve"`},
		"build cancel x":                    {exitUsage, `"x" is no id of a build`},
		"build cancel":                      {exitUsage, "expected the id of one build"},
		"build retry BUILD":                 {exitFailed, "only a failed or canceled build can be retried"},
		"build retry BUILD --as off":        {exitFailed, "user off is disabled"},
		"build log BUILD":                   {exitFailed, "has no such log"},
		"build show --frobnicate":           {exitUsage, "flag provided but not defined: -frobnicate"},
		"build list --limit x":              {exitUsage, `invalid value "x" for flag -limit`},
		"build list extra":                  {exitUsage, `unexpected argument "extra"`},
		"build list --target f99":           {exitFailed, "there is no target f99"},
		"build chain cancel 4711":           {exitFailed, "there is no chain 4711"},
		"build chain show 4711":             {exitFailed, "there is no chain 4711"},
		"delivery replay 4711":              {exitFailed, "there is no delivery 4711"},
		"delivery replay 4711 --as off":     {exitFailed, "user off is disabled"},
		"host set b1":                       {exitUsage, "nothing to set"},
		"host set b1 --capacity 2 --as bob": {exitFailed, "user bob does not have the permission host"},
		"host enable b1 --as bob":           {exitFailed, "user bob does not have the permission host"},
		"host disable b9":                   {exitFailed, `there is no build host "b9"`},
		"task show 4711":                    {exitFailed, "there is no task 4711"},
		"tag info nosuch":                   {exitFailed, `no such tag: "nosuch"`},
		"apply":                             {exitFailed, "there is no "},
		"hook install /":                    {exitFailed, "is not below"},
		"frobnicate":                        {exitUsage, `there is no command "frobnicate"`},
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := c.call(line + " --json")
			var told refusal
			if err := json.Unmarshal([]byte(stdout), &told); err != nil {
				t.Fatalf("exit code %d, %v in %q, stderr %q", code, err, stdout, stderr)
			}
			if code != want.code || !strings.Contains(told.Error.Text, want.text) || !strings.Contains(stderr, want.text) {
				t.Errorf("exit code %d, %+v, stderr %q; want %d and %q in both", code, told, stderr, want.code, want.text)
			}
			if (told.Error.Usage != "") != (code == exitUsage) {
				t.Errorf("usage %q with exit code %d", told.Error.Usage, code)
			}
		})
	}

	t.Run("an answer is one value, whatever its exit code says", func(t *testing.T) {
		t.Parallel()
		own := newConsole(t)
		file := filepath.Join(t.TempDir(), "other.yaml")
		if err := os.WriteFile(file, []byte("arches: [x86_64]\ntags: {f40: {}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := own.call("plan --check --json --file " + file)
		if code != exitFailed || !strings.Contains(stderr, "would change") || !json.Valid([]byte(stdout)) || !strings.Contains(stdout, `"create": 1`) {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
		}
	})
}

// TestAnswersAreJSON runs what changes something besides tags.
func TestAnswersAreJSON(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	queuetest.Exec(t, c.pool, "update builds set state = 'BUILDING', finished_at = null")
	queuetest.Exec(t, c.pool, "insert into hosts (name) values ('b1')")
	queuetest.Exec(t, c.pool, "insert into users (name, enabled) values ('bob', true)")
	queuetest.Exec(t, c.pool, "insert into user_perms (user_id, perm_id, create_event) select u.id, p.id, 1 from users u, permissions p where u.name = 'bob' and p.name = 'host'")
	for _, step := range []struct{ line, want string }{
		{"host disable b1 --comment broken --as bob", `"enabled": false, "comment": "broken"`},
		{"host enable b1 --as bob", `"enabled": true, "comment": ""`},
		{"host set b1 --capacity 3 --channels default,kernels --as bob", `"capacity": 3`},
		{"build cancel BUILD", `"state": "CANCELED"`},
		{"build retry BUILD --as bob", `"retry_of": BUILD`},
		{"migrate", `"version": `},
		{"tag export", `"distro": "`},
	} {
		code, stdout, stderr := c.call(step.line + " --json")
		var compact any
		if err := json.Unmarshal([]byte(stdout), &compact); err != nil || code != exitDone {
			t.Fatalf("%s: exit code %d, %v in %q, stderr %q", step.line, code, err, stdout, stderr)
		}
		flat := strings.Join(strings.Fields(stdout), " ")
		if want := strings.ReplaceAll(step.want, "BUILD", queuetest.Value[string](t, c.pool, "select $1::bigint::text", c.build)); !strings.Contains(flat, want) {
			t.Errorf("%s: %s\nwant %s in it", step.line, flat, want)
		}
	}
	got := queuetest.Value[string](t, c.pool, "select reason from builds where id = $1", c.build)
	if diff := cmp.Diff("canceled by admin from the command line", got); diff != "" {
		t.Errorf("the reason (-want +got):\n%s", diff)
	}
}
