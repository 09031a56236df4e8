package modulemd_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// oracle is a running libmodulemd, which dnf brings along.
type oracle struct {
	in      io.Writer
	out     *bufio.Reader
	version string
}

type verdict struct {
	Failures int
	Error    *string
	Dump     *string
	Crash    int
}

func startOracle(t *testing.T) *oracle {
	t.Helper()
	// The system's Python, as the library may be found by no other.
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "/usr/bin/python3"), "testdata/oracle.py")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	o := &oracle{in, bufio.NewReader(out), ""}
	o.version, err = o.out.ReadString('\n')
	if err != nil {
		t.Fatalf("libmodulemd does not start (it comes with dnf): %v", err)
	}
	return o
}

func (o *oracle) ask(t *testing.T, strict bool, texts ...string) verdict {
	t.Helper()
	question, err := json.Marshal(map[string]any{"texts": texts, "strict": strict})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.in.Write(append(question, '\n')); err != nil {
		t.Fatal(err)
	}
	line, err := o.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var v verdict
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return v
}

// number is what libmodulemd 2.15 quotes and 2.14 does not, where both do not
// quote always.
var number = regexp.MustCompile(`(?m)"[-+.0-9a-fA-FxoinEe]*"`)

var alwaysQuoted = regexp.MustCompile(`(?m)^( *stream: ".*"|  description: "")$`)

// compareDumps compares what we write with what libmodulemd does: character by
// character, unless this is an older one and there are numbers to be quoted.
func (o *oracle) compareDumps(want, got string) string {
	// It loses the profiles of an intent without a stream, and for us what is
	// empty is not there.
	if strings.Contains(want, "    desktop: {}\n") || strings.Contains(want, "  context:\n") || strings.Contains(want, `  context: ""`) {
		return ""
	}
	if strings.HasPrefix(o.version, "2.14.") && number.MatchString(alwaysQuoted.ReplaceAllString(got, "")) {
		return ""
	}
	return cmp.Diff(want, got)
}

// TestSameAsLibmodulemd reads and writes random documents of all kinds.
func TestSameAsLibmodulemd(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	accepted, crashed := 0, 0
	for seed := range uint64(1500) {
		r := random{rand.New(rand.NewPCG(seed, 7))}
		var text string
		switch r.IntN(8) {
		case 0:
			text = r.defaults()
		case 1:
			text = r.obsoletes()
		case 2:
			text = r.translations()
		case 3:
			text = r.stream(1)
		default:
			text = r.stream(2)
		}
		strict := r.IntN(3) == 0
		want := o.ask(t, strict, text)
		x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{Strict: strict})
		if err != nil {
			t.Fatal(err)
		}
		if want.Crash != 0 {
			crashed++
			if x.Err() == nil {
				t.Errorf("seed %d: libmodulemd dies of it (%d), and we accept it\n%s", seed, want.Crash, text)
			}
			continue
		}
		ok := want.Failures == 0 && want.Error == nil
		if ok != (x.Err() == nil) && !(ok && deviates(x)) {
			t.Errorf("seed %d, strict %v: libmodulemd accepts it: %v %v; we: %v\n%s", seed, strict, ok, want.Error, x.Err(), text)
			continue
		}
		if want.Dump == nil || x.Err() != nil {
			continue
		}
		accepted++
		dump, err := x.Dump()
		if err != nil {
			t.Fatal(err)
		}
		if diff := o.compareDumps(*want.Dump, string(dump)); diff != "" {
			t.Errorf("seed %d: dump (-want +got):\n%s\n%s", seed, diff, text)
		}
		// The quotes that the older library lacks change nothing.
		if again := o.ask(t, strict, string(dump)); again.Dump == nil || *again.Dump != *want.Dump {
			t.Errorf("seed %d: libmodulemd reads something else in what we write\n%s", seed, dump)
		}
	}
	if accepted < 300 || crashed == 0 {
		t.Errorf("of 1500 documents %d were accepted and %d killed the library; that proves little", accepted, crashed)
	}
}

// ours are reasons for which we refuse what libmodulemd may accept.
var ours = regexp.MustCompile(`^(` + strings.Join([]string{
	`the licence of the module \(license.module\) is missing`,     // 2.14 takes an empty one
	`it cannot be told from .*`,                                   // depends on the order
	`data\.artifacts\.rpms is empty; .*`,                          // a second "rpms" may follow
	`an entry of data\..*\.rpms is not a string`,                  // it forgets the error
	`module is missing`,                                           // libmodulemd invents a name
	`a stream document needs a name and a stream`,                 // it takes empty ones
	`data\.(api|filter|demodularized|artifacts) is not a mapping`, // it depends on what follows
	`a key of the document is not a scalar`,                       // it does not look behind "data"
	`broken YAML: did not find expected ',' or '[]}]'`,            // yaml.v3 reads "?" and
	`broken YAML: did not find expected key`,
	`broken YAML: could not find expected ':'`,                      // tabs otherwise
	`data\.(modified|eol_date) is .*, not a time YYYY-MM-DDTHH:MMZ`, // years of three digits
}, "|") + `)$`)

// deviates reports whether we refuse for a reason of our own.
func deviates(x *modulemd.Index) bool {
	for _, f := range modulemd.AtLeast(x.Findings, modulemd.Error) {
		if !ours.MatchString(f.Message) {
			return false
		}
	}
	return true
}

// TestMergesAsLibmodulemd merges random defaults, translations and obsoletes.
func TestMergesAsLibmodulemd(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	conflicts := 0
	for seed := range uint64(400) {
		r := random{rand.New(rand.NewPCG(seed, 8))}
		var texts []string
		var parts []modulemd.Part
		for i := range 2 + r.IntN(3) {
			text := ""
			for m := range 2 {
				d := map[string]any{"module": fmt.Sprintf("m%d", m), "modified": 1 + r.IntN(3)}
				r.maybeOf(d, "stream", func() any { return fmt.Sprint(r.IntN(2)) })
				r.maybeOf(d, "profiles", func() any { return r.profilesOf() })
				r.maybeOf(d, "intents", func() any {
					return map[string]any{"i": map[string]any{"stream": fmt.Sprint(r.IntN(3)), "profiles": r.profilesOf()}}
				})
				text += "---\n" + quote(map[string]any{"document": "modulemd-defaults", "version": 1, "data": d}) + "\n...\n"
				// Equally old ones are equal: of others libmodulemd takes one, and
				// we none.
				age, day := 1+r.IntN(3), 1+r.IntN(3)
				text += "---\n" + quote(map[string]any{"document": "modulemd-translations", "version": 1, "data": map[string]any{
					"module": fmt.Sprintf("m%d", m), "stream": "1", "modified": age, "translations": map[string]any{"de": map[string]any{"summary": fmt.Sprintf("of %d", age)}},
				}}) + "\n...\n"
				text += "---\n" + quote(map[string]any{"document": "modulemd-obsoletes", "version": 1, "data": map[string]any{
					"module": fmt.Sprintf("m%d", m), "stream": "1", "modified": fmt.Sprintf("2020-01-0%dT00:00Z", day), "message": fmt.Sprintf("of %d", day),
				}}) + "\n...\n"
			}
			texts = append(texts, text)
			parts = append(parts, part(t, fmt.Sprint(i), text))
		}
		want := o.ask(t, true, texts...)
		x, err := modulemd.Merge(parts, modulemd.MergeOptions{})
		if want.Error != nil || err != nil {
			conflicts++
			if (want.Error != nil) != errors.Is(err, modulemd.ErrConflict) {
				t.Errorf("seed %d: libmodulemd: %v; we: %v\n%s", seed, *want.Error, err, strings.Join(texts, "\n"))
			}
			continue
		}
		dump, err := x.Dump()
		if err != nil {
			t.Fatal(err)
		}
		if diff := o.compareDumps(*want.Dump, string(dump)); diff != "" {
			t.Errorf("seed %d: merged (-want +got):\n%s\n%s", seed, diff, strings.Join(texts, "\n"))
		}
	}
	if conflicts < 40 || conflicts > 360 {
		t.Errorf("%d of 400 merges are conflicts; that proves little", conflicts)
	}
}

// TestRefusesWhatLibmodulemdRefuses reads documents of which a few bytes or
// lines were changed: YAML that only one of two readers takes for valid, or that
// they read differently, would make a client fail on what we published.
func TestRefusesWhatLibmodulemdRefuses(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	var seeds []string
	for _, v := range readVectors(t) {
		if v.Op == "load" {
			seeds = append(seeds, v.YAML)
		}
	}
	for seed := range uint64(300) {
		seeds = append(seeds, styled{rand.New(rand.NewPCG(seed, 1))}.document())
	}
	refused := 0
	for seed := range uint64(2000) {
		r := random{rand.New(rand.NewPCG(seed, 9))}
		text := r.mutate(seeds[r.IntN(len(seeds))])
		if !utf8.ValidString(text) {
			continue // no question to ask in JSON
		}
		want := o.ask(t, false, text)
		x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ok := want.Failures == 0 && want.Error == nil && want.Crash == 0
		if ok == (x.Err() == nil) {
			if !ok {
				refused++
			} else if dump, err := x.Dump(); err != nil && !errors.Is(err, modulemd.ErrEmpty) {
				t.Fatal(err)
			} else if want.Dump != nil {
				if diff := o.compareDumps(*want.Dump, string(dump)); diff != "" {
					t.Errorf("seed %d: dump (-want +got):\n%s\n%q", seed, diff, text)
				}
			}
			continue
		}
		if !ok {
			t.Errorf("seed %d: we accept what libmodulemd refuses: %+v\n%q", seed, want, text)
		} else if !deviates(x) {
			t.Errorf("seed %d: we refuse what libmodulemd accepts: %v\n%q", seed, x.Err(), text)
		}
	}
	if refused < 200 || refused > 1800 {
		t.Errorf("%d of 2000 were refused; that proves little", refused)
	}
}
