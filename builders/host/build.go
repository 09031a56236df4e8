package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/flock"
)

// build is one order while it is carried out.
type build struct {
	driver *Driver
	order  builders.Order
	// dir holds rpmbuild's directories, and home and tmp.
	dir      string
	rootLog  *buildlog.File
	file     *buildlog.File // of buildLog
	buildLog *diagnosis.Log
}

// errTooLong is the cause of a build that is ended for its time.
var errTooLong = errors.New("host: out of time")

// work makes the build's directory, lets do the work, and removes it.
func (d *Driver) work(ctx context.Context, order builders.Order, do func(context.Context, *build) error) error {
	b := &build{driver: d, order: order}
	b.dir = filepath.Join(d.config.Dir, strconv.FormatInt(order.TaskID, 10)+"-"+strconv.FormatInt(int64(order.Attempt), 10))
	err := b.openLogs()
	if err == nil {
		defer b.file.Close()
		defer b.rootLog.Close()
		err = b.inDir(ctx, do)
	}
	return explain(ctx, err)
}

// explain makes an error one of the driver's contract.
func explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	failure := &builders.Failure{Infrastructure: true, Reason: err.Error()}
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

func (b *build) openLogs() (err error) {
	if b.rootLog, err = buildlog.Create(filepath.Join(b.order.LogDir, "root.log"), b.driver.config.Log); err != nil {
		return err
	}
	if b.file, err = buildlog.Create(filepath.Join(b.order.LogDir, "build.log"), b.driver.config.Log); err != nil {
		b.rootLog.Close()
		return err
	}
	b.buildLog = diagnosis.NewLog("build.log", b.file, b.order.Phase)
	return nil
}

func (b *build) inDir(ctx context.Context, do func(context.Context, *build) error) error {
	fmt.Fprintln(b.rootLog, "# driver host, for development only")
	for _, lack := range b.driver.Lacks() {
		fmt.Fprintf(b.rootLog, "# no %s\n", lack)
	}
	if err := buildroot.Check(b.order); err != nil {
		return err
	}
	b.order.Phase(builders.PhaseBuildroot)
	lock, err := flock.Take(ctx, b.dir+flock.Suffix, flock.Exclusive)
	if err != nil {
		return err
	}
	defer lock.Remove()
	defer b.driver.remove(b.dir)
	if err := b.makeDirs(); err != nil {
		return err
	}
	if wall := b.driver.config.Wall; wall > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wall, errTooLong)
		defer cancel()
	}
	return do(ctx, b)
}

func (b *build) path(names ...string) string {
	return filepath.Join(append([]string{b.dir}, names...)...)
}

// own gives a file to the account that rpmbuild runs as.
func (b *build) own(path string) error {
	if b.driver.uid < 0 {
		return nil
	}
	return os.Lchown(path, b.driver.uid, b.driver.gid)
}

// specMacros are what specs expect and Debian's rpm has not: bash, and a
// directory of documentation without the version.
const specMacros = "%_buildshell /bin/bash\n%_docdir_fmt %%{NAME}\n"

func (b *build) makeDirs() error {
	b.driver.remove(b.dir)
	for _, name := range []string{"", "home", "tmp", "BUILD", "BUILDROOT", "RPMS", "SOURCES", "SPECS", "SRPMS"} {
		if err := errors.Join(os.Mkdir(b.path(name), 0o755), b.own(b.path(name))); err != nil {
			return fmt.Errorf("host: make directories: %w", err)
		}
	}
	return b.writeMacros()
}

// writeMacros writes the tag's macros, whatever lies in their place.
func (b *build) writeMacros() error {
	macros := specMacros + buildroot.MacrosIn(b.dir, b.order.Root.Macros, buildroot.Macro{Name: "_tmppath", Body: b.path("tmp")})
	path := b.path("home", ".rpmmacros")
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("host: write macros: %w", err)
	}
	if err := os.WriteFile(path, []byte(macros), 0o644); err != nil {
		return fmt.Errorf("host: write macros: %w", err)
	}
	return nil
}

func (b *build) makeSRPM(ctx context.Context, order builders.SRPMOrder) error {
	if order.Spec != filepath.Base(order.Spec) {
		return &builders.Failure{Phase: builders.PhaseSRPM, Reason: fmt.Sprintf("%q is no file name of a spec", order.Spec)}
	}
	if err := os.CopyFS(b.path("SOURCES"), os.DirFS(order.SourceDir)); err != nil {
		return fmt.Errorf("host: copy sources: %w", err)
	}
	err := filepath.WalkDir(b.path("SOURCES"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return errors.Join(b.own(path), os.Chtimes(path, b.order.Epoch, b.order.Epoch))
	})
	if err != nil {
		return fmt.Errorf("host: copy sources: %w", err)
	}
	b.order.Phase(builders.PhaseSRPM)
	if err := b.processSpec(ctx, order); err != nil {
		return err
	}
	b.buildLog.Begin(diagnosis.StepSRPM)
	spec := b.path("SOURCES", order.Spec)
	end, err := b.run(ctx, b.buildLog, "rpmbuild", "-bs", "--nodeps", spec)
	if err := b.annotate(spec, builders.Judge(b.buildLog, end, err)); err != nil {
		return err
	}
	return b.collect("SRPMS")
}

func (b *build) makePackages(ctx context.Context, order builders.BuildOrder) error {
	srpm := b.path("in.src.rpm")
	if err := copyFile(srpm, order.SRPM); err != nil {
		return fmt.Errorf("host: copy source package: %w", err)
	}
	var notes bytes.Buffer
	end, err := b.run(ctx, &buildlog.Tail{Buffer: &notes}, "rpm", "-i", "--nodeps", srpm)
	if err != nil || end.Code != 0 {
		b.buildLog.Begin(diagnosis.StepUnpack)
		fmt.Fprint(b.buildLog, notes.String())
		return builders.NotUnpacked(builders.Judge(b.buildLog, end, err))
	}
	specs, err := filepath.Glob(b.path("SPECS", "*.spec"))
	if err != nil || len(specs) != 1 {
		return &builders.Failure{Phase: builders.PhasePrep, Reason: fmt.Sprintf("the source package holds %d specs, expected one", len(specs)), Err: err}
	}
	args := []string{"rpmbuild", "-bb", "--target", order.Arch}
	if !b.driver.checked {
		args = append(args, "--nodeps")
	}
	b.buildLog.Begin(diagnosis.StepBuild)
	end, err = b.run(ctx, b.buildLog, append(args, specs[0])...)
	if err := b.annotate(specs[0], builders.Judge(b.buildLog, end, err)); err != nil {
		return err
	}
	return b.collect("RPMS")
}

// maxSpec bounds what is read of a spec.
const maxSpec = 1 << 20

// annotate finds the line of the spec that a failure is about. A spec that
// can't be read, as rpmbuild said then, has none.
func (b *build) annotate(spec string, err error) error {
	var failure *builders.Failure
	if !errors.As(err, &failure) || failure.Finding == nil {
		return err
	}
	root, openErr := os.OpenRoot(filepath.Dir(spec))
	if openErr != nil {
		return err
	}
	defer root.Close()
	// A build can have put another file in its place.
	file, openErr := root.OpenFile(filepath.Base(spec), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if openErr != nil {
		return err
	}
	defer file.Close()
	if text, readErr := io.ReadAll(io.LimitReader(file, maxSpec)); readErr == nil {
		failure.InSpec(string(text))
	}
	return err
}

// pipeTime bounds waiting for output when all processes that could print are
// gone.
const pipeTime = 5 * time.Second

// run runs a command, and returns when neither it nor what it started is there
// any more.
func (b *build) run(ctx context.Context, out io.Writer, args ...string) (end diagnosis.Exit, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	read, write, err := os.Pipe()
	if err != nil {
		return end, fmt.Errorf("host: make pipe: %w", err)
	}
	defer read.Close()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, write, write
	cmd.Env = []string{
		"HOME=" + b.path("home"), "TMPDIR=" + b.path("tmp"), "PATH=/usr/bin:/usr/sbin:/bin:/sbin", "LANG=C.UTF-8", "TERM=dumb", "SHELL=/bin/bash",
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(b.order.Epoch.Unix(), 10), mark + "=" + b.dir,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if b.driver.uid >= 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(b.driver.uid), Gid: uint32(b.driver.gid)}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		write.Close()
		return end, fmt.Errorf("host: start %s: %w", args[0], err)
	}
	write.Close()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		if _, err := io.Copy(out, read); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			cancel(err) // a log is full
		}
	}()
	werr := cmd.Wait()
	if err := endProcesses(b.dir); err != nil {
		b.driver.config.Logger.Warn("host: processes left behind", "error", err)
	}
	if err := read.SetReadDeadline(time.Now().Add(pipeTime)); err != nil {
		return end, fmt.Errorf("host: read output: %w", err)
	}
	<-copied
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errTooLong) {
			return end, &diagnosis.Limit{Kind: diagnosis.KindTimeOut, Err: cause, Reason: fmt.Sprintf("the build ran longer than %s and was ended", b.driver.config.Wall)}
		}
		return end, cause
	}
	var exit *exec.ExitError
	if errors.As(werr, &exit) {
		status, _ := exit.Sys().(syscall.WaitStatus)
		end.Code = exit.ExitCode()
		if status.Signaled() {
			end.Code, end.Signal = 128+int(status.Signal()), int(status.Signal())
		}
		werr = nil
	}
	if werr != nil {
		return end, fmt.Errorf("host: run %s: %w", args[0], werr)
	}
	return end, nil
}

// collect copies the packages to the order's result directory.
func (b *build) collect(sub string) error {
	from, err := os.OpenRoot(b.path(sub))
	if err != nil {
		return fmt.Errorf("host: open results: %w", err)
	}
	defer from.Close()
	entries, err := fs.ReadDir(from.FS(), ".")
	if err != nil {
		return fmt.Errorf("host: read results: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.Type().IsRegular() || !strings.HasSuffix(name, ".rpm") {
			return &builders.Failure{Phase: builders.PhaseFiles, Reason: fmt.Sprintf("the build left %.100q, which is no package", name)}
		}
		file, err := from.Open(name)
		if err != nil {
			return fmt.Errorf("host: open result: %w", err)
		}
		err = writeFile(filepath.Join(b.order.ResultDir, name), file)
		file.Close()
		if err != nil {
			return fmt.Errorf("host: take result: %w", err)
		}
	}
	return nil
}

func copyFile(to, from string) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	return writeFile(to, file)
}

func writeFile(to string, from io.Reader) error {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Close())
}
