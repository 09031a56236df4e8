package autospec

import (
	"context"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestEntry(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		author, message, want string
	}{
		"percent signs are escaped": {
			"A %(touch x) <a@e>", "Use %(touch /tmp/x) 100%",
			"* Thu Jan 01 1970 A %%(touch x) <a@e> - 1-1\n- Use %%(touch /tmp/x) 100%%",
		},
		"lines that would begin entries and sections are part of the subject": {
			"A <a@e>", "Subject\n* Mon Jan 01 2024 B <b@e> - 9-9\n%changelog\n%prep",
			"* Thu Jan 01 1970 A <a@e> - 1-1\n- Subject * Mon Jan 01 2024 B <b@e> - 9-9 %%changelog %%prep",
		},
		"line breaks in a name are spaces": {
			"A\n%prep\ntouch x <a@e>", "Subject",
			"* Thu Jan 01 1970 A %%prep touch x <a@e> - 1-1\n- Subject",
		},
		"control characters and what is not UTF-8 are not passed on": {
			"A <a@e>", "Sub\x1b[31mject\x00\x07 \xff\xfe",
			"* Thu Jan 01 1970 A <a@e> - 1-1\n- Sub[31mject \uFFFD",
		},
		"an escaped percent sign is not cut in two": {
			"A <a@e>", strings.Repeat("x", 72) + "%(touch /tmp/x)",
			"* Thu Jan 01 1970 A <a@e> - 1-1\n- " + strings.Repeat("x", 72) + "\n  %%(touch /tmp/x)",
		},
		"no line begins with a conditional": {
			"A <a@e>", strings.Repeat("x", 70) + " %if 0",
			"* Thu Jan 01 1970 A <a@e> - 1-1\n- " + strings.Repeat("x", 70) + " %%if\n  0",
		},
		"no line begins with a comment": {
			"A <a@e>", strings.Repeat("word ", 14) + "#123 and more",
			"* Thu Jan 01 1970 A <a@e> - 1-1\n- " + strings.Repeat("word ", 14) + "#123\n  and more",
		},
		"no line ends with a backslash": {
			"A <a@e>", `Subject \`,
			"* Thu Jan 01 1970 A <a@e> - 1-1\n- Subject \\ ",
		},
		"an empty message": {"A <a@e>", "\n \n", "* Thu Jan 01 1970 A <a@e> - 1-1\n-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := entry(Commit{Author: test.author, Message: test.message}, "1", "1")
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("entry (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadComments(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]comments{
		"[skip changelog]":                     {skipChangelog: true},
		"x\n\n [ skip \t changelog ] \n":       {skipChangelog: true},
		"x [skip changelog]":                   {},
		"[bump release: 7]\n[bump release: 3]": {bumpRelease: 7},
		"[bump release 7, skip changelog]":     {bumpRelease: 7, skipChangelog: true},
		"[bump release: -7]":                   {},
		"[bump release: 99999999999999999999]": {bumpRelease: maxBump},
		"[":                                    {},
		"]":                                    {},
		"[]":                                   {},
	} {
		if got := readComments(message); got != want {
			t.Errorf("%q: got %+v, want %+v", message, got, want)
		}
	}
}

// FuzzEntry looks for texts that are more than text in a spec.
func FuzzEntry(f *testing.F) {
	for _, seed := range []string{"Subject\n\n... more\n- item %{x}\n", "%if\n", "\\", strings.Repeat("%", 300), strings.Repeat("#", 90), strings.Repeat("a-%%include ", 30), "-", "…\n-"} {
		f.Add("A <a@e>", seed, int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, author, message string, time int64) {
		text := entry(Commit{Author: author, Message: message, Time: time}, "1:2~%", "3")
		if !utf8.ValidString(text) {
			t.Fatalf("not UTF-8: %q", text)
		}
		for i, line := range strings.Split(text, "\n") {
			trimmed := strings.TrimLeft(line, " ")
			switch {
			case i == 0 != strings.HasPrefix(line, "* "):
				t.Errorf("line %d is %q: only the first one is a heading", i, line)
			case i > 0 && !strings.HasPrefix(line, "-") && !strings.HasPrefix(line, indent):
				t.Errorf("line %q is neither an item nor goes one on", line)
			case strings.HasSuffix(line, `\`):
				t.Errorf("line %q goes on in the next", line)
			case i > 0 && isUnbreakable([]rune(trimmed)):
				t.Errorf("line %q is more than text", line)
			case strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\u0085' }):
				t.Errorf("line %q has control characters", line)
			}
			for _, run := range strings.FieldsFunc(line, func(r rune) bool { return r != '%' }) {
				if len(run)%2 == 1 {
					t.Errorf("line %q has a single percent sign", line)
				}
			}
		}
	})
}

// FuzzDecode looks for histories that end the program.
func FuzzDecode(f *testing.F) {
	f.Add(`{"spec":"a.spec","commits":[{"id":"1","parents":["2"],"tree":"t","spec_blob":"b","author":"","time":0,"message":""},{"id":"2","tree":"t","author":"","time":0,"message":""}],"blobs":{"b":"eA=="}}`)
	f.Add(`{"commits":[{"id":"1","parents":["1"]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Decode(strings.NewReader(text))
		if err != nil {
			return
		}
		_, err = Walk(t.Context(), h, true, func(_ context.Context, commit *Commit) (Version, error) {
			return Version{EpochVersion: commit.SpecBlob, Release: "E_S_P0_B"}, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// FuzzReadOutput looks for output of a hostile spec that is taken for more than
// a version.
func FuzzReadOutput(f *testing.F) {
	f.Add("noise\n0\tversion\t1:2\tE_S_P0_B\n\n1\terror\terror: line 1\n")
	f.Add("9\tversion\n-1\terror\t\n0\terror\t")
	f.Fuzz(func(t *testing.T, output string) {
		versions, err := ReadOutput(output, 2)
		if err != nil {
			return
		}
		for _, v := range versions {
			if v.EpochVersion != "" && !epochVersionForm.MatchString(v.EpochVersion) || v.EpochVersion == "" && v.Error == "" {
				t.Errorf("got %+v of %q", v, output)
			}
		}
	})
}

// BenchmarkEntry makes entries of the longest messages that are the worst to
// wrap.
func BenchmarkEntry(b *testing.B) {
	for _, part := range []string{"%", "#", "-", "a-", " #", "-\n", "\\ ", "ab-cd", "!--"} {
		b.Run(strings.TrimSpace(part), func(b *testing.B) {
			message := strings.Repeat(part, MaxMessage/len(part))
			for b.Loop() {
				entry(Commit{Author: "A <a@e>", Message: message}, "1", "1")
			}
		})
	}
}
