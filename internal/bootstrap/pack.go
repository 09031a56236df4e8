package bootstrap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// packer turns a tree and a spec into an RPM, once: the RPM is kept by a key
// made of everything that went into it.
type packer struct {
	tools  tools
	arch   architecture
	cache  string // holds rpms/KEY.rpm and work/
	builds string // digest of rpmbuild's version and of this converter's
}

// recipe is what one RPM is made of.
type recipe struct {
	spec   rpmSpec                            // without what follows from the tree
	digest string                             // of what fill adds, beyond tables and assets
	fill   func(context.Context, *tree) error // adds the files
	finish func(*rpmSpec, *tree)              // adds to the spec what follows from the tree
}

// fixedTime is the build time of RPMs whose content has none of its own.
func fixedTime() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }

// pack returns the path of the RPM in the cache.
func (p packer) pack(ctx context.Context, r recipe) (string, error) {
	key := digest(p.builds, p.arch.rpm, r.digest, r.spec.String())
	file := filepath.Join(p.cache, "rpms", key+".rpm")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("bootstrap: look for cached rpm of %s: %w", r.spec.Name, err)
	}
	if err := p.build(ctx, r, file); err != nil {
		return "", fmt.Errorf("bootstrap: convert %s: %w", r.spec.Name, err)
	}
	return file, nil
}

func (p packer) build(ctx context.Context, r recipe, file string) (err error) {
	dir, err := os.MkdirTemp(filepath.Join(p.cache, "work"), "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, sub := range []string{"root", "build", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(filepath.Join(dir, "root"))
	if err != nil {
		return err
	}
	defer root.Close()
	t := &tree{Root: root, Files: map[string]bool{}}
	if err := r.fill(ctx, t); err != nil {
		return err
	}
	if t.Newest.IsZero() {
		t.Newest = fixedTime()
	}
	perl, err := p.perlProvides(ctx, t)
	if err != nil {
		return err
	}
	r.finish(&r.spec, t)
	r.spec.Provides = append(r.spec.Provides, perl...)
	specFile := filepath.Join(dir, "package.spec")
	if err := os.WriteFile(specFile, []byte(r.spec.String()), 0o644); err != nil {
		return err
	}
	if err := p.rpmbuild(ctx, dir, specFile, t.Newest); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "package.rpm"), file)
}

// rpmbuild writes dir/package.rpm from dir/root. Everything that could differ
// between hosts and runs is defined here.
func (p packer) rpmbuild(ctx context.Context, dir, specFile string, built time.Time) error {
	args := []string{"-bb", "--nodeps", "--noclean", "--quiet", "--target", p.arch.rpm + "-linux", "--buildroot", filepath.Join(dir, "root")}
	for _, macro := range [][2]string{
		{"_topdir", filepath.Join(dir, "build")},
		{"_tmppath", filepath.Join(dir, "tmp")},
		{"_rpmdir", dir},
		{"_rpmfilename", "package.rpm"},
		{"_buildhost", "distbot.invalid"},
		{"use_source_date_epoch_as_buildtime", "1"},
		{"clamp_mtime_to_source_date_epoch", "1"},
		{"source_date_epoch_from_changelog", "0"},
		// Packed and unpacked often, stored briefly: speed before size.
		{"_binary_payload", "w3.zstdio"},
		// The files are finished: nothing to strip, compress, link or split.
		{"debug_package", "%{nil}"},
		{"__os_install_post", "%{nil}"},
		{"__spec_install_pre", "%{nil}"},
		{"_build_id_links", "none"},
		{"__perllib_provides", "%{nil}"}, // perlProvides does that
		{"_missing_build_ids_terminate_build", "0"},
		{"_binaries_in_noarch_packages_terminate_build", "0"},
		{"_invalid_encoding_terminates_build", "0"},
		// filePatterns lists every file by construction.
		{"__check_files", "%{nil}"},
		// Parallelism is between packages. Without these rpmbuild asks a
		// shell, and its threads spin while they wait for one another.
		{"_smp_build_ncpus", "1"},
		{"_dbpath", filepath.Join(dir, "db")},
	} {
		args = append(args, "--define", macro[0]+" "+macro[1])
	}
	t := p.tools
	t.env = append(t.env[:len(t.env):len(t.env)], "OMP_NUM_THREADS=1", "SOURCE_DATE_EPOCH="+strconv.FormatInt(built.Unix(), 10))
	_, err := t.output(ctx, "rpmbuild", append(args, specFile)...)
	return err
}

// perlProvides asks rpm's generator for the perl(...) names of a package's
// modules, all in one run: rpmbuild would start it anew for each of the 600
// files of Perl's library, which takes ten times as long.
func (p packer) perlProvides(ctx context.Context, t *tree) ([]string, error) {
	var files strings.Builder
	for _, name := range t.paths() {
		if !t.Files[name] && path.Ext(name) == ".pm" {
			files.WriteString(filepath.Join(t.Root.Name(), name) + "\n")
		}
	}
	if files.Len() == 0 {
		return nil, nil
	}
	out, err := p.tools.filter(ctx, strings.NewReader(files.String()), "perl.prov")
	if err != nil {
		return nil, err
	}
	var provides []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); perlName.MatchString(line) {
			provides = append(provides, line)
		}
	}
	return provides, nil
}

// perlName is what perl.prov writes; what is not that came from odd sources.
var perlName = regexp.MustCompile(`^perl\([A-Za-z0-9_:.]+\)( = [A-Za-z0-9._]+)?$`)

// digest hashes strings so that no two lists of strings run together.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s\n", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// converterDigest stands for everything but the packages that decides what
// the RPMs contain: rpm's version, this converter's and its tables.
func converterDigest(ctx context.Context, t tools) (string, error) {
	version, err := t.output(ctx, "rpmbuild", "--version")
	if err != nil {
		return "", fmt.Errorf("bootstrap: ask rpmbuild for its version: %w", err)
	}
	parts := []string{converterVersion, string(version)}
	err = fs.WalkDir(assets, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := assets.ReadFile(name)
		parts = append(parts, name, string(text))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("bootstrap: read tables: %w", err)
	}
	return digest(parts...), nil
}
