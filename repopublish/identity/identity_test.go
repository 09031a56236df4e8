package identity

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// document is a stream document with one profile.
func document(name, summary, profile string, artifacts ...string) string {
	return fmt.Sprintf("---\ndocument: modulemd\nversion: 2\ndata:\n  name: %s\n  stream: \"1\"\n  version: 1\n  context: c\n  arch: x86_64\n  summary: %s\n  description: d\n"+
		"  license:\n    module: [MIT]\n  profiles:\n    default:\n      rpms: [%s]\n  artifacts:\n    rpms: [%s]\n...\n", name, summary, profile, strings.Join(artifacts, ", "))
}

func index(t *testing.T, text ...string) *modulemd.Index {
	t.Helper()
	x, err := modulemd.Read([]byte(strings.Join(text, "")), modulemd.ReadOptions{})
	if err != nil || x.Err() != nil {
		t.Fatal(err, x.Err())
	}
	return x
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const a, b, src = "a-0:1-1.x86_64", "b-0:1-1.x86_64", "a-0:1-1.src"
	rpm := func(artifact, label string) RPM {
		n, err := rpmfile.ParseNEVRA(artifact)
		if err != nil {
			t.Fatal(err)
		}
		return RPM{n, label}
	}
	whole := document("m", "s", "a, b", a, b)
	for what, test := range map[string]struct {
		rpms              []RPM
		published, source []string
		problem           string
	}{
		"An RPM that is listed":                                     {[]RPM{rpm(a, "m:1:1:c")}, []string{whole}, nil, ""},
		"An RPM that is not modular":                                {[]RPM{rpm(a, "")}, nil, nil, ""},
		"A modular RPM without documents":                           {[]RPM{rpm(a, "m:1:1:c")}, nil, nil, "no stream document lists it"},
		"A modular RPM that the document of its label doesn't list": {[]RPM{rpm(a, "m:1:1:c")}, []string{document("m", "s", "b", b)}, nil, "no stream document lists it"},
		"A label of any other text":                                 {[]RPM{rpm(a, "whatever")}, []string{whole}, nil, ""},
		"A source RPM":                                              {[]RPM{rpm(src, "m:1:1:c")}, nil, nil, ""},
		"The source's document":                                     {[]RPM{rpm(a, "m:1:1:c")}, []string{whole}, []string{whole}, ""},
		"A part of the source's document":                           {[]RPM{rpm(a, "m:1:1:c")}, []string{document("m", "s", "a", a)}, []string{whole}, ""},
		"A document with another summary":                           {[]RPM{rpm(a, "m:1:1:c")}, []string{document("m", "t", "a", a)}, []string{whole}, "differs in summary"},
		"A document that lists more":                                {[]RPM{rpm(a, "m:1:1:c")}, []string{document("m", "s", "a, b", a, b, "c-0:1-1.noarch")}, []string{whole}, "differs in artifacts.rpms"},
		"A document of another module":                              {[]RPM{rpm(a, "m:1:1:c")}, []string{document("n", "s", "a", a)}, []string{whole}, "is not of the source"},
		"An RPM that is not listed any more":                        {[]RPM{rpm(a, "")}, []string{document("m", "s", "b", b)}, []string{whole}, "belongs to m:1:1:c:x86_64 at the source"},
		"An RPM of two modules in one":                              {[]RPM{rpm(a, "m:1:1:c")}, []string{whole}, []string{whole, document("n", "s", "a", a)}, "belongs to n:1:1:c:x86_64"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var source *modulemd.Index
			if test.source != nil {
				source = index(t, test.source...)
			}
			err := Check(test.rpms, index(t, test.published...), source)
			switch {
			case test.problem == "" && err != nil:
				t.Error(err)
			case test.problem != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), test.problem)):
				t.Errorf("got %v, want %q", err, test.problem)
			}
		})
	}
}
