package rpmfile

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

func TestCompareVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"1.0", "1.0", 0},
		{"1.0", "1_0", 0},
		{"1.0", "2.0", -1},
		{"1.10", "1.9", 1},
		{"1.010", "1.10", 0},
		{"1.0~rc1", "1.0", -1},
		{"1.0~rc1", "1.0~rc2", -1},
		{"1.0^git1", "1.0", 1},
		{"1.0^git1", "1.0.1", -1},
		{"1^2", "1.1", -1},
		{"1.0^git1~pre", "1.0^git1", -1},
		{"1.0a", "1.0.1", -1},
		{"", "~", 1},
		{"", "^", -1},
	} {
		t.Run(fmt.Sprintf("%s against %s", tt.a, tt.b), func(t *testing.T) {
			t.Parallel()
			if got := CompareVersion(tt.a, tt.b); got != tt.want {
				t.Errorf("CompareVersion(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
			}
			if got := CompareVersion(tt.b, tt.a); got != -tt.want {
				t.Errorf("CompareVersion(%q, %q) = %d, want %d", tt.b, tt.a, got, -tt.want)
			}
		})
	}
}

func TestCompareVersionAgreesWithRPM(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pairs := make([][2]string, 20_000)
	for i := range pairs {
		pairs[i][0] = randomVersion(random)
		pairs[i][1] = randomVersion(random)
		if random.IntN(2) == 0 { // a neighbour: differs in one place
			b := []byte(pairs[i][0])
			b[random.IntN(len(b))] = versionAlphabet[random.IntN(len(versionAlphabet))]
			pairs[i][1] = string(b)
		}
	}
	for i, want := range vercmpOracle(t, pairs) {
		if got := CompareVersion(pairs[i][0], pairs[i][1]); got != want {
			t.Errorf("CompareVersion(%q, %q) = %d, rpm says %d", pairs[i][0], pairs[i][1], got, want)
		}
	}
}

func TestCompareEVRLooksAtEpochThenVersionThenRelease(t *testing.T) {
	t.Parallel()
	older := NEVRA{Name: "a", Epoch: 1, Version: "1", Release: "1"}
	for _, newer := range []NEVRA{
		{Name: "b", Epoch: 2, Version: "0", Release: "0"},
		{Name: "b", Epoch: 1, Version: "2", Release: "0"},
		{Name: "b", Epoch: 1, Version: "1", Release: "1.1"},
	} {
		if got := CompareEVR(older, newer); got != -1 {
			t.Errorf("CompareEVR(%v, %v) = %d, want -1", older, newer, got)
		}
		if got := CompareEVR(newer, older); got != 1 {
			t.Errorf("CompareEVR(%v, %v) = %d, want 1", newer, older, got)
		}
	}
}

const versionAlphabet = "0012910aabzAZ..._+~~^^"

func randomVersion(r *rand.Rand) string {
	b := make([]byte, 1+r.IntN(8))
	for i := range b {
		b[i] = versionAlphabet[r.IntN(len(versionAlphabet))]
	}
	return string(b)
}

// vercmpOracle asks the system's rpm to compare every pair.
func vercmpOracle(t *testing.T, pairs [][2]string) []int {
	t.Helper()
	input := filepath.Join(t.TempDir(), "pairs")
	var lines strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&lines, "%s %s\n", p[0], p[1])
	}
	if err := os.WriteFile(input, []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `%{lua:local answers = {}
for line in io.lines("` + input + `") do
  local a, b = line:match("(%S+) (%S+)")
  answers[#answers + 1] = rpm.vercmp(a, b)
end
print(table.concat(answers, " "))}`
	out, err := exec.Command(rpmtest.Tool(t, "rpm"), "--eval", script).Output()
	if err != nil {
		t.Fatalf("rpm --eval: %v", err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(pairs) {
		t.Fatalf("rpm answered %d of %d pairs", len(answers), len(pairs))
	}
	want := make([]int, len(answers))
	for i, a := range answers {
		if _, err := fmt.Sscan(a, &want[i]); err != nil {
			t.Fatalf("answer %q: %v", a, err)
		}
	}
	return want
}
