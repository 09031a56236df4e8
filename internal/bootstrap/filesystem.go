package bootstrap

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// filesystem makes distbot-filesystem, which every other RPM is installed
// after: the directories all share, the links of the usrmerge, and the files
// below /etc that Debian's maintainer scripts would have written. Its passwd has
// the user builds run as, mockbuild (1000:1000, home /builddir), as mock's does.
func (tb *tables) filesystem() recipe {
	spec := ownSpec(filesystemName, "directories and accounts of a build root", "filesystem", "setup", "basesystem", "system-release")
	fill := func(_ context.Context, t *tree) error {
		for _, d := range tb.directories {
			if err := t.mkdir(d.Path, d.Mode); err != nil {
				return fmt.Errorf("add directory %s: %w", d.Path, err)
			}
		}
		for _, l := range []symlink{
			{"bin", "usr/bin"},
			{"sbin", "usr/sbin"},
			{"lib", "usr/lib"},
			{"lib64", "usr/lib64"},
			{"etc/mtab", "../proc/self/mounts"},
			{"var/run", "../run"},
			{"var/lock", "../run/lock"},
		} {
			if err := t.symlink(l.Path, l.Target); err != nil {
				return fmt.Errorf("add link %s: %w", l.Path, err)
			}
		}
		// Where %{_libdir} is; Debian's ld.so looks in its multiarch
		// directories only.
		if err := t.writeText("etc/ld.so.conf.d/distbot.conf", "/usr/lib64\n"); err != nil {
			return err
		}
		return t.writeAssets("assets/etc", "etc")
	}
	finish := func(spec *rpmSpec, t *tree) {
		for _, name := range t.paths() {
			if t.Files[name] {
				spec.Files = append(spec.Files, "%dir /"+patternFor(name))
			} else {
				spec.Files = append(spec.Files, "/"+patternFor(name))
			}
		}
	}
	return recipe{spec: spec, fill: fill, finish: finish}
}

// macros makes distbot-rpm-macros, which stands for Fedora's
// redhat-rpm-config. debugHook says that the build root's rpm needs
// the debug package hook, which rpm 4.20 and later must not see.
func (tb *tables) macros(debugHook bool) recipe {
	spec := ownSpec(macrosName, "macros that packages for Fedora expect", "redhat-rpm-config", "system-rpm-config", "systemd-rpm-macros")
	spec.RequiresPre = []string{filesystemName}
	files := []string{"macros.distbot"}
	if debugHook {
		files = append(files, "macros.distbot-debuginfo")
	}
	fill := func(_ context.Context, t *tree) error {
		for _, name := range files {
			if err := t.writeAsset("assets/"+name, "etc/rpm/"+name); err != nil {
				return err
			}
		}
		return nil
	}
	finish := func(spec *rpmSpec, t *tree) { spec.Files = filePatterns(t, tb.shared()) }
	return recipe{spec: spec, digest: strings.Join(files, " "), fill: fill, finish: finish}
}

// ownSpec begins the spec of an RPM that comes from no Debian package.
func ownSpec(name, summary string, provides ...string) rpmSpec {
	spec := rpmSpec{Name: name, EVR: evr{Version: converterVersion, Release: "1"}, Noarch: true, Summary: summary}
	for _, p := range provides {
		spec.Provides = append(spec.Provides, p+" = "+spec.EVR.withoutEpoch())
	}
	return spec
}

// writeAssets copies a directory of assets.
func (t *tree) writeAssets(dir, to string) error {
	entries, err := fs.ReadDir(assets, dir)
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, err)
	}
	for _, e := range entries {
		if err := t.writeAsset(path.Join(dir, e.Name()), path.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) writeAsset(asset, name string) error {
	text, err := assets.ReadFile(asset)
	if err != nil {
		return fmt.Errorf("read %s: %w", asset, err)
	}
	return t.writeText(name, string(text))
}

func (t *tree) writeText(name, text string) error {
	if err := t.write(name, 0o644, fixedTime(), strings.NewReader(text)); err != nil {
		return fmt.Errorf("add %s: %w", name, err)
	}
	return nil
}
