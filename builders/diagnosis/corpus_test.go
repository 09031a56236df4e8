package diagnosis_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/distbot/distbot/builders/diagnosis"
)

// corpusDir holds a directory for each failing build: the package's files, how
// it was built (build.yaml), what was recorded (root.log.gz, build.log.gz,
// ended.json), and how a person reads it (expected.yaml).
const corpusDir = "testdata/corpus"

// The files of an entry that are not the package's.
const (
	buildFile    = "build.yaml"
	endedFile    = "ended.json"
	expectedFile = "expected.yaml"
)

// expected is how a person read the logs, before the reader did.
type expected struct {
	Phase          diagnosis.Phase `yaml:"phase"`
	Kind           diagnosis.Kind  `yaml:"kind"`
	Infrastructure bool            `yaml:"infrastructure"`
	// Log and Line are where the first real error is; Also are lines that say
	// it as well. 0 where no line does.
	Log  string `yaml:"log"`
	Line int    `yaml:"line"`
	Also []int  `yaml:"also"`
	// Says is what the reason must hold.
	Says       string   `yaml:"says"`
	SpecLine   int      `yaml:"spec_line"`
	Missing    []string `yaml:"missing"`
	Unpackaged []string `yaml:"unpackaged"`
	// HeldOut is true for entries for which the reader was not tuned.
	HeldOut bool `yaml:"held_out"`
}

// entry is one failing build.
type entry struct {
	name string
	want expected
	diagnosis.Exit
	spec string
}

// corpus reads all entries.
func corpus(t testing.TB) []entry {
	t.Helper()
	dirs, err := os.ReadDir(corpusDir)
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for _, dir := range dirs {
		e := entry{name: dir.Name()}
		text, err := os.ReadFile(filepath.Join(corpusDir, e.name, expectedFile))
		if err != nil {
			t.Fatal(err)
		}
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&e.want); err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		if text, err = os.ReadFile(filepath.Join(corpusDir, e.name, endedFile)); err == nil {
			err = json.Unmarshal(text, &e.Exit)
		}
		if err != nil {
			t.Fatal(err)
		}
		specs, err := filepath.Glob(filepath.Join(corpusDir, e.name, "*.spec"))
		if err != nil || len(specs) != 1 {
			t.Fatalf("%s: specs %q, %v", e.name, specs, err)
		}
		if text, err = os.ReadFile(specs[0]); err != nil {
			t.Fatal(err)
		}
		e.spec = string(text)
		all = append(all, e)
	}
	return all
}

// log opens a log of an entry.
func (e entry) log(name string) (io.ReadCloser, error) {
	file, err := os.Open(filepath.Join(corpusDir, e.name, name+".gz"))
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{zip, file}, nil
}

// logOf is the log that a step prints to.
func logOf(step diagnosis.Step) string {
	if step == diagnosis.StepRoot || step == diagnosis.StepRequires {
		return "root.log"
	}
	return "build.log"
}

// read reads an entry as a driver does.
func (e entry) read(t testing.TB) diagnosis.Finding {
	t.Helper()
	name := logOf(e.Step)
	log, err := e.log(name)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	f, err := diagnosis.Read(name, e.Step, log, e.Exit)
	if err != nil {
		t.Fatal(err)
	}
	if e.Step != diagnosis.StepRoot {
		f.FindInSpec(e.spec)
	}
	return f
}

// score counts right answers.
type score struct{ right, all int }

func (s *score) add(right bool) {
	s.all++
	if right {
		s.right++
	}
}

func (s score) String() string {
	return fmt.Sprintf("%d of %d (%.1f %%)", s.right, s.all, 100*float64(s.right)/float64(max(s.all, 1)))
}

// precision is how often each part of a finding is what a person said.
type precision struct{ phase, kind, infrastructure, line, specLine, lists, says score }

func (p *precision) add(want expected, got diagnosis.Finding) (wrong []string) {
	check := func(what string, s *score, right bool) {
		if s.add(right); !right {
			wrong = append(wrong, what)
		}
	}
	missing := []string(nil)
	for _, m := range got.Missing {
		missing = append(missing, m.Text)
	}
	check("phase", &p.phase, got.Phase == want.Phase)
	check("kind", &p.kind, got.Kind == want.Kind)
	check("infrastructure", &p.infrastructure, got.Infrastructure == want.Infrastructure)
	check("line", &p.line, got.LogFile == want.Log && (got.Line == want.Line || slices.Contains(want.Also, got.Line)))
	check("line of the spec", &p.specLine, got.SpecLine == want.SpecLine)
	check("missing or unpackaged", &p.lists, slices.Equal(missing, want.Missing) && slices.Equal(got.Unpackaged, want.Unpackaged))
	check("reason", &p.says, strings.Contains(got.Reason, want.Says))
	return wrong
}

func (p precision) String() string {
	return fmt.Sprintf("phase %v, kind %v, infrastructure %v, line %v, line of the spec %v, missing and unpackaged %v, reason %v",
		p.phase, p.kind, p.infrastructure, p.line, p.specLine, p.lists, p.says)
}

// files are the package's files of an entry.
func packageFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range entries {
		switch name := file.Name(); {
		case name == buildFile, name == endedFile, name == expectedFile, strings.HasSuffix(name, ".log.gz"):
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

// writeLog keeps a log, without what differs from host to host.
func writeLog(path string, text []byte) error {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := zip.Write(text); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), fs.FileMode(0o644))
}
