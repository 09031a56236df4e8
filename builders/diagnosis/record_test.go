package diagnosis_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/rootfs"
	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/bootstrap"
	"github.com/distbot/distbot/internal/sandbox"
)

// record makes the corpus: go test ./builders/diagnosis -run TestRecord
// -record REGEXP builds the entries whose names match and keeps their logs.
// What was recorded before is replaced, expected.yaml is not touched.
var record = flag.String("record", "", "build the entries of the corpus that match this regular expression, and keep their logs")

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

// recipe is how an entry is built.
type recipe struct {
	// SRPM is true when making the source package is what fails.
	SRPM bool `yaml:"srpm"`
	// Group replaces the packages of the buildroot's group.
	Group []string `yaml:"group"`
	// Repository is how the repository of troubled packages behaves; empty
	// leaves it out, plain serves it as it is.
	Repository string `yaml:"repository"`
	// Tarball packs the directory upstream as NAME.tar.gz with this NAME.
	Tarball string `yaml:"tarball"`
	Memory  int64  `yaml:"memory"` // MiB
	Disk    int64  `yaml:"disk"`   // MiB
	Log     int64  `yaml:"log"`    // MiB
	File    int64  `yaml:"file"`   // MiB
	PIDs    int64  `yaml:"pids"`
	Wall    int64  `yaml:"wall"` // seconds
}

var (
	srpmGroup = []string{"bash", "coreutils", "findutils", "redhat-rpm-config", "rpm-build", "tar", "gzip", "xz", "bzip2", "unzip", "sed", "grep", "gawk", "diffutils", "patch", "make", "which"}
	fullGroup = append(srpmGroup[:len(srpmGroup):len(srpmGroup)], "gcc", "glibc-devel")
)

// extraPackages are what the corpus needs beside a base distribution.
var extraPackages = []string{
	"cmake", "meson", "ninja-build", "golang-go", "cargo", "python3", "python3-pytest", "python3-pip", "python3-setuptools",
	"git", "curl", "gettext", "flex", "bison", "ruby",
}

func TestRecord(t *testing.T) {
	t.Parallel()
	if *record == "" {
		t.Log("nothing to record: -record names entries")
		return
	}
	wanted := regexp.MustCompile(*record)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "distbot", "diagnosis-corpus")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	base, err := bootstrap.Debian(t.Context(), bootstrap.Options{
		Arch: arch.Host(), Out: filepath.Join(cache, "base-"+arch.Host()), Packages: append(bootstrap.DefaultPackages(), extraPackages...),
	})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := sandbox.New(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "buildroots")
	t.Cleanup(func() {
		if err := runner.RemoveAll(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	dirs, err := os.ReadDir(corpusDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if wanted.MatchString(d.Name()) {
			r := &recorder{dir: dir, base: base.Path, runner: runner, entry: filepath.Join(corpusDir, d.Name()), work: t.TempDir()}
			if err := r.run(t); err != nil {
				t.Errorf("%s: %v", d.Name(), err)
			}
		}
	}
}

// recorder records one entry.
type recorder struct {
	dir, base, entry, work string
	runner                 *sandbox.Runner
	recipe
}

var tasks atomic.Int64

func (r *recorder) run(t *testing.T) error {
	if text, err := os.ReadFile(filepath.Join(r.entry, buildFile)); err == nil {
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&r.recipe); err != nil {
			return err
		}
	}
	or := func(n, otherwise int64) int64 {
		if n == 0 {
			return otherwise
		}
		return n
	}
	driver, err := rootfs.New(rootfs.Config{
		Dir: r.dir, Runner: r.runner, Logger: slog.New(slog.DiscardHandler), Disk: or(r.Disk, 8<<10) << 20, Log: or(r.Log, 64) << 20,
		Limits: sandbox.Limits{
			Memory: or(r.Memory, 2<<10) << 20, PIDs: or(r.PIDs, 1000), FileSize: or(r.File, 1<<10) << 20,
			Wall: time.Duration(or(r.Wall, 300)) * time.Second,
		},
	})
	if err != nil {
		return err
	}
	sources := filepath.Join(r.work, "sources")
	if err := r.checkout(sources); err != nil {
		return err
	}
	// Making the source package has all it needs.
	plain := r.order(t, "srpm", nil)
	if r.SRPM {
		plain = r.order(t, "srpm", r.Group)
	}
	_, err = driver.SRPM(t.Context(), builders.SRPMOrder{Order: plain, SourceDir: sources, Spec: "package.spec"})
	if err == nil && !r.SRPM {
		var srpms []string
		if srpms, err = filepath.Glob(filepath.Join(plain.ResultDir, "*.src.rpm")); err != nil || len(srpms) != 1 {
			return fmt.Errorf("source packages %q: %w", srpms, err)
		}
		plain = r.order(t, "build", r.Group)
		_, err = driver.Build(t.Context(), builders.BuildOrder{Order: plain, SRPM: srpms[0], Arch: arch.Host()})
	} else if err != nil && !r.SRPM {
		return fmt.Errorf("the source package was to be made: %w", err)
	}
	var failure *builders.Failure
	if !errors.As(err, &failure) || failure.Finding == nil {
		return fmt.Errorf("the build was to fail with a finding: %w", err)
	}
	return r.keep(plain.LogDir, failure)
}

// order is an order with directories of its own.
func (r *recorder) order(t *testing.T, name string, group []string) builders.Order {
	dir := filepath.Join(r.work, name)
	for _, sub := range []string{"results", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if group == nil {
		group = fullGroup
	}
	order := builders.Order{
		TaskID: tasks.Add(1), Attempt: 1, Epoch: time.Unix(1_790_000_000, 0),
		Root: builders.Recipe{
			Tag: "f37-build", Arch: arch.Host(), Install: group, Macros: map[string]string{"dist": ".fc37"},
			Repos: []builders.Repo{{Name: "base", URL: "file://" + r.base, Cost: 10}},
		},
		ResultDir: filepath.Join(dir, "results"), LogDir: filepath.Join(dir, "logs"), Phase: func(builders.Phase) {},
	}
	if r.Repository != "" && name == "build" {
		order.Root.Repos = append(order.Root.Repos, troubled(t, r.Repository))
	}
	return order
}

// checkout makes what a checkout of the package would be.
func (r *recorder) checkout(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names, err := packageFiles(r.entry)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == "upstream" {
			err = pack(filepath.Join(dir, r.Tarball+".tar.gz"), r.Tarball, os.DirFS(filepath.Join(r.entry, name)))
		} else {
			var text []byte
			if text, err = os.ReadFile(filepath.Join(r.entry, name)); err == nil {
				err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pack packs files below top.
func pack(name, top string, files fs.FS) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	zip := gzip.NewWriter(out)
	archive := tar.NewWriter(zip)
	err = fs.WalkDir(files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if bytes.HasPrefix(text, []byte("#!")) {
			mode = 0o755
		}
		err = archive.WriteHeader(&tar.Header{Name: path.Join(top, file), Mode: mode, Size: int64(len(text)), ModTime: time.Unix(1_780_000_000, 0)})
		if err == nil {
			_, err = archive.Write(text)
		}
		return err
	})
	return errors.Join(err, archive.Close(), zip.Close())
}

// keep keeps the logs and how the step ended.
func (r *recorder) keep(logs string, failure *builders.Failure) error {
	for _, name := range []string{"root.log", "build.log"} {
		text, err := os.ReadFile(filepath.Join(logs, name))
		if err != nil {
			return err
		}
		text = bytes.ReplaceAll(text, []byte(r.work), []byte("SCRATCH"))
		if err := writeLog(filepath.Join(r.entry, name+".gz"), text); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(failure.Ended, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.entry, endedFile), append(text, '\n'), 0o644)
}
