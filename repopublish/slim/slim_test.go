package slim

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/repopublish/identity"
	"github.com/distbot/distbot/repopublish/moduletest"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// The packages of demo:1, of its later build, and of demo:2.
const (
	one   = "-1.0-1.module+el8+1+aaaa"
	later = "-1.1-1.module+el8+9+aaaa"
	two   = "-2.0-1.module+el8+2+bbbb"
)

// demo are the packages that the recorded slim repository has.
func demo() []string { return []string{"demo" + one, "demo-libs" + one} }

func open(t testing.TB, name, dir string) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.Open(t.Context(), snapshot.Source{Name: name, Location: dir}, snapshot.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// try makes a repository of directories, each as NAME,DIRECTORY.
func try(t testing.TB, opts Options, from ...string) (string, Report, error) {
	t.Helper()
	var sources []*snapshot.Snapshot
	for _, f := range from {
		name, dir, _ := strings.Cut(f, ",")
		sources = append(sources, open(t, name, dir))
	}
	if opts.Out == "" {
		opts.Out = filepath.Join(t.TempDir(), "slim")
	}
	r, err := Make(t.Context(), sources, opts)
	if err != nil {
		// Never half a repository.
		left, globErr := filepath.Glob(filepath.Join(filepath.Dir(opts.Out), ".slim-*"))
		if _, statErr := os.Stat(filepath.Join(opts.Out, "repodata")); globErr != nil || len(left) > 0 || !errors.Is(statErr, os.ErrNotExist) && !opts.Replace {
			t.Errorf("after %v: %q, %v", err, left, statErr)
		}
	}
	return opts.Out, r, err
}

func mustMake(t testing.TB, opts Options, from ...string) (string, Report) {
	t.Helper()
	out, r, err := try(t, opts, from...)
	if err != nil {
		t.Fatal(err)
	}
	return out, r
}

// modules are the documents of a repository.
func modules(t testing.TB, dir string) *modulemd.Index {
	t.Helper()
	x, err := open(t, "r", dir).Modules()
	if err != nil || x.Err() != nil {
		t.Fatal(err, x.Err())
	}
	return x
}

// packages are those of a repository.
func packages(t testing.TB, dir string) (all []string) {
	t.Helper()
	s := open(t, "r", dir)
	err := s.Packages(t.Context(), func(p repomd.PrimaryPackage) error {
		all = append(all, p.String())
		f, err := s.RPM(t.Context(), p)
		if err != nil {
			return err
		}
		return f.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func stream(t testing.TB, x *modulemd.Index, text string) *modulemd.Stream {
	t.Helper()
	i := slices.IndexFunc(x.Streams, func(s *modulemd.Stream) bool { return s.NameStream() == text })
	if i < 0 {
		t.Fatalf("no %s in %v", text, x.Streams)
	}
	return x.Streams[i]
}

// Rules 1, 2, 3 and 8: documents of what is there, and nothing in them changed.
func TestDocumentsAreTheSources(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full := v.Write(t, "full")
	out, r := mustMake(t, Options{Packages: demo()}, "full,"+full)
	if diff := cmp.Diff([]string{"demo" + one + ".x86_64", "demo-libs" + one + ".x86_64"}, packages(t, out)); diff != "" {
		t.Errorf("packages (-want +got)\n%s", diff)
	}
	source, got := modules(t, full), modules(t, out)
	if len(got.Streams) != 1 || len(got.Defaults) != 1 {
		t.Fatalf("documents: %v, %v", got.Streams, got.Defaults)
	}
	if diff := cmp.Diff([]string{"profiles"}, modulemd.Differences(stream(t, source, "demo:1"), got.Streams[0])); diff != "" {
		t.Errorf("changed fields (-want +got)\n%s", diff)
	}
	if string(got.Defaults[0].Text) != string(source.Defaults[0].Text) {
		t.Errorf("defaults are\n%s\nwere\n%s", got.Defaults[0].Text, source.Defaults[0].Text)
	}
	want := []StreamReport{{
		Stream: "demo:1:8000020200101000000:aaaa1111:x86_64", Packages: 2, Artifacts: 5,
		Shortened: map[string][]string{"devel": {"demo-devel"}}, Dropped: []string{"doc"}, Empty: []string{},
	}}
	if diff := cmp.Diff(want, r.Streams); diff != "" {
		t.Errorf("report (-want +got)\n%s", diff)
	}
}

// Rule 3: what trimming makes visible is told.
func TestTrimmedArtifactsAreWarnedOf(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	out, r := mustMake(t, Options{Packages: demo(), TrimArtifacts: true, Externals: []*snapshot.Snapshot{open(t, "base2", v.Write(t, "base2"))}}, "full,"+v.Write(t, "full"))
	s := modules(t, out).Streams[0]
	if diff := cmp.Diff([]string{"demo-0:1.0-1.module+el8+1+aaaa.x86_64", "demo-libs-0:1.0-1.module+el8+1+aaaa.x86_64"}, s.Artifacts); diff != "" {
		t.Errorf("artifacts (-want +got)\n%s", diff)
	}
	want := []string{
		"demo-devel-3.0-1.el8.x86_64 of base2, which the module hid, can be installed beside it now",
		"trimmed documents no longer hide packages called demo-devel, demo-doc in other repositories",
	}
	if diff := cmp.Diff(want, r.Warnings); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
}

// Rule 4.
func TestProfiles(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full := "full," + v.Write(t, "full")
	profiles := func(t *testing.T, dir string) map[string][]string {
		got := map[string][]string{}
		for name, p := range modules(t, dir).Streams[0].Profiles {
			got[name] = p.RPMs
		}
		return got
	}
	t.Run("without their packages are refused if they are the default", func(t *testing.T) {
		t.Parallel()
		_, _, err := try(t, Options{Packages: []string{"demo-libs" + one}}, full)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), `default profile "default"`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("are kept empty on request", func(t *testing.T) {
		t.Parallel()
		out, r := mustMake(t, Options{Packages: []string{"demo-libs" + one}, KeepEmptyProfiles: true}, full)
		if diff := cmp.Diff(map[string][]string{"default": {}, "devel": {}, "doc": {}}, profiles(t, out)); diff != "" {
			t.Errorf("profiles (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff([]string{"default", "devel", "doc"}, r.Streams[0].Empty); diff != "" {
			t.Errorf("told (-want +got)\n%s", diff)
		}
	})
	t.Run("are completed on request", func(t *testing.T) {
		t.Parallel()
		out, r := mustMake(t, Options{Packages: []string{"demo-libs" + one}, CompleteProfiles: true}, full)
		if diff := cmp.Diff(map[string][]string{"default": {"demo"}, "devel": {"demo", "demo-devel"}, "doc": {"demo-doc"}}, profiles(t, out)); diff != "" {
			t.Errorf("profiles (-want +got)\n%s", diff)
		}
		want := []string{"demo" + one + ".x86_64", "demo-devel" + one + ".x86_64", "demo-doc" + one + ".noarch"}
		if diff := cmp.Diff(want, r.Added); diff != "" {
			t.Errorf("added (-want +got)\n%s", diff)
		}
	})
	t.Run("keep what an external repository has of the stream", func(t *testing.T) {
		t.Parallel()
		opts := Options{Packages: demo(), Externals: []*snapshot.Snapshot{open(t, "updates", v.Write(t, "full"))}}
		out, _ := mustMake(t, opts, full)
		if diff := cmp.Diff(map[string][]string{"default": {"demo"}, "devel": {"demo", "demo-devel"}, "doc": {"demo-doc"}}, profiles(t, out)); diff != "" {
			t.Errorf("profiles (-want +got)\n%s", diff)
		}
	})
	t.Run("don't keep what an external repository has of the same name only", func(t *testing.T) {
		t.Parallel()
		opts := Options{Packages: demo(), Externals: []*snapshot.Snapshot{open(t, "base2", v.Write(t, "base2"))}}
		out, _ := mustMake(t, opts, full)
		if diff := cmp.Diff(map[string][]string{"default": {"demo"}, "devel": {"demo"}}, profiles(t, out)); diff != "" {
			t.Errorf("profiles (-want +got)\n%s", diff)
		}
	})
}

// Rule 5 and S28: defaults that clash with those of another source, or of a
// repository beside this one.
func TestClashingDefaultsAreRefused(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full, clashing := v.Write(t, "full"), v.Write(t, "w-defprofile")
	_, _, err := try(t, Options{Packages: demo()}, "full,"+full, "w,"+clashing)
	if !errors.Is(err, ErrRefused) || !errors.Is(err, modulemd.ErrConflict) {
		t.Errorf("two sources: %v", err)
	}
	_, _, err = try(t, Options{Packages: demo(), Externals: []*snapshot.Snapshot{open(t, "w", clashing)}}, "full,"+full)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "loses the defaults of all modules") {
		t.Errorf("beside an external repository: %v", err)
	}
	// A contradiction in what is not taken is none.
	mustMake(t, Options{Packages: []string{"other"}}, "full,"+full, "w,"+clashing, "base,"+v.Write(t, "base"))
}

// Rule 6.
func TestObsoletesAndTranslationsAreTaken(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	for repo, kind := range map[string]string{"full-obs": "obsoletes", "slim-tr": "translations"} {
		dir := v.Write(t, repo)
		out, r := mustMake(t, Options{Packages: demo()}, "full,"+dir)
		before, after := modules(t, dir), modules(t, out)
		told := map[string][]string{"obsoletes": r.Obsoletes, "translations": r.Translations}[kind]
		if len(told) != 1 || len(after.Obsoletes)+len(after.Translations) != 1 {
			t.Fatalf("%s: told %q; %v, %v", repo, told, after.Obsoletes, after.Translations)
		}
		for i, d := range after.Obsoletes {
			if string(d.Text) != string(before.Obsoletes[i].Text) {
				t.Errorf("obsoletes are\n%s", d.Text)
			}
		}
		for i, d := range after.Translations {
			if string(d.Text) != string(before.Translations[i].Text) {
				t.Errorf("translations are\n%s", d.Text)
			}
		}
	}
}

// Rule 7.
func TestRequiredModules(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full := v.Write(t, "full")
	_, _, err := try(t, Options{Packages: []string{"tool"}}, "full,"+full)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "requires demo:1") {
		t.Errorf("alone: %v", err)
	}
	mustMake(t, Options{Packages: []string{"tool"}, Externals: []*snapshot.Snapshot{open(t, "updates", v.Write(t, "slim"))}}, "full,"+full)
	_, r := mustMake(t, Options{Packages: append(demo(), "tool"), Platform: "el8"}, "full,"+full)
	if len(r.Streams) != 2 {
		t.Errorf("streams: %v", r.Streams)
	}
	if _, _, err := try(t, Options{Packages: demo(), Platform: "el9"}, "full,"+full); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "is for platform:el8, not for el9") {
		t.Errorf("for another platform: %v", err)
	}
}

// Rule 8: several sources.
func TestSourcesAreMergedByNSVCA(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full, slim := v.Write(t, "full"), v.Write(t, "slim")
	whole, _ := mustMake(t, Options{Packages: demo()}, "full,"+full)
	for _, order := range [][]string{{"full," + full, "slim," + slim}, {"slim," + slim, "full," + full}} {
		out, _ := mustMake(t, Options{Packages: demo()}, order...)
		if diff := cmp.Diff(string(stream(t, modules(t, whole), "demo:1").Text), string(stream(t, modules(t, out), "demo:1").Text)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", order, diff)
		}
	}
	_, _, err := try(t, Options{Packages: demo()}, "full,"+full, "other,"+v.Write(t, "slim-otherdesc"))
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "summary") {
		t.Errorf("different documents: %v", err)
	}
	// Both builds of a stream keep their documents.
	out, _ := mustMake(t, Options{Packages: append(demo(), "demo"+later, "demo-libs"+later)}, "fullnew,"+v.Write(t, "fullnew"))
	if n := len(modules(t, out).Streams); n != 2 {
		t.Errorf("%d documents of two builds", n)
	}
}

// Rule 10, S35, S36, S38: documents that clients die of or throw away are never
// published; nor, by the gate, the packages that they list.
func TestBrokenDocumentsAreNeverPublished(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	for _, repo := range []string{"w-noyaml", "w-noepoch", "w-baddate", "w-broken", "w-artifact-missing"} {
		t.Run(repo, func(t *testing.T) {
			t.Parallel()
			_, _, err := try(t, Options{Packages: demo()}, repo+","+v.Write(t, repo))
			if !errors.Is(err, identity.ErrRefused) {
				t.Errorf("got %v", err)
			}
			if repo != "w-noyaml" && repo != "w-artifact-missing" && !strings.Contains(err.Error(), "documents that can't be used") {
				t.Errorf("the reason is not told: %v", err)
			}
		})
	}
	// Of the same packages with documents elsewhere, those count.
	mustMake(t, Options{Packages: demo()}, "w,"+v.Write(t, "w-noyaml"), "full,"+v.Write(t, "full"))
}

// What was recorded not to work is refused, also when it is in a source: two
// documents of one N:S:V:C:A (S37), and defaults that name a profile which no
// document has any more (S77).
func TestWhatDoesNotWorkIsRefused(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	for repo, want := range map[string]string{
		"w-samensvca":               "has the same N:S:V:C:A",
		"w-default-profile-dropped": `the default profile "default" of stream "1" does not exist`,
	} {
		t.Run(repo, func(t *testing.T) {
			t.Parallel()
			_, _, err := try(t, Options{Packages: demo()}, repo+","+v.Write(t, repo))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func TestTheListOfPackages(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full, base := "full,"+v.Write(t, "full"), "base,"+v.Write(t, "base")
	for what, test := range map[string]struct{ list, want []string }{
		"names":      {[]string{"other"}, []string{"other-1.0-1.el8.x86_64"}},
		"NEVRA":      {[]string{"demo-0:3.0-1.el8.x86_64", "demo-libs-3.0-1.el8", "other.x86_64"}, []string{"demo-3.0-1.el8.x86_64", "demo-libs-3.0-1.el8.x86_64", "other-1.0-1.el8.x86_64"}},
		"patterns":   {[]string{"demo*-3.0-*"}, []string{"demo-3.0-1.el8.x86_64", "demo-extra-3.0-1.el8.x86_64", "demo-libs-3.0-1.el8.x86_64"}},
		"a stream":   {[]string{"@demo:2"}, []string{"demo" + two + ".x86_64", "demo-devel" + two + ".x86_64", "demo-libs" + two + ".x86_64"}},
		"a profile":  {[]string{"@demo:2/default"}, []string{"demo" + two + ".x86_64"}},
		"twice":      {[]string{"other", "other"}, []string{"other-1.0-1.el8.x86_64"}},
		"everything": {[]string{"o*", "other"}, []string{"other-1.0-1.el8.x86_64"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			out, _ := mustMake(t, Options{Packages: test.list}, full, base)
			if diff := cmp.Diff(test.want, packages(t, out)); diff != "" {
				t.Errorf("packages (-want +got)\n%s", diff)
			}
		})
	}
	t.Run("names all that is missing at once", func(t *testing.T) {
		t.Parallel()
		_, _, err := try(t, Options{Packages: []string{"demo-lisb", "demo-9.9-1.x86_64", "other", "@demo:3", "@demo:1/develop", "zzz", "zzz", "nothing*"}}, full, base)
		var missing *MissingError
		if !errors.As(err, &missing) {
			t.Fatal(err)
		}
		want := []Missing{
			{"demo-lisb", []string{"demo-libs is there"}},
			{"demo-9.9-1.x86_64", []string{"demo-3.0-1.el8.x86_64 is there", "demo" + two + ".x86_64 is there", "demo" + one + ".x86_64 is there"}},
			{"@demo:3", []string{"@demo:1 is there", "@demo:2 is there"}},
			{"@demo:1/develop", []string{"@demo:1/default is there", "@demo:1/devel is there", "@demo:1/doc is there"}},
			{"zzz", nil},
			{"nothing*", nil},
		}
		if diff := cmp.Diff(want, missing.Missing); diff != "" {
			t.Errorf("missing (-want +got)\n%s", diff)
		}
	})
}

func TestNearMatches(t *testing.T) {
	t.Parallel()
	c := &catalog{named: map[string][]int{}}
	for _, nevra := range []string{
		"vim-minimal-9-1.x86_64", "vim-common-9-1.x86_64", "vim-enhanced-9-1.x86_64", "vim-X11-9-1.x86_64", "gcc-8-1.x86_64", "gcc-12-1.x86_64", "gcc-12-1.i686", "gcc-9-1.x86_64",
		"gcc-c++-12-1.x86_64", "gc-devel-8-1.x86_64", "gcab-1-1.x86_64", "python3-six-1-1.noarch", "NetworkManager-1-1.x86_64", "bash-5-1.x86_64", "zlib-devel-1-1.x86_64", "tar-1-1.x86_64",
	} {
		n, err := rpmfile.ParseNEVRA(nevra)
		if err != nil {
			t.Fatal(err)
		}
		c.named[n.Name] = append(c.named[n.Name], len(c.packages))
		c.packages = append(c.packages, available{PrimaryPackage: repomd.PrimaryPackage{NEVRA: n}})
	}
	for entry, want := range map[string][]string{
		// Short names, and parts of names.
		"vim":            {"vim-common", "vim-X11", "vim-minimal"},
		"VIM-common":     {"vim-common"},
		"gc":             {"gc-devel", "gcc", "gcab"},
		"six":            {"python3-six"},
		"gcc-c":          {"gcc-c++"},
		"tra":            {"tar"},
		"zlib":           {"zlib-devel"},
		"networkmanager": {"NetworkManager"},
		"bsah":           {"bash"},
		"x":              nil,
		"qq":             nil,
		// Other versions and architectures, the newest first.
		"gcc-13-1.x86_64": {"gcc-12-1.i686", "gcc-12-1.x86_64", "gcc-9-1.x86_64"},
		"bash.noarch":     {"bash-5-1.x86_64"},
		"bash.src":        {"bash-5-1.x86_64"},
		"bash-4":          {"bash-5-1.x86_64"},
	} {
		for i := range want {
			want[i] += " is there"
		}
		var got *MissingError
		if err := c.missing(t.Context(), []string{entry}); !errors.As(err, &got) {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Missing{{entry, want}}, got.Missing); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestTheDirectory(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full := v.Write(t, "full")
	t.Run("may be empty", func(t *testing.T) {
		t.Parallel()
		mustMake(t, Options{Packages: demo(), Out: t.TempDir()}, "full,"+full)
	})
	t.Run("is not overwritten", func(t *testing.T) {
		t.Parallel()
		out, _ := mustMake(t, Options{Packages: demo()}, "full,"+full)
		if _, err := Make(t.Context(), []*snapshot.Snapshot{open(t, "full", full)}, Options{Packages: []string{"@demo:2"}, Out: out}); !errors.Is(err, ErrExists) {
			t.Errorf("got %v", err)
		}
		mustMake(t, Options{Packages: []string{"@demo:2"}, Out: out, Replace: true}, "full,"+full)
		if n := len(packages(t, out)); n != 3 {
			t.Errorf("%d packages after it was replaced", n)
		}
	})
	t.Run("is not one of a source, and no other that has files", func(t *testing.T) {
		t.Parallel()
		other := t.TempDir()
		if err := os.WriteFile(filepath.Join(other, "letter"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, out := range []string{full, other} {
			if _, err := Make(t.Context(), []*snapshot.Snapshot{open(t, "full", full)}, Options{Packages: demo(), Out: out, Replace: true}); !errors.Is(err, ErrExists) {
				t.Errorf("%s: %v", out, err)
			}
		}
	})
	t.Run("does not appear when the check says no", func(t *testing.T) {
		t.Parallel()
		refusal := errors.New("no")
		out, _, err := try(t, Options{Packages: demo(), Check: func(_ context.Context, dir string) error {
			if n := len(packages(t, dir)); n != 2 {
				t.Errorf("%d packages to check", n)
			}
			return refusal
		}}, "full,"+full)
		if _, statErr := os.Stat(out); !errors.Is(err, refusal) || !errors.Is(statErr, os.ErrNotExist) {
			t.Errorf("got %v, %v", err, statErr)
		}
	})
}

// A source whose repodata tells another name than the header.
func TestAPackageThatIsAnotherIsRefused(t *testing.T) {
	t.Parallel()
	dir := moduletest.WriteRPMs(t, "", "other-1.0-1.el8.x86_64.rpm")
	moduletest.Lie(t, dir, "<name>other</name>", "<name>otter</name>")
	if _, _, err := try(t, Options{Packages: []string{"otter"}}, "r,"+dir); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
}
