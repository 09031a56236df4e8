package modulemd_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// TestCombinationsAreThoseOfDNF makes random repositories and asks dnf what is
// active at first, and after each stream was enabled: it must be one of ours for
// that stream, and dnf must refuse what we say cannot be active. Where defaults
// contradict each other dnf's choice depends on its solver, and nothing is asked.
func TestCombinationsAreThoseOfDNF(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	rpmtest.Tool(t, "createrepo_c")
	// dnf's modules belong to the system's Python, whatever PATH finds.
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "/usr/bin/python3"), "testdata/dnf_oracle.py", home)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
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
	answers := bufio.NewReader(out)
	ask := func(text string, enable ...string) (active []string, refused string) {
		t.Helper()
		question, err := json.Marshal(map[string]any{"yaml": text, "enable": append([]string{}, enable...)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(append(question, '\n')); err != nil {
			t.Fatal(err)
		}
		line, err := answers.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Active []string
			Error  string
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Active, answer.Error
	}
	agreed := 0
	for seed := range uint64(20) {
		r := random{rand.New(rand.NewPCG(seed, 3))}
		text, streams := r.universe()
		x := readIndex(t, text)
		combinations, _, err := modulemd.Combinations(x, modulemd.ActivationOptions{Platform: "el8"})
		if err != nil {
			t.Fatal(err)
		}
		if len(combinations[0].Dropped) > 0 {
			continue
		}
		for _, enable := range append([]string{""}, streams...) {
			var active []string
			var refused string
			if enable == "" {
				active, refused = ask(text)
			} else {
				active, refused = ask(text, enable)
			}
			if why := disagreement(combinations, enable, active, refused); why != "" {
				t.Errorf("seed %d, %q enabled: %s\nours: %s\n%s", seed, enable, why, strings.Join(describe(combinations), "\n      "), text)
				continue
			}
			agreed++
		}
	}
	if agreed < 50 {
		t.Errorf("only %d questions were answered alike", agreed)
	}
}

// disagreement compares dnf's active streams with the combinations in which the
// stream was enabled.
func disagreement(combinations []modulemd.Combination, enable string, active []string, refused string) string {
	var possible []string
	for _, c := range combinations {
		var names []string
		for _, a := range c.Active {
			names = append(names, a.String())
		}
		if enable != "" && !slices.Contains(names, enable) || enable == "" && c.Enabled != "" {
			continue
		}
		slices.Sort(names)
		possible = append(possible, strings.Join(names, " "))
	}
	switch {
	case refused != "" && len(possible) > 0:
		return fmt.Sprintf("dnf refuses: %s; ours: %v", refused, possible)
	case refused == "" && !slices.Contains(possible, strings.Join(active, " ")):
		return fmt.Sprintf("dnf has %v; ours: %v", active, possible)
	}
	return ""
}

// universe is a repository of few modules with requirements, and its streams.
func (r random) universe() (text string, streams []string) {
	names := []string{"a", "b", "c", "d"}
	for i, name := range names {
		n := 1 + r.IntN(3)
		for s := range n {
			var requires []string
			for _, other := range names[i+1:] {
				switch r.IntN(6) {
				case 0:
					requires = append(requires, other+": []")
				case 1:
					requires = append(requires, fmt.Sprintf("%s: [%d]", other, 1+r.IntN(3)))
				case 2:
					requires = append(requires, fmt.Sprintf("%s: [-%d]", other, 1+r.IntN(3)))
				}
			}
			requires = append(requires, []string{"platform: [el8]", "platform: []", "platform: [el8, el9]", "platform: [-el8]"}[min(3, r.IntN(20)%5)])
			text += module(name, fmt.Sprint(1+s), 1, "c", requires...)
			streams = append(streams, fmt.Sprintf("%s:%d", name, 1+s))
		}
		if r.IntN(2) == 0 {
			text += defaultStream(name, fmt.Sprint(1+r.IntN(n)))
		}
	}
	return text, streams
}
