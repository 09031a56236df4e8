package signer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
)

// database is a hub's, and the URL of its signer.
type database struct {
	hub  *pgxpool.Pool
	dist *queuetest.Distribution
	url  string
	n    int
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	d := &database{hub: dbtest.New(t)}
	d.dist = queuetest.NewDistribution(t, d.hub, queuetest.Inserter(t, d.hub), "x86_64")
	var err error
	if d.url, err = SetRole(t.Context(), d.hub); err != nil {
		t.Fatal(err)
	}
	return d
}

// build is a build with one package, and returns the package's digest.
func (d *database) build(t *testing.T, state string, scratch bool, raw []byte) (digest string) {
	t.Helper()
	d.n++
	id := d.dist.Start(t, d.dist.NewBuild(d.n))
	queuetest.Exec(t, d.hub, "update builds set state = $2, scratch = $3 where id = $1", id, state, scratch)
	digest = digestOf(raw)
	err := db.New(d.hub).InsertRPMs(t.Context(), db.InsertRPMsParams{
		BuildID: id, BuildrootIds: []int64{0}, Names: []string{"hello"}, Epochs: []int32{0}, Versions: []string{"1"}, Releases: []string{"1"},
		Arches: []string{"noarch"}, Sources: []bool{false}, Sha256s: []string{digest}, Sizes: []int64{int64(len(raw))}, BuildTimes: []int64{1}, Paths: []string{"-"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func (d *database) open(t *testing.T) *Database {
	t.Helper()
	record, err := OpenDatabase(t.Context(), d.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(record.Close)
	return record
}

func TestRecord(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	complete, building := d.build(t, "COMPLETE", false, []byte("complete")), d.build(t, "BUILDING", false, []byte("building"))
	scratch, deleted := d.build(t, "COMPLETE", true, []byte("scratch")), d.build(t, "DELETED", false, []byte("deleted"))
	record := d.open(t)
	size, at, err := record.RPM(t.Context(), complete)
	if err != nil || size != int64(len("complete")) || !at.Equal(queuetest.Value[time.Time](t, d.hub, "select recorded_at from rpms where sha256 = $1", complete)) {
		t.Errorf("a package of a complete build: %d bytes, %s, %v", size, at, err)
	}
	for name, digest := range map[string]string{"of a build that is not complete": building, "of a scratch build": scratch, "of a deleted build": deleted, "nobody knows": digestOf(nil)} {
		if _, _, err := record.RPM(t.Context(), digest); !errors.Is(err, ErrNotRecorded) {
			t.Errorf("a package %s: got %v, want %v", name, err, ErrNotRecorded)
		}
	}

	tag := queuetest.Tag(t, d.hub, "f37-signed", "x86_64")
	q := db.New(d.hub)
	generation, err := q.InsertGeneration(t.Context(), db.InsertGenerationParams{TagID: tag, Rev: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.RecordRepomd(t.Context(), db.RecordRepomdParams{GenerationID: generation.ID, Arch: "x86_64", Sha256: complete}); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Repomd(t.Context(), complete); err != nil {
		t.Errorf("the repomd.xml of a generation that is being made: %v", err)
	}
	if _, err := q.PublishGeneration(t.Context(), db.PublishGenerationParams{ID: generation.ID, Arches: []string{"x86_64"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Repomd(t.Context(), complete); !errors.Is(err, ErrNotRecorded) {
		t.Errorf("the repomd.xml of a published generation: got %v, want %v", err, ErrNotRecorded)
	}
	if _, _, err := record.RPM(t.Context(), digestOf([]byte("repomd"))); !errors.Is(err, ErrNotRecorded) {
		t.Errorf("got %v, want %v", err, ErrNotRecorded)
	}
}

// TestDigestsStay changes what is recorded, as the hub's own role.
func TestDigestsStay(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.build(t, "COMPLETE", false, []byte("package"))
	other := d.dist.Start(t, d.dist.NewBuild(9))
	for _, change := range []string{
		"sha256 = repeat('0', 64)", "size = size + 1", "recorded_at = now() - interval '1 day'",
		"name = 'other'", "epoch = 7", "version = '7'", "release = '7'", "arch = 'x86_64'", "source = true", fmt.Sprint("build_id = ", other),
	} {
		if _, err := d.hub.Exec(t.Context(), "update rpms set "+change); err == nil || !strings.Contains(err.Error(), "never changes") {
			t.Errorf("%s: got %v, want that it never changes", change, err)
		}
	}
	for _, statement := range []string{"delete from rpms", "delete from rpms where sha256 = ''", "truncate rpms cascade"} {
		if _, err := d.hub.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "packages that are recorded stay") {
			t.Errorf("%s: got %v, want that packages stay", statement, err)
		}
	}
	if _, err := d.hub.Exec(t.Context(), "update rpms set path = 'packages/a', sha256 = sha256"); err != nil {
		t.Errorf("what is not the digest: %v", err)
	}
}

// TestRights logs in as the signer and tries what it must not be able to do.
func TestRights(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.build(t, "COMPLETE", false, []byte("package"))
	signer, err := pgx.Connect(t.Context(), d.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = signer.Close(context.Background()) }()
	// A role can lift its own default.
	if _, err := signer.Exec(t.Context(), "set default_transaction_read_only = off"); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"select * from rpms", "select * from builds", "select * from river_job", "select * from users",
		"insert into rpms (build_id) values (1)", "update builds set state = 'COMPLETE'", "delete from rpms",
		"insert into repomd_records (generation_id, arch, sha256) values (1, 'x86_64', '0')",
		"create role friend", "set role " + d.hub.Config().ConnConfig.User,
	} {
		_, err := signer.Exec(t.Context(), statement)
		var denied *pgconn.PgError
		if !errors.As(err, &denied) || denied.Code != "42501" { // insufficient_privilege
			t.Errorf("%s: got %v, want that it is denied", statement, err)
		}
	}
	if _, err := signer.Exec(t.Context(), "select * from signable_rpms, signable_repomds"); err != nil {
		t.Error(err)
	}
}

// TestUnfitRole gives the signer roles that prove nothing.
func TestUnfitRole(t *testing.T) {
	t.Parallel()
	for name, grant := range map[string]string{
		"insert packages":           "grant insert on rpms to %s",
		"insert a column":           "grant insert (sha256) on rpms to %s",
		"change builds":             "grant update (state) on builds to %s",
		"record documents":          "grant insert on repomd_records to %s",
		"put a trigger on it":       "grant trigger on rpms to %s",
		"not read what it must":     "revoke select on signable_rpms from %s",
		"do all that the owner can": "grant current_user to %s",
	} {
		t.Run("a role that may "+name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			role := RoleName(d.hub.Config().ConnConfig.Database)
			grant := strings.ReplaceAll(grant, "current_user", d.hub.Config().ConnConfig.User)
			queuetest.Exec(t, d.hub, strings.ReplaceAll(grant, "%s", role))
			var unfit *RightsError
			if _, err := OpenDatabase(t.Context(), d.url); !errors.As(err, &unfit) || unfit.Role != role {
				t.Errorf("got %v, want a *RightsError of %s", err, role)
			}
		})
	}
	t.Run("the hub's own role", func(t *testing.T) {
		t.Parallel()
		var unfit *RightsError
		if _, err := OpenDatabase(t.Context(), dbtest.NewURL(t)); !errors.As(err, &unfit) {
			t.Errorf("got %v, want a *RightsError", err)
		}
	})
	t.Run("a URL that can't be read is not told", func(t *testing.T) {
		t.Parallel()
		_, err := OpenDatabase(context.Background(), "postgres://signer:secret@host:port/x")
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	})
}
