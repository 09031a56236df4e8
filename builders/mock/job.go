package mock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/flock"
)

// job is one order while it is carried out. Its directory holds in, the input
// as mock may read it; result, where mock leaves packages and logs; mock.cfg
// and macros; and root, which names the root in mock's own words.
type job struct {
	driver *Driver
	order  builders.Order
	// name is mock's uniqueext.
	name string
	dir  string
	root rootConfig

	rootLog, buildLog *buildlog.File
}

// task is what one kind of order asks of mock.
type task interface {
	// prepare puts the input into j's directory and returns mock's arguments.
	prepare(j *job) ([]string, error)
	// wanted says whether a package of the results is asked for.
	wanted(file string) bool
	// step is how logs are read.
	step() diagnosis.Step
	// spec is the file of the input that is the spec, or holds it.
	spec() string
	// begin is the phase of what rpmbuild does before it says otherwise.
	begin() builders.Phase
	// atMost is the most time the task may take, 0 for the configured one.
	atMost() time.Duration
}

// work carries an order out and cleans up after it.
func (d *Driver) work(ctx context.Context, order builders.Order, t task) (builders.Outcome, error) {
	j := &job{driver: d, order: order, name: strconv.FormatInt(order.TaskID, 10) + "-" + strconv.FormatInt(int64(order.Attempt), 10)}
	j.dir = filepath.Join(d.jobsDir(), j.name)
	outcome, err := j.work(ctx, t)
	if err != nil {
		return builders.Outcome{}, explain(ctx, err)
	}
	return outcome, nil
}

// explain makes an error one of the driver's contract: a canceled context
// stays what it is, anything without a failure is the host's fault.
func explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	failure := &builders.Failure{Infrastructure: true, Phase: builders.PhaseBuildroot, Reason: err.Error()}
	var known *builders.Failure
	if errors.As(err, &known) {
		*failure = *known
	}
	failure.Reason = buildlog.OneLine(failure.Reason)
	if failure.Err == nil {
		failure.Err = err
	}
	return failure
}

func (j *job) work(ctx context.Context, t task) (outcome builders.Outcome, err error) {
	if err := j.openLogs(); err != nil {
		return outcome, err
	}
	defer j.closeLogs()
	if err := errors.Join(buildroot.Check(j.order), checkMarkup(j.order.Root)); err != nil {
		return outcome, err
	}
	j.order.Phase(builders.PhaseBuildroot)
	lock, err := flock.Take(ctx, j.dir+flock.Suffix, flock.Exclusive)
	if err != nil {
		return outcome, err
	}
	defer lock.Remove()
	key, _, err := buildroot.ContentKey(ctx, j.driver.config.HTTP, j.order.Root.Repos)
	if err != nil {
		return outcome, err
	}
	j.root = j.driver.newRootConfig(j.order.Root, key)
	cache, err := j.driver.useCache(ctx, j.root.root)
	if err != nil {
		return outcome, err
	}
	defer cache.Release()
	defer j.remove(ctx)
	args, err := j.prepare(t)
	if err != nil {
		return outcome, err
	}
	if source, ok := t.(*srpmTask); ok && source.order.History != "" {
		again, err := j.processSpec(ctx, source)
		if err != nil {
			return outcome, err
		}
		args = append(again, args...)
	}
	if err := j.mock(ctx, t, j.path("result"), args); err != nil {
		return outcome, err
	}
	if outcome.Installed, err = j.installed(ctx); err != nil {
		return outcome, err
	}
	// mock read the repositories later than what the key was made of.
	after, _, err := buildroot.ContentKey(ctx, j.driver.config.HTTP, j.order.Root.Repos)
	if err != nil {
		return outcome, err
	}
	if after != key {
		j.driver.dropCache(j.root.root)
		return outcome, &builders.Failure{Phase: builders.PhaseBuildroot, Infrastructure: true, Reason: "a repository changed while the buildroot was installed from it"}
	}
	outcome.RepoKey = key
	return outcome, j.collect(t)
}

func (j *job) path(name string) string { return filepath.Join(j.dir, name) }

// rootDir is where mock keeps this job's root.
func (j *job) rootDir() string {
	return filepath.Join(j.driver.rootsDir(), j.root.root+"-"+j.name)
}

func (j *job) openLogs() (err error) {
	size := j.driver.config.Log
	if j.rootLog, err = buildlog.Create(filepath.Join(j.order.LogDir, "root.log"), size); err != nil {
		return err
	}
	if j.buildLog, err = buildlog.Create(filepath.Join(j.order.LogDir, "build.log"), size); err != nil {
		j.rootLog.Close()
	}
	return err
}

func (j *job) closeLogs() {
	j.rootLog.Close()
	j.buildLog.Close()
}

// prepare makes the job's directory.
func (j *job) prepare(t task) ([]string, error) {
	account := j.driver.account
	// Of an attempt of this process that ended without its clean-up.
	if err := os.RemoveAll(j.dir); err != nil {
		return nil, fmt.Errorf("mock: clear %s: %w", j.dir, err)
	}
	for _, name := range []string{"", "in", "result"} {
		// Whatever the umask: mock gives up root's rights.
		if err := errors.Join(os.Mkdir(j.path(name), 0o755), os.Chmod(j.path(name), 0o755)); err != nil {
			return nil, fmt.Errorf("mock: make job: %w", err)
		}
	}
	if err := os.Chown(j.path("result"), account.uid, account.gid); err != nil {
		return nil, fmt.Errorf("mock: give results to %s: %w", account.name, err)
	}
	args, err := t.prepare(j)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		writeFixed(j.path("macros"), []byte(buildroot.Macros(j.order.Root.Macros))),
		writeFixed(j.path("root"), []byte(j.root.root)),
	)
	return args, err
}

// cleanTime bounds cleaning up after one job.
const cleanTime = 2 * time.Minute

// remove cleans the root, by mock where it can, and removes the job.
func (j *job) remove(ctx context.Context) {
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	log := j.driver.config.Logger
	if _, err := os.Lstat(j.rootDir()); err == nil {
		if err := j.clean(clean); err != nil {
			log.Warn("mock: mock --clean", "root", j.rootDir(), "error", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		log.Warn("mock: look at root", "error", err)
	}
	if cacheUnfinished(j.path("result")) || cacheUnfinished(j.path("init")) {
		j.driver.dropCache(j.root.root)
	}
	// mock leaves its own directory around the root. Nothing is mounted
	// there: mounts ended with mock's namespace.
	for _, dir := range []string{j.rootDir(), j.dir} {
		if err := os.RemoveAll(dir); err != nil {
			log.Warn("mock: directory left behind", "dir", dir, "error", err)
		}
	}
}

// clean runs mock --clean with the job's uniqueext.
func (j *job) clean(ctx context.Context) error {
	scratch, err := os.MkdirTemp(j.dir, "clean-")
	if err != nil {
		return err
	}
	if err := os.Chown(scratch, j.driver.account.uid, j.driver.account.gid); err != nil {
		return err
	}
	end, err := j.driver.launch(ctx, launch{args: append(j.common(scratch), "--clean"), output: j.path("clean.out")})
	if err != nil {
		return err
	}
	if end.Code != 0 {
		return fmt.Errorf("exit code %d: %s", end.Code, lastLine(readTail(j.path("clean.out"))))
	}
	return nil
}

// common are the arguments of every run of mock. Unknown ones mock takes as
// names of source packages.
func (j *job) common(resultDir string) []string {
	return []string{
		"--configdir", j.driver.configDir(), "-r", j.path("mock.cfg"), "--resultdir", resultDir, "--uniqueext", j.name,
		"--isolation", "simple", "--no-bootstrap-chroot",
	}
}

// srpmTask makes a source package.
type srpmTask struct{ order builders.SRPMOrder }

func (t *srpmTask) prepare(j *job) ([]string, error) {
	if t.order.Spec != filepath.Base(t.order.Spec) {
		return nil, &builders.Failure{Phase: builders.PhaseSRPM, Reason: fmt.Sprintf("%q is no file name of a spec", t.order.Spec)}
	}
	if err := copySources(j.path("in"), t.order.SourceDir, t.order.Epoch); err != nil {
		return nil, err
	}
	spec := filepath.Join(j.path("in"), t.order.Spec)
	// mock would follow a link, on this host.
	if info, err := os.Lstat(spec); err != nil || !info.Mode().IsRegular() {
		return nil, &builders.Failure{Phase: builders.PhaseSRPM, Reason: fmt.Sprintf("%s is not among the sources, or no regular file", t.order.Spec), Err: err}
	}
	return []string{"--buildsrpm", "--spec", spec, "--sources", j.path("in")}, nil
}

func (t *srpmTask) wanted(file string) bool {
	return strings.HasSuffix(file, ".src.rpm") || strings.HasSuffix(file, ".nosrc.rpm")
}
func (t *srpmTask) spec() string          { return t.order.Spec }
func (t *srpmTask) step() diagnosis.Step  { return diagnosis.StepSRPM }
func (t *srpmTask) begin() builders.Phase { return builders.PhaseSRPM }
func (t *srpmTask) atMost() time.Duration { return srpmTime }

// srpmIn is the file of the input that buildTask begins with.
const srpmIn = "in.src.rpm"

// buildTask makes the packages of a source package.
type buildTask struct{ order builders.BuildOrder }

func (t *buildTask) prepare(j *job) ([]string, error) {
	srpm := filepath.Join(j.path("in"), srpmIn)
	if err := copyFile(srpm, t.order.SRPM, j.order.Epoch); err != nil {
		return nil, err
	}
	return []string{"--target", t.order.Arch, "--rebuild", srpm}, nil
}

func (t *buildTask) wanted(file string) bool {
	return !strings.HasSuffix(file, ".src.rpm") && !strings.HasSuffix(file, ".nosrc.rpm")
}
func (t *buildTask) spec() string          { return srpmIn }
func (t *buildTask) step() diagnosis.Step  { return diagnosis.StepBuild }
func (t *buildTask) begin() builders.Phase { return builders.PhasePrep }
func (t *buildTask) atMost() time.Duration { return 0 }
