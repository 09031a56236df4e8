package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/rpmpack"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/hostqueue"
	"github.com/distbot/distbot/queue/queuetest"
)

// bundle is a hub that answers hosts over HTTPS.
type bundle struct {
	*queuetest.Distribution
	stages *builders.Stages
	server *Server
	ca     *pki.CA
	dir    string
	// address is where it answers, and kill ends that.
	address string
	kill    func()

	mu sync.Mutex
	// peers are the hosts by the fingerprint of their certificates.
	peers map[pki.Fingerprint]Peer
	// hosts are told of what the hub's bell says.
	hosts map[int64]*buildhost.Host
	// sources is what a checkout leaves, by name.
	sources map[string]string
	// onSources is called before a checkout.
	onSources func(ctx context.Context) error
}

// setup makes a hub with a build tag of x86_64 whose repository is published.
// change, if not nil, changes the server before it answers.
func setup(tb testing.TB, change func(*Server)) *bundle {
	tb.Helper()
	pool, dir := dbtest.New(tb), tb.TempDir()
	files, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { files.Close() })
	b := &bundle{
		Distribution: queuetest.NewDistribution(tb, pool, queuetest.Inserter(tb, pool), "x86_64"),
		dir:          dir, peers: map[pki.Fingerprint]Peer{}, hosts: map[int64]*buildhost.Host{},
		sources: map[string]string{"hello.spec": "Name: hello\n"},
	}
	logger := slog.New(slog.DiscardHandler)
	b.stages = &builders.Stages{
		Pool: pool, Jobs: queuetest.Inserter(tb, pool), Sources: b, Store: files, Logs: tasklog.In(dir),
		ReposDir: filepath.Join(dir, "repos"), ExternalURL: queuetest.ExternalURL, Logger: logger,
	}
	queuetest.Exec(tb, pool, "insert into repo_generations (tag_id, number, rev, state, arches) values ($1, 1, 1, 'published', '{x86_64}')", b.BuildTag)
	for _, group := range []string{"build", "srpm-build"} {
		queuetest.Group(tb, pool, b.BuildTag, group, "bash")
	}
	writeFile(tb, filepath.Join(b.repoDir(), "repodata", "repomd.xml"), "<repomd/>")
	if b.ca, err = pki.OpenCA(filepath.Join(dir, "ca")); err != nil {
		tb.Fatal(err)
	}
	b.server = &Server{Stages: b.stages, Identify: b.identify, Bell: b, WorkDir: tb.TempDir(), Logger: logger}
	if change != nil {
		change(b.server)
	}
	b.kill = b.serve(tb, "127.0.0.1:0")
	return b
}

// repoDir is where the repository of the build tag lies.
func (b *bundle) repoDir() string {
	return filepath.Join(b.stages.ReposDir, "f37-build", "1", "x86_64")
}

func writeFile(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// serve begins to answer at an address and returns what ends that, like a
// process that is killed.
func (b *bundle) serve(tb testing.TB, address string) (kill func()) {
	tb.Helper()
	cert, err := b.ca.NewServerCertificate([]string{"127.0.0.1"})
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	b.address = listener.Addr().String()
	server := b.server.HTTP()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(tls.NewListener(listener, b.ca.ServerTLS(cert, "http/1.1"))) // closed
	}()
	kill = sync.OnceFunc(func() {
		_ = server.Close() // the listener's error
		<-ended
	})
	tb.Cleanup(kill)
	return kill
}

// identify implements Server.Identify.
func (b *bundle) identify(r *http.Request) (Peer, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	peer, ok := b.peers[pki.FingerprintOf(r.TLS.PeerCertificates[0])]
	return peer, ok
}

// Deliver implements Bell.
func (b *bundle) Deliver(ctx context.Context, deliveries ...hostqueue.Delivery) error {
	for _, d := range deliveries {
		if host := b.host(d.HostID); host != nil {
			go func() {
				// What it returns is said by the heartbeat again.
				_ = host.CarryOut(context.WithoutCancel(ctx), queue.Claim{TaskID: d.Task.ID, Attempt: d.Task.Attempt})
			}()
		}
	}
	return nil
}

// Cancel implements Bell.
func (b *bundle) Cancel(_ context.Context, hostID int64, _ hostqueue.Task) (bool, error) {
	host := b.host(hostID)
	if host != nil {
		host.LookNow()
	}
	return host != nil, nil
}

// Drop implements Bell.
func (*bundle) Drop(context.Context, int64) error { return nil }

func (b *bundle) host(id int64) *buildhost.Host {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hosts[id]
}

// Prepare implements builders.Sources.
func (b *bundle) Prepare(ctx context.Context, order builders.SourceOrder, dir string, log io.Writer) error {
	b.mu.Lock()
	sources, before := b.sources, b.onSources
	b.mu.Unlock()
	if before != nil {
		if err := before(ctx); err != nil {
			return err
		}
	}
	for name, text := range sources {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(log, "checked out", order.Commit)
	return err
}

// enroll makes a host known and returns its id, and a transport that shows its
// certificate.
func (b *bundle) enroll(tb testing.TB, name string) (int64, *http.Transport) {
	tb.Helper()
	id := queuetest.Value[int64](tb, b.Pool, "insert into hosts (name, remote) values ($1, true) returning id", name)
	pair := b.certificate(tb, Peer{HostID: id, Name: name})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b.ca.Certificate())
	transport := NewTransport(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}})
	tb.Cleanup(transport.CloseIdleConnections)
	return id, transport
}

// certificate makes a certificate of a host, from now on the only one that counts.
func (b *bundle) certificate(tb testing.TB, peer Peer) tls.Certificate {
	tb.Helper()
	issued, err := b.ca.IssueHost(peer.Name, time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.peers, func(_ pki.Fingerprint, p Peer) bool { return p == peer })
	b.peers[issued.Fingerprint] = peer
	pair, err := tls.X509KeyPair(issued.Certificate, issued.Key)
	if err != nil {
		tb.Fatal(err)
	}
	return pair
}

// builder is a host with its client.
type builder struct {
	*buildhost.Host
	client    *Client
	transport *http.Transport
	id        int64
	dir       string
	// stop stops it. Once ended is closed, cause says why it ended.
	stop  func()
	ended chan struct{}
	cause error
}

// newBuilder makes a host that is not connected.
func (b *bundle) newBuilder(tb testing.TB, name string, driver builders.Driver) *builder {
	tb.Helper()
	id, transport := b.enroll(tb, name)
	return b.newProcess(tb, id, transport, driver)
}

// sameHost makes another process of a host.
func (b *bundle) sameHost(tb testing.TB, h *builder, driver builders.Driver) *builder {
	tb.Helper()
	return b.newProcess(tb, h.id, h.transport, driver)
}

func (b *bundle) newProcess(tb testing.TB, id int64, transport *http.Transport, driver builders.Driver) *builder {
	tb.Helper()
	dir := tb.TempDir()
	logger := slog.New(slog.DiscardHandler)
	cache, err := OpenCache(filepath.Join(dir, "cache"), 1<<30)
	if err != nil {
		tb.Fatal(err)
	}
	proxy, err := OpenProxy(tb.Context(), filepath.Join(dir, "proxy"), cache, http.DefaultClient, logger)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { proxy.Close() })
	client := &Client{
		URL: "https://" + b.address, Repos: proxy,
		Lease: &http.Client{Transport: NewLeaseTransport(transport)}, HTTP: &http.Client{Transport: NewTransport(transport)}, Files: &http.Client{Transport: transport},
		LogDir: filepath.Join(dir, "logs"), Logger: logger, logEvery: 10 * time.Millisecond,
	}
	tb.Cleanup(func() {
		client.Lease.CloseIdleConnections()
		client.HTTP.CloseIdleConnections()
	})
	h := &buildhost.Host{
		Hub: client, Driver: driver, WorkDir: filepath.Join(dir, "work"), Logger: logger,
		Info: queue.HostInfo{Name: "somebody else", Arches: []string{"x86_64"}, Capacity: 100, Driver: driver.Name(), Version: "test"},
	}
	return &builder{Host: h, client: client, transport: transport, id: id, dir: dir}
}

// start connects the host and keeps its lease until the test ends.
func (b *bundle) start(tb testing.TB, h *builder) *builder {
	tb.Helper()
	if err := h.Connect(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	b.run(tb, h)
	return h
}

// run keeps the lease of a host that is connected until the test ends.
func (b *bundle) run(tb testing.TB, h *builder) {
	tb.Helper()
	b.mu.Lock()
	b.hosts[h.id] = h.Host
	b.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	h.ended = make(chan struct{})
	go func() {
		defer close(h.ended)
		h.cause = h.Run(ctx)
	}()
	h.stop = func() {
		cancel()
		<-h.ended
	}
	tb.Cleanup(h.stop)
}

// schedule gives tasks to hosts, rings, and works what follows, until the test
// ends.
func (b *bundle) schedule(tb testing.TB) {
	tb.Helper()
	client := queuetest.Start(tb, b.Pool, "hub", func(workers *river.Workers, jobs queue.Canceler) {
		b.stages.Jobs = jobs
		river.AddWorker(workers, &DeliverWorker{Bell: b})
		river.AddWorker(workers, &RecallWorker{Bell: b})
		river.AddWorker(workers, &builders.ImportWorker{Stages: b.stages})
		river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[queue.TagArgs]) error { return nil }))
	}, queue.QueueControl, queue.QueueTag)
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		(&queue.Scheduler{Pool: b.Pool, Inserter: client, Logger: slog.New(slog.DiscardHandler)}).Run(ctx)
	})
	tb.Cleanup(func() {
		cancel()
		ended.Wait()
	})
}

// state waits until a build has ended and returns its state and reason.
func (b *bundle) state(tb testing.TB, build int64) (state, reason string) {
	tb.Helper()
	queuetest.WaitRow(tb, b.Pool, "the build ends", "select state <> 'BUILDING' from builds where id = $1", build)
	return queuetest.Value[string](tb, b.Pool, "select state from builds where id = $1", build),
		queuetest.Value[string](tb, b.Pool, "select coalesce(reason, '') from builds where id = $1", build)
}

// stage stands for a driver's work.
type stage func(ctx context.Context, order builders.Order) (builders.Outcome, error)

// scripted is a driver whose stages are functions.
type scripted struct{ srpm, build stage }

// driver is a driver that leaves good packages of hello-1-1, binary ones where
// build is nil.
func (b *bundle) driver(tb testing.TB, build stage) scripted {
	tb.Helper()
	if build == nil {
		build = leave("hello-1-1.x86_64.rpm", binaryPackage(tb))
	}
	return scripted{leave("hello-1-1.src.rpm", sourcePackage(tb)), build}
}

func sourcePackage(tb testing.TB) []byte {
	tb.Helper()
	return rpmtest.Pack(tb, rpmpack.RPMMetaData{Name: "hello", Version: "1", Release: "1", Arch: "x86_64"}, func(r *rpmpack.RPM) {
		r.AddCustomTag(1106, rpmpack.EntryUint32([]uint32{1})) // RPMTAG_SOURCEPACKAGE
	})
}

func binaryPackage(tb testing.TB) []byte {
	tb.Helper()
	return rpmtest.Pack(tb, rpmpack.RPMMetaData{Name: "hello", Version: "1", Release: "1", Arch: "x86_64"}, func(r *rpmpack.RPM) {
		r.AddCustomTag(1044, rpmpack.EntryString("hello-1-1.src.rpm")) // RPMTAG_SOURCERPM
		r.AddFile(rpmpack.RPMFile{Name: "/usr/share/hello", Body: []byte("hello\n"), Mode: 0o644})
	})
}

// Name implements builders.Driver.
func (scripted) Name() string { return "scripted" }

// SRPM implements builders.Driver.
func (d scripted) SRPM(ctx context.Context, order builders.SRPMOrder) (builders.Outcome, error) {
	if _, err := os.Stat(filepath.Join(order.SourceDir, order.Spec)); err != nil {
		return builders.Outcome{}, err
	}
	order.Phase(builders.PhaseSRPM)
	return d.srpm(ctx, order.Order)
}

// Build implements builders.Driver.
func (d scripted) Build(ctx context.Context, order builders.BuildOrder) (builders.Outcome, error) {
	if _, err := os.Stat(order.SRPM); err != nil {
		return builders.Outcome{}, err
	}
	order.Phase(builders.PhaseBuild)
	return d.build(ctx, order.Order)
}

// leave is a stage that leaves a result and logs.
func leave(name string, content []byte) stage {
	return func(_ context.Context, order builders.Order) (builders.Outcome, error) {
		err := errors.Join(
			os.WriteFile(filepath.Join(order.LogDir, "root.log"), []byte("root of "+name+"\n"), 0o644),
			os.WriteFile(filepath.Join(order.LogDir, "build.log"), []byte("built "+name+"\n"), 0o644),
			os.WriteFile(filepath.Join(order.ResultDir, name), content, 0o644),
		)
		return builders.Outcome{RepoKey: "key", Installed: []builders.Installed{{NEVRA: "bash-5.2-1.x86_64", Digest: "abcd"}}}, err
	}
}

// gate is a stage that says that it began and goes on when it is opened, or when
// its context ends.
type gate struct {
	began chan builders.Order
	open  chan struct{}
}

func newGate() *gate {
	return &gate{began: make(chan builders.Order, 100), open: make(chan struct{})}
}

// then is the gate before another stage.
func (g *gate) then(next stage) stage {
	return func(ctx context.Context, order builders.Order) (builders.Outcome, error) {
		g.began <- order
		select {
		case <-g.open:
			return next(ctx, order)
		case <-ctx.Done():
			return builders.Outcome{}, context.Cause(ctx)
		}
	}
}

// receive waits for a value.
func receive[T any](tb testing.TB, what string, from <-chan T) T {
	tb.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(30 * time.Second):
		tb.Fatalf("%s: not within 30 s", what)
		panic("unreachable")
	}
}

func claimOf(order builders.Order) queue.Claim {
	return queue.Claim{TaskID: order.TaskID, Attempt: order.Attempt}
}

// logOf reads a log at the hub; empty when it is not there.
func (b *bundle) logOf(tb testing.TB, claim queue.Claim, name string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(b.stages.Logs.Dir(claim.TaskID, claim.Attempt), name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Fatal(err)
	}
	return string(text)
}

// attempts are the ends of a task's former attempts.
func attempts(tb testing.TB, pool *pgxpool.Pool, task int64) []string {
	tb.Helper()
	return queuetest.Values[string](tb, pool, "select attempt || ' ' || outcome from task_attempts where task_id = $1 order by attempt", task)
}
