package hostqueue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs of refusals.
const (
	insufficientPrivilege = "42501"
	invalidPassword       = "28P01"
	tooManyConnections    = "53300"
)

// sqlstate is how PostgreSQL answered: a SQLSTATE, or "" for yes.
func sqlstate(t *testing.T, err error) string {
	t.Helper()
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	if err != nil {
		t.Fatalf("the answer is no refusal: %v", err)
	}
	return ""
}

// TestTheRoleOfAHostMayDoNothingBut looks at the whole installation with the eyes
// of a host: what is there is taken from PostgreSQL's catalogues, so that a new
// table that a host may read fails the test.
func TestTheRoleOfAHostMayDoNothingBut(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.role(t, 1)
	s.role(t, 2)
	mine, foreign := Task{ID: 10, Attempt: 1}, Task{ID: 20, Attempt: 1}
	if err := s.hub.Deliver(t.Context(), Delivery{1, mine}, Delivery{2, foreign}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.hub.pool.Exec(t.Context(), "insert into river_queue (name) values ('host_1'), ('host_2')"); err != nil {
		t.Fatal(err)
	}
	host, err := pgx.Connect(t.Context(), s.as(t, 1, s.hub.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close(context.Background()) })
	// try runs statements as the host and undoes them.
	try := func(t *testing.T, statement string) string {
		t.Helper()
		tx, err := host.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.Background()) }()
		_, err = tx.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol)
		return sqlstate(t, err)
	}

	t.Run("connect to one database of the installation", func(t *testing.T) {
		got := map[string]string{}
		for _, database := range []string{s.hub.Hub, s.hub.Database} {
			conn, err := pgx.Connect(t.Context(), s.as(t, 1, database))
			got[database] = sqlstate(t, err)
			if err == nil {
				_ = conn.Close(t.Context())
			}
		}
		want := map[string]string{s.hub.Hub: insufficientPrivilege, s.hub.Database: ""}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("databases (-want +got):\n%s", diff)
		}
	})

	t.Run("use River's worker's columns of two tables", func(t *testing.T) {
		got := s.rights(t, s.hub.Role(1))
		want := []string{
			"river_job.attempt: UPDATE", "river_job.attempted_at: UPDATE", "river_job.attempted_by: UPDATE", "river_job.errors: UPDATE",
			"river_job.finalized_at: UPDATE", "river_job.metadata: UPDATE", "river_job.scheduled_at: UPDATE", "river_job.state: UPDATE",
			"river_job: SELECT",
			"river_job_state_in_bitmask(bit,river_job_state): EXECUTE",
			"river_queue.updated_at: UPDATE",
			"river_queue: INSERT", "river_queue: SELECT",
			"schema public: USAGE",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rights of the role, outside of PostgreSQL's own catalogues (-want +got):\n%s", diff)
		}
	})

	t.Run("have its way with its own jobs and not see others", func(t *testing.T) {
		rows, err := host.Query(t.Context(), "select queue from river_job union all select name from river_queue")
		if err != nil {
			t.Fatal(err)
		}
		seen, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"host_1", "host_1"}, seen); diff != "" {
			t.Errorf("queues whose rows are seen (-want +got):\n%s", diff)
		}
		for statement, rows := range map[string]int64{
			"update river_job set state = 'completed', finalized_at = now()": 1,
			"update river_job set metadata = '{}' where queue = 'host_2'":    0,
			"update river_queue set updated_at = now()":                      1,
		} {
			tx, err := host.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tag, err := tx.Exec(t.Context(), statement)
			if err != nil || tag.RowsAffected() != rows {
				t.Errorf("%s: %d rows, %v, want %d", statement, tag.RowsAffected(), err, rows)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})

	hubPID := ""
	if err := s.hub.pool.QueryRow(t.Context(), "select pg_backend_pid()::text").Scan(&hubPID); err != nil {
		t.Fatal(err)
	}
	group, other := pgx.Identifier{s.hub.Group}.Sanitize(), pgx.Identifier{s.hub.Role(2)}.Sanitize()
	me := pgx.Identifier{s.hub.Role(1)}.Sanitize()
	const job = "insert into river_job (kind, queue, max_attempts, args, state) values ('builders.task', 'host_1', 1, '{}', 'available')"
	for what, statement := range map[string]string{
		"give itself a job":                      job,
		"give another host a job":                strings.Replace(job, "host_1", "host_2", 1),
		"give a job to another host":             "update river_job set queue = 'host_2'",
		"change what a job says":                 "update river_job set args = '{}'",
		"change a job's kind":                    "update river_job set kind = 'other'",
		"remove a job":                           "delete from river_job",
		"remove all jobs":                        "truncate river_job",
		"make the queue of another host":         "insert into river_queue (name) values ('host_3')",
		"pause the queue of another host":        "update river_queue set paused_at = now() where name = 'host_2'",
		"take another host's queue":              "insert into river_queue (name) values ('host_2') on conflict (name) do update set updated_at = now()",
		"lead River's clients":                   "insert into river_leader (leader_id, elected_at, expires_at) values ('me', now(), now())",
		"read who leads":                         "select * from river_leader",
		"see through the row's security":         "set row_security = off; select * from river_job",
		"become the hub":                         "set role distbot",
		"become another host":                    "set role " + other,
		"become another host for the session":    "set session authorization " + other,
		"read a file of the server":              "select pg_read_file('postgresql.conf')",
		"list the server's files":                "select pg_ls_dir('.')",
		"import a file of the server":            "select lo_import('/etc/passwd')",
		"run a program on the server":            "copy (select 1) to program 'true'",
		"run a program for what it prints":       "create temp table a (b text); copy a from program 'id'",
		"write a file on the server":             "copy (select 1) to '/tmp/a-host-wrote-this'",
		"read a file by copying":                 "copy river_queue from '/etc/passwd'",
		"load a library":                         "load '/tmp/library.so'",
		"install dblink":                         "create extension dblink",
		"reach for other servers":                "create foreign data wrapper mine",
		"make a table":                           "create table mine (a int)",
		"make a temporary table":                 "create temporary table mine (a int)",
		"make a schema":                          "create schema mine",
		"make a function":                        "create function mine() returns int language sql as 'select 1'",
		"make a type":                            "create type mine as (a int)",
		"make a large object":                    "select lo_create(0)",
		"fill a large object":                    "select lo_from_bytea(0, 'text')",
		"make a role":                            "create role mine",
		"make itself a superuser":                "alter role " + me + " superuser",
		"raise its own limit of connections":     "alter role " + me + " connection limit 100",
		"join the hub":                           "grant distbot to " + me,
		"join another host":                      "grant " + other + " to " + me,
		"let another into its group":             "grant " + group + " to distbot",
		"change a policy":                        "alter policy own_jobs_seen on river_job using (true)",
		"switch the row's security off":          "alter table river_job disable row level security",
		"drop a table":                           "drop table river_job",
		"end the hub's sessions":                 "select pg_terminate_backend(" + hubPID + ")",
		"cancel the hub's queries":               "select pg_cancel_backend(" + hubPID + ")",
		"make the server read its configuration": "select pg_reload_conf()",
		"read others' passwords":                 "select rolpassword from pg_authid",
		"fill the table of locks":                "select pg_advisory_lock(1)",
		"sleep":                                  "select pg_sleep(0)",
		"notify by a function":                   "select pg_notify('a', 'b')",
		"write to the log of changes":            "select pg_logical_emit_message(false, 'a', 'b')",
		"lift its limit of temporary files":      "set temp_file_limit = -1",
		"follow the log of changes":              "select pg_create_logical_replication_slot('a', 'pgoutput')",
	} {
		t.Run("not "+what, func(t *testing.T) {
			if got := try(t, statement); got != insufficientPrivilege {
				t.Errorf("%s: SQLSTATE %q, want %q", statement, got, insufficientPrivilege)
			}
		})
	}

	for _, statement := range []string{"create database mine", "alter system set log_statement = 'all'"} {
		t.Run("not do what can't be undone: "+statement, func(t *testing.T) {
			_, err := host.Exec(t.Context(), statement)
			if got := sqlstate(t, err); got != insufficientPrivilege {
				t.Errorf("SQLSTATE %q, want %q", got, insufficientPrivilege)
			}
		})
	}

	t.Run("see nothing as the group", func(t *testing.T) {
		tx, err := host.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.Background()) }()
		if _, err := tx.Exec(t.Context(), "set local role "+group); err != nil {
			t.Fatal(err)
		}
		var seen int
		if err := tx.QueryRow(t.Context(), "select (select count(*) from river_job) + (select count(*) from river_queue)").Scan(&seen); err != nil {
			t.Fatal(err)
		}
		if seen != 0 {
			t.Errorf("%d rows are seen, want none", seen)
		}
	})

	t.Run("grow a row only so far", func(t *testing.T) {
		const checkViolation = "23514"
		for _, statement := range []string{
			"update river_job set metadata = jsonb_build_object('a', repeat('b', 70000))",
			"update river_job set errors = array[jsonb_build_object('a', repeat('b', 300000))]",
			"update river_job set attempted_by = array[repeat('b', 70000)]",
		} {
			if got := try(t, statement); got != checkViolation {
				t.Errorf("%s: SQLSTATE %q, want %q", statement, got, checkViolation)
			}
		}
	})

	t.Run("fill the server's disk only so far by sorting", func(t *testing.T) {
		const limitExceeded = "53400" // configuration_limit_exceeded
		const sort = "select count(*) from (select repeat(n::text, 20) from generate_series(1, 400000) n order by 1) s"
		if got := try(t, "set local work_mem = '64kB'; "+sort); got != limitExceeded {
			t.Errorf("SQLSTATE %q, want %q", got, limitExceeded)
		}
		// The hub makes indexes of what may be many jobs.
		var limit string
		if err := s.hub.pool.QueryRow(t.Context(), "show temp_file_limit").Scan(&limit); err != nil || limit != "-1" {
			t.Errorf("the hub's own limit is %q, %v, want none", limit, err)
		}
	})

	t.Run("ask for no longer than a minute, unless it lifts its own limits", func(t *testing.T) {
		want := map[string]string{
			"statement_timeout": "1min", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "30s",
			"client_connection_check_interval": "10s", "max_parallel_workers_per_gather": "0", "temp_file_limit": "16MB",
		}
		got := map[string]string{}
		for name := range want {
			var value string
			if err := host.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&value); err != nil {
				t.Fatal(err)
			}
			got[name] = value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("settings of a host's session (-want +got):\n%s", diff)
		}
	})

	t.Run("have a few connections", func(t *testing.T) {
		var err error
		for n := 1; n <= MaxConnections && err == nil; n++ {
			var conn *pgx.Conn
			if conn, err = pgx.Connect(t.Context(), s.as(t, 1, s.hub.Database)); err == nil {
				t.Cleanup(func() { _ = conn.Close(context.Background()) })
			}
		}
		if got := sqlstate(t, err); got != tooManyConnections {
			t.Errorf("connection %d: SQLSTATE %q, want %q", MaxConnections+1, got, tooManyConnections)
		}
	})
}

// rights lists what a role may do with every object of the hosts' database that
// is not PostgreSQL's own, by its own word for each kind of right.
func (s *system) rights(t *testing.T, role string) []string {
	t.Helper()
	rows, err := s.hub.pool.Query(t.Context(), `
		with relations as (
		    select c.oid, c.relname, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
		    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'v', 'm', 'f', 'p', 'S')
		)
		select word from (
		select format('schema %s: %s', nspname, p) as word from pg_namespace, unnest(array['USAGE', 'CREATE']) p
		where nspname !~ '^pg_' and nspname <> 'information_schema' and has_schema_privilege($1, oid, p)
		union all
		select format('%s: %s', relname, p) from relations, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
		where relkind <> 'S' and has_table_privilege($1, oid, p)
		union all
		select format('%s.%s: %s', relname, attname, p) from relations join pg_attribute on attrelid = oid, unnest(array['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p
		where relkind <> 'S' and attnum > 0 and not attisdropped and has_column_privilege($1, oid, attnum, p) and not has_table_privilege($1, oid, p)
		union all
		select format('%s: %s', relname, p) from relations, unnest(array['USAGE', 'SELECT', 'UPDATE']) p
		where relkind = 'S' and has_sequence_privilege($1, oid, p)
		union all
		select format('%s: EXECUTE', p.oid::regprocedure) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and has_function_privilege($1, p.oid, 'EXECUTE')
		) as words order by word collate "C"`, role)
	if err != nil {
		t.Fatal(err)
	}
	rights, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return rights
}

func TestNotificationsDoNotLeaveTheHostsDatabase(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.role(t, 1)
	connect := func(url string) *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	do := func(conn *pgx.Conn, statement string) {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	hub, host := connect(s.url), connect(s.as(t, 1, s.hub.Database))
	for _, conn := range []*pgx.Conn{hub, host} {
		do(conn, "listen something")
	}
	// All that is sent arrives in the order it was sent in.
	do(host, "notify something, 'of the host'")
	do(connect(s.url), "notify something, 'of the hub'")
	do(host, "notify something, 'the host again'")
	next := func(conn *pgx.Conn) string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return n.Payload
	}
	if got := next(hub); got != "of the hub" {
		t.Errorf("in its own database the hub hears %q, want what itself sent", got)
	}
	if got := []string{next(host), next(host)}; !cmp.Equal(got, []string{"of the host", "the host again"}) {
		t.Errorf("in the hosts' database the host hears %q, want what itself sent", got)
	}
}

func TestRole(t *testing.T) {
	t.Parallel()

	t.Run("A locked role has no session and gets none", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		s.role(t, 1)
		ctx := t.Context()
		conn, err := pgx.Connect(ctx, s.as(t, 1, s.hub.Database))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error { return s.hub.LockRole(ctx, tx, 1) }); err != nil {
			t.Fatal(err)
		}
		ending, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := s.hub.EndSessions(ending, s.conn, 1); err != nil {
			t.Fatal(err)
		}
		if err := conn.Ping(ctx); err == nil {
			t.Error("the session goes on")
		}
		_, err = pgx.Connect(ctx, s.as(t, 1, s.hub.Database))
		if got := sqlstate(t, err); got != invalidPassword {
			t.Errorf("a new session: SQLSTATE %q, want %q", got, invalidPassword)
		}
	})

	t.Run("A role that was dropped can be made again, and dropping twice is fine", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		s.role(t, 1)
		for range 2 {
			if err := pgx.BeginFunc(t.Context(), s.conn, func(tx pgx.Tx) error { return s.hub.DropRole(t.Context(), tx, 1) }); err != nil {
				t.Fatal(err)
			}
		}
		s.role(t, 1)
		if err := s.pool(t, 1).Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})

	t.Run("A role comes with its transaction or not at all", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		crash := errors.New("the machine caught fire")
		err := pgx.BeginFunc(t.Context(), s.conn, func(tx pgx.Tx) error {
			return errors.Join(s.hub.SetRole(t.Context(), tx, 1, "secret"), crash)
		})
		if !errors.Is(err, crash) || !strings.HasSuffix(err.Error(), crash.Error()) {
			t.Fatal(err)
		}
		_, err = pgx.Connect(t.Context(), s.as(t, 1, s.hub.Database))
		if got := sqlstate(t, err); got != invalidPassword {
			t.Errorf("SQLSTATE %q, want %q: no such role", got, invalidPassword)
		}
	})

	t.Run("A session that keeps a transaction open is ended", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		s.role(t, 1)
		conn, err := pgx.Connect(t.Context(), s.as(t, 1, s.hub.Database))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(t.Context(), "set idle_in_transaction_session_timeout = 0; begin; select 1 from river_job", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		if n, err := s.hub.endLong(t.Context(), time.Hour); err != nil || n != 0 {
			t.Errorf("endLong(1h) = %d, %v, want 0, nil", n, err)
		}
		if n, err := s.hub.endLong(t.Context(), 0); err != nil || n != 1 {
			t.Errorf("endLong(0) = %d, %v, want 1, nil", n, err)
		}
		if err := conn.Ping(t.Context()); err == nil {
			t.Error("the session goes on")
		}
	})
}
