package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost"
	"github.com/distbot/distbot/distgit"
	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgejo"
	"github.com/distbot/distbot/forge/github"
	"github.com/distbot/distbot/forge/plaingit"
	"github.com/distbot/distbot/internal/pglocal"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/migrations"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/repopublish"
	"github.com/distbot/distbot/report"
	"github.com/distbot/distbot/tags"
	"github.com/distbot/distbot/web"
	"github.com/distbot/distbot/webhooks"
)

// Server is a whole installation in one process: front door, planner,
// builders, publisher, reports and pages.
type Server struct {
	Config Config
	Logger *slog.Logger
	// Driver replaces the configured one where it is set.
	Driver builders.Driver
	// Listener replaces listening on Config.Listen where it is set.
	Listener net.Listener
	// Middleware wraps the front door, and Extra adds handlers by pattern.
	Middleware func(http.Handler) http.Handler
	Extra      map[string]http.Handler

	lock     *os.File
	postgres *pglocal.Server
	// keptUp ends the care for postgres.
	keptUp  func()
	pool    *pgxpool.Pool
	store   *store.Store
	client  *queue.Client
	process queue.Process
	hosts   map[string]distgit.Host
	http    *http.Server
	// publisher makes repositories.
	publisher *repopublish.Publisher
	// listener is for forges and people, builderListener for build hosts on
	// other machines; nil when there are none.
	listener, builderListener net.Listener

	// host builds in this process; nil for a hub that does not. stopHost ends
	// it, and hosted is closed when it has given back what it worked on.
	host     *buildhost.Host
	embedded *buildhost.Embedded
	stopHost context.CancelFunc
	hosted   chan struct{}
	// scheduled is closed when the scheduler has ended, swept when the sweepers
	// have.
	scheduled, swept chan struct{}

	// remote is the way of build hosts on other machines; nil when they have
	// none. databaseURL and clientID are the hub's.
	remote                *remoteHosts
	databaseURL, clientID string

	// signing has things signed; signerChild is nil where the signer is none of
	// ours.
	signing     *repopublish.Signing
	signerChild *signerProcess

	// stopLease ends the lease; leased is closed when it is dropped.
	stopLease context.CancelFunc
	leased    <-chan struct{}
	// lost is closed when a lease could not be kept, or by loseLease.
	lost      context.Context
	loseLease context.CancelFunc
	reaped    chan struct{}
}

// openPool starts the private PostgreSQL if no other is configured, brings the
// schema up to date and connects.
func (s *Server) openPool(ctx context.Context) error {
	url := s.Config.Database.URL
	if url == "" {
		server, err := pglocal.Start(ctx, pglocal.Config{Dir: filepath.Join(s.Config.StateDir, "postgres"), Durable: true, Log: s.Logger})
		if err != nil {
			return err
		}
		s.postgres, url = server, server.URL()
	}
	if err := migrations.Up(ctx, url); err != nil {
		return err
	}
	s.databaseURL = url
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("database url: %w", err)
	}
	// A connection plans every statement anew the first five times: more of
	// them than can be busy at once only cost time. Nobody takes a second one
	// while holding one.
	config.MaxConns = max(config.MaxConns, int32(8+2*runtime.NumCPU()))
	// Our statements are many and small; compiling one takes longer than
	// running it.
	config.ConnConfig.RuntimeParams["jit"] = "off"
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	if s.postgres != nil {
		s.keptUp = keepUp(s.postgres, s.pool, s.Logger)
	}
	return nil
}

// forges makes the configured forges.
func (s *Server) forges() (endpoints []webhooks.Endpoint, err error) {
	s.hosts = map[string]distgit.Host{}
	for _, c := range s.Config.Forges {
		f, err := newForge(s.Config, c)
		if err != nil {
			return nil, fmt.Errorf("forge %s: %w", c.Name, err)
		}
		endpoint := webhooks.Endpoint{Name: c.Name, Forge: f, Allow: c.Allow}
		for _, file := range c.WebhookSecretFiles {
			secret, err := forge.ReadSecretFile(s.Config.path(file))
			if err != nil {
				return nil, fmt.Errorf("forge %s: %w", c.Name, err)
			}
			endpoint.Secrets = append(endpoint.Secrets, secret)
		}
		endpoints = append(endpoints, endpoint)
		base := c.URL
		if f.Kind() == forge.KindGit && !isWebURL(base) {
			base = s.Config.path(base)
		}
		if f.Kind() == forge.KindGitHub && base == "" {
			base = "https://github.com"
		}
		s.hosts[c.Name] = distgit.Host{Forge: f, Base: base}
	}
	return endpoints, nil
}

func isWebURL(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
}

// newForge makes the driver of one configured forge.
func newForge(config Config, c ForgeConfig) (forge.Forge, error) {
	var token forge.TokenSource
	if c.TokenFile != "" {
		token = forge.TokenFile(config.path(c.TokenFile))
		if _, err := token(); err != nil {
			return nil, err
		}
	}
	switch forge.Kind(c.Kind) {
	case forge.KindForgejo:
		return forgejo.New(forgejo.Config{URL: c.URL, Token: token})
	case forge.KindGitHub:
		if c.AppID == 0 {
			return github.New(github.Config{URL: c.URL, Token: token})
		}
		key := func() (forge.Secret, error) { return forge.ReadSecretFile(config.path(c.KeyFile)) }
		return github.New(github.Config{URL: c.URL, App: &github.App{ID: c.AppID, Key: key}})
	}
	if isWebURL(c.URL) {
		return plaingit.New(plaingit.Config{URL: c.URL})
	}
	return plaingit.New(plaingit.Config{Root: config.path(c.URL)})
}

// Open prepares everything and listens, without working or answering yet.
func (s *Server) Open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	endpoints, err := s.forges()
	if err != nil {
		return err
	}
	for _, dir := range []string{s.Config.StateDir, s.reposDir(), s.workDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make state directory: %w", err)
		}
	}
	if s.lock, err = lockState(s.Config.StateDir); err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil {
		return err
	}
	if err := clearWork(s.workDir()); err != nil {
		return err
	}
	if s.process, err = queue.ThisProcess(); err != nil {
		return err
	}
	if err := s.openPool(ctx); err != nil {
		return err
	}
	if s.store, err = store.Open(filepath.Join(s.Config.StateDir, "store")); err != nil {
		return err
	}
	if err := s.openSigner(ctx); err != nil {
		return err
	}
	s.clientID = queue.NewClientID(s.process)
	if err := s.openBuilders(ctx); err != nil {
		return err
	}
	if err := s.newClient(); err != nil {
		return err
	}
	door, err := webhooks.New(s.pool, s.client, endpoints, s.Logger)
	if err != nil {
		return err
	}
	pages, err := web.New(web.Config{
		Pool: s.pool, Logs: tasklog.In(s.Config.StateDir), ReposDir: s.reposDir(), StoreDir: filepath.Join(s.Config.StateDir, "store"),
		Version: version, ExternalURL: s.Config.ExternalURL, Logger: s.Logger, Signing: s.repoSigning,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	var front http.Handler = door
	if s.Middleware != nil {
		front = s.Middleware(door)
	}
	mux.Handle("/webhooks/{forge}", front)
	mux.HandleFunc("GET /keys/{file}", s.publicKey)
	for pattern, handler := range s.Extra {
		mux.Handle(pattern, handler)
	}
	mux.Handle("/", pages)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn)}
	return nil
}

func (s *Server) reposDir() string { return filepath.Join(s.Config.StateDir, "repos") }
func (s *Server) workDir() string  { return filepath.Join(s.Config.StateDir, "work", "tasks") }

// newClient makes the River client with a worker for every kind.
func (s *Server) newClient() error {
	id, driver := s.clientID, s.Driver
	if driver == nil {
		var err error
		if driver, err = newDriver(s.Config, s.Logger); err != nil {
			return err
		}
	}
	// Workers need the client to insert with, and the client its workers.
	jobs := &lateClient{}
	workers, queues := river.NewWorkers(), map[string]int{
		queue.QueueControl: 8, queue.QueueTag: 2, queue.QueuePublish: 2, queue.QueueReport: 8,
	}
	planner := &distgit.Planner{
		Pool: s.pool, Jobs: jobs, Hosts: s.hosts, Mirrors: &distgit.Mirrors{Dir: filepath.Join(s.Config.StateDir, "mirrors")},
		ExternalURL: s.Config.ExternalURL, Logger: s.Logger,
	}
	checkout := &distgit.Checkout{Planner: planner}
	if s.Config.Lookaside.URL != "" {
		checkout.Lookaside = &distgit.Lookaside{
			Base: s.Config.Lookaside.URL, Cache: filepath.Join(s.Config.StateDir, "lookaside"), MaxBytes: int64(s.Config.Lookaside.MaxSize),
		}
	}
	stages := &builders.Stages{
		Pool: s.pool, Jobs: jobs, Sources: sources{checkout}, Store: s.store,
		Logs: tasklog.In(s.Config.StateDir), ReposDir: s.reposDir(), ExternalURL: s.Config.ExternalURL, Logger: s.Logger,
		Recipes: &builders.Recipes{}, Nearest: builders.NewNearest(), Imported: s.signing.RecordImported,
	}
	if driver.Name() != noDriver {
		s.embedded = &buildhost.Embedded{Stages: stages, ClientID: id}
		s.host = &buildhost.Host{
			Hub: s.embedded, Driver: driver, WorkDir: s.workDir(), Logger: s.Logger,
			Info: queue.HostInfo{
				Name: s.process.Host, Arches: s.Config.builderArches(), Emulated: s.Config.Builder.Emulate,
				Capacity: float32(s.Config.Builder.Capacity),
				Driver:   driver.Name(), Version: version,
			},
		}
	}
	s.publisher = &repopublish.Publisher{
		Pool: s.pool, Jobs: jobs, Store: s.store, ReposDir: s.reposDir(), CacheDir: filepath.Join(s.Config.StateDir, "cache", "repodata"),
		Signing: s.signing, ExternalURL: s.Config.ExternalURL, Keep: s.Config.Retention.Generations, KeepFor: time.Duration(s.Config.Retention.GenerationAge), Logger: s.Logger,
	}
	forges := map[string]forge.Forge{}
	for name, host := range s.hosts {
		forges[name] = host.Forge
	}
	for _, err := range []error{
		river.AddWorkerSafely(workers, &distgit.PlanWorker{Planner: planner}),
		river.AddWorkerSafely(workers, &distgit.ReconcileWorker{Planner: planner}),
		river.AddWorkerSafely(workers, &buildhost.TaskWorker{Host: s.host}),
		s.addBuilders(stages, workers),
		river.AddWorkerSafely(workers, &distgit.ChainWorker{Planner: planner}),
		river.AddWorkerSafely(workers, &builders.ImportWorker{Stages: stages}),
		river.AddWorkerSafely(workers, &builders.RebuildWorker{Rebuilder: &builders.Rebuilder{
			Pool: s.pool, Jobs: jobs, Store: s.store, ReposDir: s.reposDir(),
			HTTP: &http.Client{Timeout: 10 * time.Minute}, Logger: s.Logger,
		}}),
		river.AddWorkerSafely(workers, &tags.ApplyWorker{Editor: &tags.Editor{Pool: s.pool, Jobs: jobs}, ExternalURL: s.Config.ExternalURL, Logger: s.Logger}),
		river.AddWorkerSafely(workers, &tags.JoinedWorker{Editor: &tags.Editor{Pool: s.pool, Jobs: jobs}, Logger: s.Logger}),
		river.AddWorkerSafely(workers, &repopublish.Worker{Publisher: s.publisher}),
		river.AddWorkerSafely(workers, &report.Worker{Pool: s.pool, Forges: forges, Logger: s.Logger}),
	} {
		if err != nil {
			return err
		}
	}
	client, err := queue.NewClient(s.pool, queue.Config{
		ID: id, Queues: queues, Workers: workers, Hub: true, ReconcileEvery: time.Duration(s.Config.Reconcile.Every),
		// River speaks of every poll that a stop interrupts.
		Logger: slog.New(atLeast{s.Logger.Handler(), slog.LevelWarn}),
	})
	if err != nil {
		return err
	}
	s.client, jobs.Client = client, client
	return nil
}

// Start takes the lease, gives the work of dead processes away, and begins to
// work and answer.
func (s *Server) Start(ctx context.Context) error {
	lease := &queue.Lease{
		Pool: s.pool, ClientID: s.client.ID(), Process: s.process, Roles: []string{"hub", "builder"},
		Arches: s.Config.builderArches(), Logger: s.Logger,
	}
	leaseCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	held, done, err := lease.Hold(leaseCtx)
	if err != nil {
		stop()
		return err
	}
	s.stopLease, s.leased = stop, done
	held, s.loseLease = context.WithCancel(held)
	s.lost = held
	reaper := &queue.Reaper{Pool: s.pool, Inserter: s.client, Process: s.process, Logger: s.Logger}
	if _, err := reaper.Reap(ctx); err != nil {
		return err
	}
	if err := s.connectHost(ctx); err != nil {
		return err
	}
	if err := s.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start queue: %w", err)
	}
	s.reaped, s.scheduled, s.swept = make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(s.reaped)
		reaper.Run(held)
	}()
	go func() {
		defer close(s.scheduled)
		(&queue.Scheduler{Pool: s.pool, Inserter: s.client, Logger: s.Logger}).Run(held)
	}()
	go func() {
		defer close(s.swept)
		var sweepers sync.WaitGroup
		sweepers.Go(func() { (&builders.Sweeper{Pool: s.pool, Store: s.store, Logger: s.Logger}).Run(held) })
		sweepers.Go(func() { (&repopublish.Sweeper{Publisher: s.publisher}).Run(held) })
		sweepers.Wait()
	}()
	s.startHost(held)
	if err := s.startBuilders(ctx); err != nil {
		return err
	}
	go func() {
		// Its error is the listener's end.
		_ = s.http.Serve(s.listener)
	}()
	s.Logger.Info("distbot is ready", "url", s.Config.ExternalURL, "listen", s.listener.Addr().String(), "version", version)
	return nil
}

// Lost ends when the process could not keep its lease: it must stop working.
func (s *Server) Lost() <-chan struct{} { return s.lost.Done() }

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close stops in an order in which nothing is missed: no new deliveries, no
// new work, then the rest. Running jobs are given back. Safe on a server that
// was never started.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var errs []error
	if s.http != nil {
		// Pages that follow a log never end by themselves.
		soft, stop := context.WithTimeout(ctx, time.Second)
		if err := s.http.Shutdown(soft); err != nil {
			errs = append(errs, ignoreTimeout(err), s.http.Close())
		}
		stop()
	}
	if s.listener != nil {
		_ = s.listener.Close() // closed by the server unless that never began
	}
	if s.remote != nil {
		errs = append(errs, s.remote.close(ctx))
	}
	if s.builderListener != nil {
		_ = s.builderListener.Close() // or by the door
	}
	if s.stopHost != nil {
		s.stopHost()
		<-s.hosted
	}
	if s.stopLease != nil {
		errs = append(errs, s.client.Stop(ctx))
		s.stopLease()
		<-s.leased
		if s.reaped != nil {
			<-s.reaped
			<-s.scheduled
			<-s.swept
		}
	}
	if s.signerChild != nil {
		s.signerChild.close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.keptUp != nil {
		s.keptUp()
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

func ignoreTimeout(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
