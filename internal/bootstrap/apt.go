package bootstrap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// apt resolves and downloads as if nothing were installed. All its state is
// below dir, except, for the host's own architecture, the package lists, which
// only `apt-get update` of the host's administrator writes. The host's dpkg
// database is neither read nor written.
type apt struct {
	tools   tools
	dir     string
	arch    architecture
	foreign bool
}

// deb is one package that apt chose.
type deb struct {
	File   string // absolute path, once it is there
	Name   string // file name, as in the archive
	URI    string
	SHA256 string // hex; from the signed package lists
	Size   int64  // bytes, from the lists too
}

// newApt prepares the state below dir.
func newApt(ctx context.Context, t tools, dir string, arch architecture) (*apt, error) {
	native, err := t.output(ctx, "dpkg", "--print-architecture")
	if err != nil {
		return nil, fmt.Errorf("bootstrap: ask dpkg for its architecture: %w", err)
	}
	a := &apt{tools: t, dir: dir, arch: arch, foreign: strings.TrimSpace(string(native)) != arch.deb}
	for _, d := range []string{"archives/partial", "empty/partial", "state/lists/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("bootstrap: prepare apt's state: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		return nil, fmt.Errorf("bootstrap: prepare apt's state: %w", err)
	}
	// Hooks of the host (desktop notifications, search indexes) have no
	// business with a private state; only a configuration file can clear them.
	conf := "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n" +
		"#clear APT::Architectures;\nAPT::Architectures { \"" + arch.deb + "\"; };\n"
	if err := os.WriteFile(filepath.Join(dir, "apt.conf"), []byte(conf), 0o644); err != nil {
		return nil, fmt.Errorf("bootstrap: prepare apt's state: %w", err)
	}
	return a, nil
}

// options are common to every call; archives is the directory apt looks in
// for packages it already has.
func (a *apt) options(archives string) []string {
	o := []string{
		"-c", filepath.Join(a.dir, "apt.conf"),
		"-o", "APT::Architecture=" + a.arch.deb,
		"-o", "Dir::State::status=" + filepath.Join(a.dir, "status"),
		"-o", "Dir::Cache=" + a.dir,
		"-o", "Dir::Cache::archives=" + filepath.Join(a.dir, archives),
		"-o", "APT::Install-Recommends=false",
		"-o", "APT::Install-Suggests=false",
		"-o", "APT::Get::AllowUnauthenticated=false",
		"-o", "Acquire::Retries=3",
		// The lock in Cache stands for apt's own, which others cannot take
		// in the host's lists.
		"-o", "Debug::NoLocking=1",
		// Root's apt would download as _apt, which cannot write to a private
		// cache below a home directory.
		"-o", "APT::Sandbox::User=root",
		"-q",
	}
	if a.foreign {
		o = append(o, "-o", "Dir::State::lists="+filepath.Join(a.dir, "state/lists"))
	}
	return o
}

// stamp describes everything apt's answer depends on, cheaply: apt itself
// takes a second. It changes with every `apt-get update` that found news and
// with every change of the sources. It returns ErrNoLists if there are no
// package lists; for a foreign architecture it fetches them first.
func (a *apt) stamp(ctx context.Context) (string, error) {
	out, err := a.tools.output(ctx, "apt-config", append(a.options("archives"), "shell",
		"lists", "Dir::State::lists/d", "sources", "Dir::Etc::sourcelist/f", "parts", "Dir::Etc::sourceparts/d",
		"preferences", "Dir::Etc::preferences/f", "preferenceparts", "Dir::Etc::preferencesparts/d",
		"main", "Dir::Etc::main/f", "confparts", "Dir::Etc::parts/d")...)
	if err != nil {
		return "", fmt.Errorf("bootstrap: ask apt for its directories: %w", err)
	}
	var paths []string
	for line := range strings.Lines(string(out)) {
		// apt-config shell writes NAME='value'.
		_, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		paths = append(paths, strings.Trim(value, "'"))
	}
	if len(paths) == 0 {
		return "", errors.New("bootstrap: ask apt for its directories: it named none")
	}
	if a.foreign && !hasLists(paths[0], a.arch) {
		if err := a.update(ctx); err != nil {
			return "", err
		}
	}
	if !hasLists(paths[0], a.arch) {
		advice := "run apt-get update"
		if a.foreign {
			advice = "the sources of this host do not carry it"
		}
		return "", fmt.Errorf("bootstrap: look for packages of %s in %s: %w: %s", a.arch.deb, paths[0], ErrNoLists, advice)
	}
	return digestOfFiles(paths)
}

// update fetches the lists of a foreign architecture from the host's sources.
func (a *apt) update(ctx context.Context) error {
	if _, err := a.tools.output(ctx, "apt-get", append(a.options("archives"), "update")...); err != nil {
		return fmt.Errorf("bootstrap: fetch package lists of %s: %w", a.arch.deb, err)
	}
	return nil
}

// hasLists reports whether dir has a list of packages for arch, by the names
// that apt gives them.
func hasLists(dir string, arch architecture) bool {
	names, err := filepath.Glob(filepath.Join(dir, "*_binary-"+arch.deb+"_Packages*"))
	return err == nil && len(names) > 0
}

// digestOfFiles hashes names, sizes and modification times of files and of the
// files in directories. What does not exist counts as such.
func digestOfFiles(paths []string) (string, error) {
	h := sha256.New()
	for _, p := range paths {
		err := filepath.WalkDir(p, func(name string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
				return nil // partial/ belongs to apt alone
			}
			if err != nil || entry.IsDir() || entry.Name() == "lock" {
				return err
			}
			info, err := os.Stat(name)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(h, "%s\x00%d\x00%d\n", name, info.Size(), info.ModTime().UnixNano())
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("bootstrap: look at apt's files: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// resolve asks apt for packages and all they depend on.
func (a *apt) resolve(ctx context.Context, packages []string) ([]deb, error) {
	args := append(a.options("empty"), "-o", "Acquire::ForceHash=SHA256", "-q", "install", "--yes", "--print-uris", "--")
	out, err := a.tools.output(ctx, "apt-get", append(args, packages...)...)
	if err != nil {
		return nil, fmt.Errorf("bootstrap: resolve packages: %w", err)
	}
	return parseURIs(out)
}

// 'URI' FILE SIZE SHA256:HEX, as `apt-get --print-uris` writes.
var uriLine = regexp.MustCompile(`^'([^']+)' ([A-Za-z0-9][A-Za-z0-9.+~:%_-]*\.deb) ([0-9]{1,15}) SHA256:([0-9a-f]{64})$`)

// parseURIs reads the answer of --print-uris, in which other lines may stand
// before the first URI.
func parseURIs(out []byte) ([]deb, error) {
	var debs []deb
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "'") {
			continue
		}
		m := uriLine.FindStringSubmatch(lines.Text())
		if m == nil {
			return nil, fmt.Errorf("bootstrap: resolve packages: apt's line %q is not understood", lines.Text())
		}
		size, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("bootstrap: resolve packages: size in %q: %w", lines.Text(), err)
		}
		debs = append(debs, deb{URI: m[1], Name: m[2], Size: size, SHA256: m[4]})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("bootstrap: resolve packages: %w", err)
	}
	if len(debs) == 0 {
		return nil, errors.New("bootstrap: resolve packages: apt chose none")
	}
	return debs, nil
}

// download brings every package of debs here and fills in File. What is there
// with the right digest is not asked for again.
func (a *apt) download(ctx context.Context, packages []string, debs []deb) error {
	missing := 0
	for i := range debs {
		debs[i].File = a.place(debs[i])
		if err := checkDigest(debs[i].File, debs[i].SHA256); err != nil {
			missing++
			if err := os.Remove(debs[i].File); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("bootstrap: discard damaged package: %w", err)
			}
		}
	}
	if missing == 0 {
		return nil
	}
	args := append(a.options("archives"), "install", "--yes", "--download-only", "--")
	if _, err := a.tools.output(ctx, "apt-get", append(args, packages...)...); err != nil {
		return fmt.Errorf("bootstrap: download packages: %w", err)
	}
	for _, d := range debs {
		if err := checkDigest(d.File, d.SHA256); err != nil {
			return fmt.Errorf("bootstrap: download packages: %w", err)
		}
	}
	return nil
}

// place is where apt has a package: sources of kind file: are used in place,
// all others are copied to the archives directory.
func (a *apt) place(d deb) string {
	if u, err := url.Parse(d.URI); err == nil && u.Scheme == "file" {
		return u.Path
	}
	return filepath.Join(a.dir, "archives", d.Name)
}

// checkDigest compares a file's SHA-256 with the expected one, in hex.
func checkDigest(name, want string) error {
	got, err := fileDigest(name)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("SHA-256 of %s is %s, not %s", name, got, want)
	}
	return nil
}

func fileDigest(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
