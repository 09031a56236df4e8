package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost"
	"github.com/distbot/distbot/builders/remote"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/hostdoor"
	"github.com/distbot/distbot/queue/hostqueue"
)

// daemonCommand is the build host itself.
func daemonCommand() command {
	return command{
		name: "builder", args: "[--config FILE] [--check]", help: "build for a hub on another machine until a signal comes",
		flags: func(flags *flag.FlagSet) {
			flags.String("config", "builder.yaml", "the build host's configuration `file`")
			flags.Bool("debug", false, "log more")
			flags.Bool("check", false, "say whether this machine can build and reaches the hub, and end")
		},
		run: builder,
	}
}

// builder is a build host until ctx ends.
func builder(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	config, err := loadHostFile(flags.Lookup("config").Value.String())
	if err != nil {
		return err
	}
	d := &buildDaemon{config: config, logger: newLogger(t.stderr, flags), checks: isSet(flags, "check")}
	if err := d.open(ctx); err != nil {
		return errors.Join(err, d.close())
	}
	if d.checks {
		return errors.Join(d.check(ctx, t), d.close())
	}
	return errors.Join(d.run(ctx), d.close())
}

// buildDaemon is a build host on a machine of its own.
type buildDaemon struct {
	config HostFile
	logger *slog.Logger
	// driver replaces the configured one where it is set.
	driver builders.Driver

	// checks says that nothing is built and that what lies in work_dir stays.
	checks bool

	lock *os.File
	// dir is where it works: work_dir, or a directory in it that is the check's.
	dir string
	// instance tells this installation from another of the same credentials.
	instance string
	door     *hostdoor.Host
	repos    *remote.RepoProxy
	health   buildhost.Health
}

func (d *buildDaemon) path(name string) string { return filepath.Join(d.dir, name) }

// open prepares everything that needs no hub, so that mistakes are told at once,
// and clears away what a process left that was killed, if it is no check.
func (d *buildDaemon) open(ctx context.Context) (err error) {
	if d.door, err = hostdoor.NewHost(d.config.HostConfig); err != nil {
		return err
	}
	if err := d.takeDir(); err != nil {
		return err
	}
	if d.driver == nil {
		if d.driver, err = newDriver(Config{
			StateDir: d.dir, Builder: BuilderConfig{Driver: d.config.Driver, User: d.config.User, Emulate: d.config.Emulate, Limits: d.config.Limits},
		}, d.logger); err != nil {
			return err
		}
	}
	cache, err := remote.OpenCache(d.path("cache"), int64(d.config.Cache))
	if err != nil {
		return err
	}
	outside := &http.Client{Transport: http.DefaultTransport}
	if d.repos, err = remote.OpenProxy(ctx, d.path("proxy"), cache, outside, d.logger); err != nil {
		return err
	}
	d.health = buildhost.Health{Dirs: []string{d.config.WorkDir}, MinDisk: int64(d.config.MinDisk), MinMemory: int64(d.config.MinMemory), MaxLoad: d.config.MaxLoad}
	if why := d.health.Check().Unready; why != "" {
		d.logger.Warn("this machine takes no work at the moment", "reason", why)
	}
	return nil
}

// takeDir takes work_dir for this process.
func (d *buildDaemon) takeDir() (err error) {
	dir := d.config.WorkDir
	if err := claimWorkDir(dir); err != nil {
		return err
	}
	if d.lock, err = lockDir(dir, workLock, "another distbot builder works in %s: stop it, or set another work_dir"); err != nil {
		return err
	}
	if d.instance, err = readInstance(filepath.Join(dir, instanceFile), bootIDFile); err != nil {
		return err
	}
	if d.checks {
		d.dir, err = makeCheckDir(dir)
		return err
	}
	d.dir = dir
	return clearWorkDir(dir)
}

func (d *buildDaemon) close() error {
	var errs []error
	if d.repos != nil {
		errs = append(errs, d.repos.Close())
	}
	if d.checks && d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// session makes a host that is not connected, and its client.
func (d *buildDaemon) session() (*buildhost.Host, *remote.Client) {
	client := &remote.Client{
		URL: d.config.Hub, Repos: d.repos, LogDir: d.path("logs"), Logger: d.logger, Refused: hostdoor.Refused,
		Lease: &http.Client{Transport: remote.NewLeaseTransport(d.door.Transport())},
		HTTP:  &http.Client{Transport: remote.NewTransport(d.door.Transport())},
		Files: &http.Client{Transport: remote.NewTransport(d.door.Transport())},
	}
	return &buildhost.Host{
		Hub: client, Driver: d.driver, WorkDir: d.path("tasks"), Check: d.health.Check, Logger: d.logger,
		Info: queue.HostInfo{
			Name: d.config.Name, Remote: true, Arches: slices.Concat(d.config.Arches, d.config.Emulate), Emulated: d.config.Emulate,
			Channels: d.config.Channels, Capacity: d.config.Capacity, Driver: d.driver.Name(), Version: version,
			Instance: d.instance,
		},
	}, client
}

// check says what a start would meet.
func (d *buildDaemon) check(ctx context.Context, t terminal) error {
	status := d.health.Check()
	fmt.Fprintf(t.stdout, "driver %s, %d MiB of memory and %d MiB on the disk are free, load %.2f\n", d.driver.Name(), status.MemoryFree>>20, status.DiskFree>>20, status.LoadAverage)
	var unfit error
	if status.Unready != "" {
		unfit = errors.New(status.Unready)
	}
	pool, err := d.door.Postgres(ctx)
	if err != nil {
		return errors.Join(unfit, err)
	}
	defer pool.Close()
	switch err := pool.Ping(ctx); {
	case err == nil:
	case hostdoor.Refused(err):
		return errors.Join(unfit, fmt.Errorf("%w: %s", remote.ErrIdentity, enrollAgain))
	case hostdoor.WrongPassword(err):
		return errors.Join(unfit, d.wrongPassword())
	default:
		return errors.Join(unfit, fmt.Errorf("the hub can't be reached: %w", err))
	}
	host, client := d.session()
	probing, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	why, err := client.Probe(probing, host.Info)
	if err != nil {
		return errors.Join(unfit, explainConnect(err))
	}
	if why != "" {
		return errors.Join(unfit, fmt.Errorf("the hub is reached, and would give this host no work: %s", why))
	}
	fmt.Fprintln(t.stdout, "the hub is reached and accepts this host")
	return unfit
}

// enrollAgain says why credentials may not be accepted, and what to do.
const enrollAgain = "it was revoked, has ended or was never enrolled; distbot builder enroll at the hub makes another"

// wrongPassword says that the certificate is accepted and the password is not.
func (d *buildDaemon) wrongPassword() error {
	return fmt.Errorf("the hub's PostgreSQL does not take the password in %s: bring the file of the last enrolment here, "+
		"or make another by distbot builder enroll --force at the hub", d.config.DatabasePassword)
}

// How soon a host connects again.
const (
	reconnectFirst = time.Second
	reconnectMost  = 30 * time.Second
)

// explainConnect says what to do about an error of a connection to the hub.
func explainConnect(err error) error {
	switch {
	case errors.Is(err, queue.ErrHostTaken):
		return fmt.Errorf("%w: stop it, or enroll a host of its own for this machine; one that was lost is forgotten within 30 s", err)
	case errors.Is(err, remote.ErrIdentity):
		return fmt.Errorf("%w: %s", err, enrollAgain)
	}
	return err
}

// run is the host, session after session, until ctx ends or the hub does not
// know it any more.
func (d *buildDaemon) run(ctx context.Context) error {
	for wait := reconnectFirst; ; wait = min(2*wait, reconnectMost) {
		host, client := d.session()
		began := time.Now()
		err := explainConnect(d.serve(ctx, host, client))
		if errors.Is(err, remote.ErrIdentity) {
			return err
		}
		if ctx.Err() == nil {
			if time.Since(began) > reconnectMost {
				wait = reconnectFirst
			}
			d.logger.Warn("not connected to the hub; trying again", "hub", d.config.Hub, "error", err, "wait", wait.String())
		}
		select {
		case <-ctx.Done():
			d.logger.Info("the builder has stopped; what it worked on was given back")
			return nil
		case <-time.After(wait/2 + mathrand.N(wait/2)):
		}
	}
}

// connectTime bounds one try to connect.
const connectTime = 30 * time.Second

// serve is one session: it connects, and works until the lease is lost or ctx
// ends.
func (d *buildDaemon) serve(ctx context.Context, host *buildhost.Host, client *remote.Client) error {
	connecting, cancel := context.WithTimeout(ctx, connectTime)
	err := host.Connect(connecting)
	cancel()
	if err != nil {
		return err
	}
	d.logger.Info("connected to the hub", "hub", d.config.Hub, "host", client.Host(), "arches", host.Info.Arches, "capacity", host.Info.Capacity, "driver", host.Info.Driver)
	// Jobs end after what they stand for: their contexts say nothing.
	hearing, stop := context.WithCancel(context.WithoutCancel(ctx))
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		d.hear(hearing, host)
	}()
	err = host.Run(ctx)
	stop()
	<-heard
	return err
}

// hear carries out what the bell rings for until ctx ends. The bell saves time:
// what it does not tell, heartbeats do.
func (d *buildDaemon) hear(ctx context.Context, host *buildhost.Host) {
	for wait := reconnectFirst; ; wait = min(2*wait, reconnectMost) {
		if err := d.hearOnce(ctx, host); err == nil || ctx.Err() != nil {
			return
		} else {
			if hostdoor.WrongPassword(err) {
				err = d.wrongPassword()
			}
			d.logger.Warn("the bell can't be heard; work comes a little later", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// releaseTime is how long the bell may take to stop.
const releaseTime = 10 * time.Second

// hearOnce works the host's queue until ctx ends; an error is of the beginning.
func (d *buildDaemon) hearOnce(ctx context.Context, host *buildhost.Host) error {
	process, err := queue.ThisProcess()
	if err != nil {
		return err
	}
	pool, err := d.door.Postgres(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	worker, err := hostqueue.NewWorker(ctx, hostqueue.WorkerConfig{
		Pool: pool, ClientID: queue.NewClientID(process), Capacity: maxTasks,
		// River speaks of every try to reach a hub that is away; so does run.
		Logger: slog.New(slog.DiscardHandler),
		Work: func(ctx context.Context, task hostqueue.Task) error {
			return host.CarryOut(ctx, queue.Claim{TaskID: task.ID, Attempt: task.Attempt})
		},
	})
	if err != nil {
		return err
	}
	if err := worker.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	if err := worker.Stop(stopping); err != nil {
		d.logger.Debug("the bell did not stop in time", "error", err)
	}
	return nil
}
