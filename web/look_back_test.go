package web

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// digestOf is a file name of repodata for a content that a test calls by a
// digit.
func digestOf(digit string) string {
	return "/x86_64/repodata/" + strings.Repeat(digit, 64) + "-primary.xml.gz"
}

// TestLatestServesWhatAReaderOfAReplacedGenerationNeeds holds what is found
// under latest/ of generations that are not the latest any more.
func TestLatestServesWhatAReaderOfAReplacedGenerationNeeds(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for number, digit := range map[string]string{"5": "a", "7": "b", "30": "c"} {
		s.write(s.config.ReposDir, "f37/"+number+repomdXML, "<repomd><revision>"+number+"</revision></repomd>")
		s.write(s.config.ReposDir, "f37/"+number+repomdXML+".asc", "signature of "+number)
		s.write(s.config.ReposDir, "f37/"+number+digestOf(digit), "primary of "+number)
		s.write(s.config.ReposDir, "f37/"+number+"/x86_64/Packages/p/pkg-"+number+"-1.noarch.rpm", "package of "+number)
		s.write(s.config.ReposDir, "f37/"+number+"/x86_64/Packages/p/both-1-1.noarch.rpm", "both of "+number)
		s.write(s.config.ReposDir, "f37/"+number+"/x86_64/extra-"+number, "extra")
	}
	if err := os.RemoveAll(filepath.Join(s.config.ReposDir, "f37", "30", "x86_64", "repodata")); err != nil {
		t.Fatal(err)
	}
	s.latest("7")
	t.Run("and nothing else", func(t *testing.T) {
		for name, test := range map[string]struct {
			path, body, cache string
		}{
			"The latest's own document":                           {digestOf("b"), "primary of 7", keepLong},
			"A document of a replaced generation":                 {digestOf("a"), "primary of 5", keepLong},
			"A package that is gone":                              {"/x86_64/Packages/p/pkg-5-1.noarch.rpm", "package of 5", "no-cache"},
			"A package of the latest":                             {"/x86_64/Packages/p/both-1-1.noarch.rpm", "both of 7", "no-cache"},
			"A document of a newer one that nobody switched to":   {digestOf("c"), "", ""},
			"A package of a newer one that nobody switched to":    {"/x86_64/Packages/p/pkg-30-1.noarch.rpm", "", ""},
			"A document nobody has":                               {digestOf("f"), "", ""},
			"A file that repomd.xml does not name":                {"/x86_64/extra-5", "", ""},
			"A name that has a digest before a path that is none": {"/x86_64/repodata/" + strings.Repeat("a", 64) + "-../x", "", ""},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				a := s.in(t).get("/repos/f37/latest" + test.path)
				if test.body == "" {
					if a.status != http.StatusNotFound && a.status != http.StatusMovedPermanently && a.status != http.StatusTemporaryRedirect {
						t.Errorf("status %d, body %q, want 404", a.status, a.body)
					}
					return
				}
				if a.status != http.StatusOK || a.body != test.body || a.header.Get("Cache-Control") != test.cache {
					t.Errorf("status %d, body %q, Cache-Control %q", a.status, a.body, a.header.Get("Cache-Control"))
				}
			})
		}
	})
	t.Run("but no repomd.xml: the latest's, or none", func(t *testing.T) {
		if a := s.in(t).get("/repos/f37/latest" + repomdXML); !strings.Contains(a.body, "<revision>7<") || a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("status %d, body %q, Cache-Control %q", a.status, a.body, a.header.Get("Cache-Control"))
		}
		for _, suffix := range []string{"", ".asc"} {
			if err := os.Remove(filepath.Join(s.config.ReposDir, "f37/7"+repomdXML+suffix)); err != nil {
				t.Fatal(err)
			}
			if a := s.in(t).get("/repos/f37/latest" + repomdXML + suffix); a.status != http.StatusNotFound {
				t.Errorf("repomd.xml%s of an older one is served: status %d, body %q", suffix, a.status, a.body)
			}
		}
	})
	t.Run("until the generation is removed", func(t *testing.T) {
		if err := os.RemoveAll(filepath.Join(s.config.ReposDir, "f37", "5")); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{digestOf("a"), "/x86_64/Packages/p/pkg-5-1.noarch.rpm"} {
			if a := s.in(t).get("/repos/f37/latest" + path); a.status != http.StatusNotFound {
				t.Errorf("GET %s: status %d, body %q, want 404", path, a.status, a.body)
			}
		}
	})
}

// What a request for a file that is not there costs is bounded, however many
// generations are kept.
func TestLatestLooksBackSoFar(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	const newest = 5000
	for i := range lookBack + 2 {
		s.write(s.config.ReposDir, "f37/"+strconv.Itoa(newest-i)+"/x86_64/Packages/p/pkg-"+strconv.Itoa(i)+"-1.noarch.rpm", "pkg")
	}
	s.latest(strconv.Itoa(newest))
	for back, want := range map[int]int{0: 200, 1: 200, lookBack: 200, lookBack + 1: 404} {
		if a := s.get("/repos/f37/latest/x86_64/Packages/p/pkg-" + strconv.Itoa(back) + "-1.noarch.rpm"); a.status != want {
			t.Errorf("a package that went %d generations before: status %d, want %d", back, a.status, want)
		}
	}
}
