package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
)

// Config says what is shown.
type Config struct {
	Pool *pgxpool.Pool
	// Logs is where the logs of tasks lie.
	Logs tasklog.Dirs
	// ReposDir holds TAG/GENERATION/ARCH and the link TAG/latest.
	ReposDir string
	// StoreDir holds packages/ and scratch/, which are served, and blobs/ and
	// tmp/, which never are.
	StoreDir string
	// Version is shown at the foot of pages and in the metrics.
	Version string
	// ExternalURL is where clients reach the installation: an absolute http or
	// https URL. It is what .repo files and the API point to.
	ExternalURL string
	Logger      *slog.Logger
	// Signing tells what of a generation of a tag's repository is signed, of the
	// newest one where generation is 0; nil where nothing is.
	Signing func(ctx context.Context, tag string, generation int64) (RepoSigning, error)

	// Now is the clock that ages are told by; time.Now by default.
	Now func() time.Time
	// Followers is how many live pages and logs are served at a time, 200 by
	// default. Those beyond are answered 503.
	Followers int
	// Poll is how often a live page looks for news, 500 ms by default.
	Poll time.Duration
	// Heartbeat is how often an idle live connection says that it is alive,
	// so that proxies keep it and dead ones are noticed; 15 s by default.
	Heartbeat time.Duration
}

// server answers requests. Safe for concurrent use.
type server struct {
	Config
	queries   *db.Queries
	tags      tagview.Reader
	pages     map[string]*template.Template
	static    map[string]staticFile
	followers chan struct{}
	// wholeLists holds a token for each list that is being read whole.
	wholeLists chan struct{}
	modules    *moduleLists
}

// New makes the handler of everything below "/". It opens nothing but the
// templates: directories that are not there yet are answered 404 until they
// are. The pool stays the caller's.
func New(config Config) (http.Handler, error) {
	external, err := url.Parse(config.ExternalURL)
	if err != nil || external.Host == "" || external.Scheme != "http" && external.Scheme != "https" {
		return nil, fmt.Errorf("web: external URL %q is no http or https URL", config.ExternalURL)
	}
	if config.Pool == nil || config.Logger == nil {
		return nil, errors.New("web: a pool and a logger are needed")
	}
	config.ExternalURL = strings.TrimRight(config.ExternalURL, "/")
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Followers == 0 {
		config.Followers = 200
	}
	if config.Poll == 0 {
		config.Poll = 500 * time.Millisecond
	}
	if config.Heartbeat == 0 {
		config.Heartbeat = 15 * time.Second
	}
	s := &server{
		Config: config, queries: db.New(config.Pool), tags: tagview.Reader{Conn: config.Pool},
		followers: make(chan struct{}, config.Followers), wholeLists: make(chan struct{}, wholeLists),
		modules: newModuleLists(),
	}
	if s.static, err = readStatic(); err != nil {
		return nil, fmt.Errorf("web: read static files: %w", err)
	}
	if s.pages, err = s.readPages(); err != nil {
		return nil, fmt.Errorf("web: read templates: %w", err)
	}
	return s.guard(s.routes()), nil
}

// routes is every path there is.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()

	mux.Handle("GET /{$}", s.page(s.buildList))
	mux.HandleFunc("GET /builds", toBuilds)
	mux.Handle("GET /builds/{id}", s.page(s.build))
	mux.Handle("GET /builds/{id}/buildroot/{task}", s.page(s.buildroot))
	mux.Handle("GET /builds/{id}/buildroots/diff/{other}", s.page(s.buildrootDiff))
	mux.Handle("GET /chains", s.page(s.chainList))
	mux.Handle("GET /chains/{id}", s.page(s.chain))
	mux.Handle("GET /tasks/{id}/logs/{name}", s.page(s.log))
	mux.Handle("GET /packages", s.page(s.packageList))
	mux.Handle("GET /packages/{$}", http.RedirectHandler("/packages", http.StatusFound))
	mux.Handle("GET /packages/{name}", s.page(s.packageBuilds))
	mux.Handle("GET /tags", s.page(s.tagsPage))
	mux.Handle("GET /tags/{tag}", s.page(s.tag))
	mux.Handle("GET /tags/{tag}/inheritance", s.page(s.tagInheritance))
	mux.Handle("GET /tags/{tag}/packages", s.page(s.tagPackages))
	mux.Handle("GET /tags/{tag}/builds", s.page(s.tagBuilds))
	mux.Handle("GET /tags/{tag}/groups", s.page(s.tagGroups))
	mux.Handle("GET /tags/{tag}/history", s.page(s.tagHistory))
	mux.Handle("GET /tags/{tag}/explain", s.page(s.tagExplain))
	mux.Handle("GET /targets", s.page(s.targets))
	mux.Handle("GET /repos", s.page(s.repoList))
	mux.Handle("GET /repos/{$}", http.RedirectHandler("/repos", http.StatusFound))
	mux.Handle("GET /repos/{tag}", s.raw(s.repo))
	mux.Handle("GET /repos/{tag}/{generation}", s.raw(s.generation))
	mux.Handle("GET /deliveries", s.page(s.deliveryList))
	mux.Handle("GET /deliveries/{id}", s.page(s.delivery))
	mux.Handle("GET /queue", s.page(s.queuePage))
	mux.Handle("GET /hosts", s.page(s.hosts))

	mux.Handle("GET /builds/{id}/events", s.raw(s.followBuild))
	mux.Handle("GET /tasks/{id}/logs/{name}/follow", s.raw(s.followLog))

	mux.Handle("GET /logs/tasks/{id}/{attempt}/{name}", s.raw(s.rawLog))
	mux.Handle("GET /packages/{name}/{path...}", s.raw(s.packageFile))
	mux.Handle("GET /scratch/{build}/{path...}", s.raw(s.scratchFile))
	mux.Handle("GET /repos/{tag}/{path...}", s.raw(s.repoFile))
	mux.Handle("GET /static/{name}", s.raw(s.staticFile))

	mux.Handle("GET /api/v1/builds", s.json(s.apiBuilds))
	mux.Handle("GET /api/v1/builds/{id}", s.json(s.apiBuild))
	mux.Handle("GET /api/v1/queue", s.json(s.apiQueue))
	mux.Handle("GET /api/v1/tags", s.json(s.apiTags))
	mux.Handle("GET /api/v1/tags/{tag}", s.json(s.apiTag))
	mux.Handle("GET /api/v1/tags/{tag}/inheritance", s.json(s.apiTagInheritance))
	mux.Handle("GET /api/v1/tags/{tag}/packages", s.json(s.apiTagPackages))
	mux.Handle("GET /api/v1/tags/{tag}/builds", s.json(s.apiTagBuilds))
	mux.Handle("GET /api/v1/tags/{tag}/groups", s.json(s.apiTagGroups))
	mux.Handle("GET /api/v1/tags/{tag}/history", s.json(s.apiTagHistory))
	mux.Handle("GET /api/v1/tags/{tag}/explain", s.json(s.apiTagExplain))
	mux.Handle("GET /api/v1/targets", s.json(s.apiTargets))
	mux.Handle("GET /api/v1/repos", s.json(s.apiRepos))
	mux.Handle("GET /api/v1/repos/{tag}/generations", s.json(s.apiGenerations))
	mux.Handle("GET /api/v1/repos/{tag}/generations/{generation}", s.json(s.apiOneGeneration))
	mux.Handle("GET /api/v1/repos/{tag}/diff", s.json(s.apiDifference))
	mux.Handle("GET /api/v1/deliveries", s.json(s.apiDeliveries))
	mux.Handle("GET /api/", s.json(func(*http.Request) (any, error) { return nil, errNotFound }))

	mux.Handle("GET /healthz", s.raw(s.healthz))
	mux.Handle("GET /readyz", s.raw(s.readyz))
	mux.Handle("GET /metrics", s.raw(s.metrics))

	mux.Handle("GET /", s.page(func(*http.Request) (*view, error) { return nil, errNotFound }))
	return mux
}
