package mock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/internal/sandbox"
)

// listTime bounds asking rpm what a root holds.
const listTime = 2 * time.Minute

// maxList bounds the list, in bytes.
const maxList = 16 << 20

// installed lists what the root holds after mock ended; builds can't change
// that. The host's rpm reads the database that the host's rpm wrote, in a
// sandbox, as scriptlets of packages could have changed it. Of a build it must
// be what mock listed before rpmbuild began.
func (j *job) installed(ctx context.Context) ([]builders.Installed, error) {
	root, mounts := sandbox.HostView()
	mounts = append(mounts,
		sandbox.Mount{Source: filepath.Join(j.rootDir(), "root"), Target: "/buildroot", ReadOnly: true},
		sandbox.Mount{Type: sandbox.TypeDir, Target: "/home"},
	)
	if j.driver.macros.dir != "" {
		mounts = append(mounts, sandbox.Mount{Type: sandbox.TypeFile, Target: "/home/.rpmmacros", Data: []byte("%_dbpath /var/lib/rpm\n")})
	}
	var list, notes bytes.Buffer
	result, err := j.driver.config.Runner.Run(ctx, sandbox.Spec{
		Root: root, Mounts: mounts, Env: []string{"HOME=/home", "PATH=/usr/bin:/bin", "LC_ALL=C"},
		Args:   []string{"/usr/bin/rpm", "--root", "/buildroot", "-qa", "--qf", buildlog.InstalledFormat},
		Limits: sandbox.Limits{Memory: 1 << 30, PIDs: 16, Wall: listTime},
		Stdout: &buildlog.Bounded{Buffer: &list, Left: maxList}, Stderr: &buildlog.Tail{Buffer: &notes},
	})
	if err != nil {
		return nil, fmt.Errorf("mock: list the buildroot's packages: %w", err)
	}
	if result.ExitCode != 0 {
		return nil, fmt.Errorf("mock: list the buildroot's packages: rpm printed %.200q", notes.String())
	}
	installed := buildlog.ReadInstalled(list.String())
	if len(installed) == 0 {
		return nil, errors.New("mock: the buildroot's database holds no packages: the host's rpm keeps it elsewhere than dnf does")
	}
	return installed, j.compare(installed)
}

// compare compares with what mock listed.
func (j *job) compare(installed []builders.Installed) error {
	text, err := readListed(j.path("result"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // source packages need no list
	}
	if err != nil {
		return fmt.Errorf("mock: read installed_pkgs.log: %w", err)
	}
	var listed, held []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(fields[0], "gpg-pubkey-") {
			listed = append(listed, fields[0])
		}
	}
	for _, one := range installed {
		held = append(held, one.NEVRA)
	}
	slices.Sort(listed)
	if !slices.Equal(listed, held) {
		return fmt.Errorf("mock: the buildroot holds %d packages after the build, mock listed %d before it", len(held), len(listed))
	}
	return nil
}

// readListed reads mock's own list of packages among its results.
func readListed(dir string) ([]byte, error) {
	results, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer results.Close()
	file, err := results.OpenFile("installed_pkgs.log", os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe would wait for ever
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxList+1))
	if err == nil && len(text) > maxList {
		err = fmt.Errorf("it is larger than %s", buildlog.SizeText(maxList))
	}
	return text, err
}
