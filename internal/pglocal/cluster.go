package pglocal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	// port is only a part of the socket's name.
	port = "5432"
	// maxSocketAddress is sizeof(sun_path) less the final NUL, unix(7).
	maxSocketAddress = 107
)

var plainPath = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)

// prepareCluster finds the programs and makes the cluster if there is none.
func (s *Server) prepareCluster(ctx context.Context) error {
	if err := s.discardUntrusted(); err != nil {
		return err
	}
	major, err := s.clusterMajor()
	if err != nil {
		return err
	}
	if s.bin, err = findBinaries(ctx, s.cfg.BinDir, major); err != nil {
		return err
	}
	if major == 0 {
		if err := s.initdb(ctx); err != nil {
			return err
		}
	} else if s.bin.major != major {
		return fmt.Errorf("pglocal: start %s: the cluster was made by PostgreSQL %d and %s holds %d",
			s.cfg.Dir, major, s.bin.dir, s.bin.major)
	}
	if err := s.demandPasswords(); err != nil {
		return err
	}
	s.socketDir, err = s.makeSocketDir()
	return err
}

// clusterMajor reads which version made the cluster; 0 when there is none.
func (s *Server) clusterMajor() (int, error) {
	b, err := s.root.ReadFile(versionFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("pglocal: read version of cluster: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("pglocal: read version of cluster: %w", err)
	}
	return major, nil
}

// initdb makes the cluster beside its place and moves it there when it is
// complete, so that a half-made one is never started. Whom it trusts is changed
// before it is started, see demandPasswords.
func (s *Server) initdb(ctx context.Context) error {
	half, err := fs.Glob(s.root.FS(), "initdb-*")
	if err != nil {
		return fmt.Errorf("pglocal: look for half-made clusters: %w", err)
	}
	for _, name := range half {
		if err := s.root.RemoveAll(name); err != nil {
			return fmt.Errorf("pglocal: remove half-made cluster: %w", err)
		}
	}
	name := "initdb-" + strconv.Itoa(os.Getpid())
	args := []string{
		"--pgdata=" + filepath.Join(s.cfg.Dir, name), "--username=" + superuser,
		"--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C", "--no-instructions",
	}
	if !s.cfg.Durable {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, s.bin.path("initdb"), args...)
	s.owner.drop(cmd, s.cfg.Dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pglocal: make cluster in %s: %w\n%s", s.cfg.Dir, err, tail(out))
	}
	if err := s.root.Rename(name, "data"); err != nil {
		return fmt.Errorf("pglocal: move cluster to its place: %w", err)
	}
	s.cfg.Log.Info("made postgres cluster", "dir", s.cfg.Dir, "version", s.bin.major)
	return nil
}

// discardUntrusted marks a cluster that is not durable with the machine's boot
// id, and removes it when it was made before the last boot: without fsync its
// files may be torn. A durable cluster bears no mark, and the two are never
// taken for each other.
func (s *Server) discardUntrusted() error {
	made, err := s.root.ReadFile("boot_id")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("pglocal: read boot id of cluster: %w", err)
	}
	if s.cfg.Durable {
		if made != nil {
			return fmt.Errorf("pglocal: use cluster in %s: it was made without durability", s.cfg.Dir)
		}
		return nil
	}
	if _, err := s.root.Lstat("data"); err == nil && made == nil {
		return fmt.Errorf("pglocal: use cluster in %s: it is durable and would lose that", s.cfg.Dir)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("pglocal: read boot id: %w", err)
	}
	if bytes.Equal(boot, made) {
		return nil
	}
	if made != nil {
		s.cfg.Log.Info("discarding cluster made before the last boot", "dir", s.cfg.Dir)
		if err := s.root.RemoveAll("data"); err != nil {
			return fmt.Errorf("pglocal: discard cluster: %w", err)
		}
	}
	if err := s.root.WriteFile("boot_id", boot, 0o600); err != nil {
		return fmt.Errorf("pglocal: record boot id: %w", err)
	}
	return nil
}

// makeSocketDir returns the directory for the socket: one in Dir, or one in
// /tmp whose name follows from Dir when the socket's address would be too long,
// or has characters that a list of directories, a list of hosts or a connection
// string gives a meaning to.
func (s *Server) makeSocketDir() (string, error) {
	dir := filepath.Join(s.cfg.Dir, "socket")
	if len(filepath.Join(dir, ".s.PGSQL."+port)) > maxSocketAddress || !plainPath.MatchString(dir) {
		sum := sha256.Sum256([]byte(s.cfg.Dir))
		dir = filepath.Join("/tmp", fmt.Sprintf("distbot-pg-%d-%s", s.owner.uid, hex.EncodeToString(sum[:8])))
	}
	if err := s.owner.makeDir(dir); err != nil {
		return "", err
	}
	return dir, nil
}

// prepareDatabase makes Config.Database if it does not exist.
func (s *Server) prepareDatabase(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, s.DatabaseURL("postgres"))
	if err != nil {
		return fmt.Errorf("pglocal: connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()

	var exists bool
	row := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", s.cfg.Database)
	if err := row.Scan(&exists); err != nil {
		return fmt.Errorf("pglocal: look for database: %w", err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{s.cfg.Database}.Sanitize()); err != nil {
		return fmt.Errorf("pglocal: create database: %w", err)
	}
	return nil
}
