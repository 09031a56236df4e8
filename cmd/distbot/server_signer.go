package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/repopublish"
	"github.com/distbot/distbot/repopublish/signer"
	"github.com/distbot/distbot/web"
)

// signing is the installation's, with its signer where it has one.
func (c Config) signing(pool *pgxpool.Pool, artifacts *store.Store) *repopublish.Signing {
	s := &repopublish.Signing{Pool: pool, Store: artifacts}
	if c.Signing.Signer != noSigner {
		s.Signer = &signer.Client{Socket: c.Signing.Socket}
	}
	return s
}

// openSigner starts the signer where it is a child of this process, and learns
// its keys. A signer of its own that does not answer yet is asked when it is
// needed.
func (s *Server) openSigner(ctx context.Context) error {
	s.signing = s.Config.signing(s.pool, s.store)
	s.signing.Logger = s.Logger
	switch s.Config.Signing.Signer {
	case noSigner:
		return nil
	case childSigner:
		child, err := startSigner(ctx, s.Config, s.pool, s.Logger)
		if err != nil {
			return err
		}
		s.signerChild = child
	}
	err := s.signing.SyncKeys(ctx)
	if s.Config.Signing.Signer == externalSigner && errors.Is(err, signer.ErrUnreachable) {
		s.Logger.Warn("the signer does not answer; what needs it waits", "error", err)
		return nil
	}
	return err
}

// signerProcess keeps a signer running as a child.
type signerProcess struct {
	config Config
	logger *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}
}

const (
	// signerStart is how long a signer may take to answer: each key takes part of
	// a second to be decrypted.
	signerStart = time.Minute
	signerPoll  = 20 * time.Millisecond
	// signerGrace is how long it may take to end.
	signerGrace = 10 * time.Second
	// signerRestart is how soon one that died is started again, and no sooner.
	signerRestart = time.Second
)

// startSigner gives the signer a database role with a new password, starts it
// and returns when it answers.
func startSigner(ctx context.Context, config Config, pool *pgxpool.Pool, logger *slog.Logger) (*signerProcess, error) {
	if config.absolute == "" {
		return nil, errors.New("signing: a signer as a child needs a configuration file")
	}
	url, err := signer.SetRole(ctx, pool)
	if err != nil {
		return nil, err
	}
	if err := signer.WriteDatabaseURL(config.Signing.DatabaseURLFile, url); err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &signerProcess{config: config, logger: logger, cancel: cancel, done: make(chan struct{})}
	ended := make(chan error, 1)
	go p.keep(running, ended)
	if err := p.wait(ctx, ended); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// keep runs the child until ctx ends, again whenever it dies, and tells of its
// first end.
func (p *signerProcess) keep(ctx context.Context, ended chan<- error) {
	defer close(p.done)
	for {
		err := p.run(ctx)
		if ctx.Err() != nil {
			return
		}
		p.logger.Error("the signer has ended; it is started again", "error", err)
		select {
		case ended <- err:
		default:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(signerRestart):
		}
	}
}

// run is one life of the child. It ends with its standard input, which the
// kernel closes when this process dies, however that happens.
func (p *signerProcess) run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "signer", "--child", "--config", p.config.absolute)
	// Nothing of our environment is its business.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=" + os.Getenv("TZ")}
	said := &lastLine{}
	cmd.Stderr = io.MultiWriter(os.Stderr, said)
	input, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = input.Close
	cmd.WaitDelay = signerGrace
	// What interrupts us at a terminal must not end it before us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("signer: %w: %s", err, said.text)
	}
	return nil
}

// lastLine keeps the last line that was written.
type lastLine struct{ text string }

// Write implements io.Writer.
func (l *lastLine) Write(p []byte) (int, error) {
	lines := strings.Split(strings.TrimSpace(string(p)), "\n")
	l.text = lines[len(lines)-1]
	return len(p), nil
}

// wait returns when the signer answers, or has ended without.
func (p *signerProcess) wait(ctx context.Context, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, signerStart)
	defer cancel()
	client := &signer.Client{Socket: p.config.Signing.Socket}
	for {
		_, err := client.Keys(ctx)
		if err == nil || !errors.Is(err, signer.ErrUnreachable) {
			return err
		}
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return fmt.Errorf("the signer does not answer: %w", err)
		case <-time.After(signerPoll):
		}
	}
}

// close ends the child.
func (p *signerProcess) close() {
	p.cancel()
	<-p.done
}

// publicKey answers GET /keys/NAME.asc with a public key.
func (s *Server) publicKey(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(r.PathValue("file"), ".asc")
	if !ok || signer.CheckKeyName(name) != nil {
		http.NotFound(w, r)
		return
	}
	// What the signer has is known already; strangers do not make it work.
	known := &repopublish.Signing{Pool: s.pool}
	text, err := known.PublicKeyFile(r.Context(), []string{name})
	switch {
	case errors.Is(err, repopublish.ErrNoKey):
		http.NotFound(w, r)
		return
	case err != nil:
		s.Logger.Error("public key can't be read", "key", name, "error", err)
		http.Error(w, "the key can't be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pgp-keys")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = io.WriteString(w, text) // the client hanging up is its own affair
}

// repoSigning tells clients what of a generation of a tag's repository is signed,
// and where the public keys are: by what was recorded when it was made, whatever
// the tag's settings are by now. Generation 0 is the newest one; where none was
// published yet, what the settings say of the one that will be.
func (s *Server) repoSigning(ctx context.Context, name string, generation int64) (web.RepoSigning, error) {
	reader, q := tagview.Reader{Conn: s.pool}, db.New(s.pool)
	tag, err := reader.Tag(ctx, name)
	if errors.Is(err, tagview.ErrNoTag) {
		return web.RepoSigning{}, nil
	}
	if err != nil {
		return web.RepoSigning{}, err
	}
	var keys []string
	id, err := q.PublishedGeneration(ctx, db.PublishedGenerationParams{TagID: tag.ID, Number: generation})
	switch {
	case err == nil:
		keys, err = q.KeysOfGeneration(ctx, id)
	case errors.Is(err, pgx.ErrNoRows) && generation == 0:
		keys, err = repopublish.SigningKeysOf(ctx, reader, tag.ID)
	case errors.Is(err, pgx.ErrNoRows):
		err = nil
	}
	if err != nil || len(keys) == 0 {
		return web.RepoSigning{}, err
	}
	signing := web.RepoSigning{Packages: true, Metadata: true}
	for _, key := range keys {
		signing.Keys = append(signing.Keys, s.Config.ExternalURL+"/keys/"+key+".asc")
	}
	return signing, nil
}
