package pglocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// accessFile is what PostgreSQL calls the host-based authentication file,
// https://www.postgresql.org/docs/current/auth-pg-hba-conf.html.
const accessFile = "data/pg_hba.conf"

// demandPasswords brings the cluster's pg_hba.conf up to date: where everybody is
// trusted, as initdb and earlier versions of distbot had it, only the superuser is
// from now on, and every other role needs its password. All other lines stay. A
// server that runs does not know of it before it is told, see reloadAccess.
func (s *Server) demandPasswords() error {
	old, err := s.root.ReadFile(accessFile)
	if err != nil {
		return fmt.Errorf("pglocal: read pg_hba.conf: %w", err)
	}
	updated := withPasswords(old)
	if bytes.Equal(old, updated) {
		return nil
	}
	if err := s.replaceFile(accessFile, updated); err != nil {
		return fmt.Errorf("pglocal: write pg_hba.conf: %w", err)
	}
	s.cfg.Log.Info("roles other than its own need their passwords from now on", "dir", s.cfg.Dir)
	return nil
}

// withPasswords replaces each line by which every role on the socket is trusted
// by one for the superuser and one for all others.
func withPasswords(conf []byte) []byte {
	var lines []string
	for line := range strings.Lines(string(conf)) {
		entry, _, _ := strings.Cut(line, "#")
		fields := strings.Fields(entry)
		if len(fields) == 4 && fields[0] == "local" && slices.Equal(fields[2:], []string{"all", "trust"}) {
			lines = append(lines,
				"local "+fields[1]+" "+superuser+" trust\n",
				"local "+fields[1]+" all scram-sha-256\n")
			continue
		}
		lines = append(lines, line)
	}
	return []byte(strings.Join(lines, ""))
}

// replaceFile replaces a file of Dir by another content, whole or not at all.
func (s *Server) replaceFile(name string, content []byte) (err error) {
	half := name + ".new"
	f, err := s.root.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, s.owner.takeFile(f), f.Sync())
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.root.Rename(half, name)
}

// reloadAccess makes a server that ran already read pg_hba.conf when it is newer
// than what it has read, and waits until new connections are judged by it.
func (s *Server) reloadAccess(ctx context.Context) error {
	if err := s.reload(ctx); err != nil {
		return fmt.Errorf("pglocal: reload pg_hba.conf: %w", err)
	}
	return nil
}

func (s *Server) reload(ctx context.Context) error {
	const loadTime = "select pg_conf_load_time()"
	var before, now time.Time
	if err := s.ask(ctx, loadTime, &before); err != nil {
		return err
	}
	written, err := s.root.Stat(accessFile)
	if err != nil || written.ModTime().Before(before) {
		return err
	}
	var signaled bool
	if err := s.ask(ctx, "select pg_reload_conf()", &signaled); err != nil {
		return err
	}
	for {
		if err := s.ask(ctx, loadTime, &now); err != nil || now.After(before) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(readyPoll):
		}
	}
}

// ask asks for one value by a connection of its own: what it is told is what
// connections begin with.
func (s *Server) ask(ctx context.Context, sql string, value any) (err error) {
	conn, err := pgx.Connect(ctx, s.DatabaseURL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	return conn.QueryRow(ctx, sql).Scan(value)
}
