package enroll

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/hostqueue"
)

// office is a hub's database, and where a host's files go.
type office struct {
	*Registrar
	url, caDir, dir string
}

func setup(t *testing.T) *office {
	t.Helper()
	o := &office{url: dbtest.NewURL(t), caDir: filepath.Join(t.TempDir(), "ca"), dir: filepath.Join(t.TempDir(), "b1")}
	var closeAll func()
	var err error
	if o.Registrar, closeAll, err = open(t.Context(), o.url, o.caDir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeAll)
	return o
}

// open makes a registrar as a process of its own would.
func open(ctx context.Context, url, caDir string) (*Registrar, func(), error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	queue, err := hostqueue.OpenHub(ctx, hostqueue.HubConfig{URL: url, ClientID: "test"})
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	ca, err := pki.OpenCA(caDir)
	return &Registrar{Pool: pool, Queue: queue, CA: ca, HubURL: "https://hub.example.org:8443"}, func() {
		_ = queue.Close(context.Background())
		pool.Close()
	}, err
}

// enroll enrols b1 into the directory.
func (o *office) enroll(t *testing.T, change func(*Request)) (Enrolled, error) {
	t.Helper()
	request := Request{Host: "b1", Dir: o.dir, By: "test"}
	if change != nil {
		change(&request)
	}
	return o.Enroll(t.Context(), request)
}

func (o *office) mustEnroll(t *testing.T, change func(*Request)) Enrolled {
	t.Helper()
	done, err := o.enroll(t, change)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func force(r *Request) { r.Force = true }
func renew(r *Request) { r.Renew = true }

// files reads a directory.
func (o *office) files(t *testing.T) map[string]string {
	t.Helper()
	return readDir(t, o.dir)
}

func readDir(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		texts[entry.Name()] = string(text)
	}
	return texts
}

// state is what counts of b1: certificates in force, and whether its role can
// log in.
type state struct {
	InForce int
	// Role is "none", "locked" or "login".
	Role string
}

func (o *office) state(t *testing.T) state {
	t.Helper()
	var s state
	err := o.Pool.QueryRow(t.Context(), `select
		(select count(*) from host_credentials c join hosts h on h.id = c.host_id where h.name = 'b1' and revoked_at is null),
		coalesce((select case when rolcanlogin then 'login' else 'locked' end from pg_roles join hosts h on h.name = 'b1' and rolname = $1 || h.id), 'none')`,
		o.Queue.Hub+"_host_").Scan(&s.InForce, &s.Role)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (o *office) wantState(t *testing.T, want state) {
	t.Helper()
	if diff := cmp.Diff(want, o.state(t)); diff != "" {
		t.Errorf("state of b1 (-want +got):\n%s", diff)
	}
}

// fits checks that the files are of the certificate that the table knows.
func (o *office) fits(t *testing.T, done Enrolled) {
	t.Helper()
	cert, err := pki.ReadCertificate(filepath.Join(o.dir, FileCertificate))
	if err != nil {
		t.Fatal(err)
	}
	if pki.FingerprintOf(cert) != done.Fingerprint {
		t.Error("the certificate in the directory is another")
	}
	files := pki.ClientFiles{CA: filepath.Join(o.dir, FileCA), Certificate: filepath.Join(o.dir, FileCertificate), Key: filepath.Join(o.dir, FileKey)}
	if _, err := files.TLS(); err != nil {
		t.Error(err)
	}
	all, err := o.Credentials(t.Context(), "b1")
	if err != nil {
		t.Fatal(err)
	}
	last := all[len(all)-1]
	if last.Fingerprint != done.Fingerprint || last.Revoked != nil || last.CreatedBy != "test" || !last.NotAfter.Equal(cert.NotAfter) {
		t.Errorf("on record is %+v, want the certificate %v until %v", last, done.Fingerprint, cert.NotAfter)
	}
}

func TestEnroll(t *testing.T) {
	t.Parallel()

	t.Run("Writes all that a host needs, for its owner alone", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		done := o.mustEnroll(t, func(r *Request) { r.Arches = []string{"riscv64", "x86_64"} })
		o.fits(t, done)
		o.wantState(t, state{InForce: 1, Role: "login"})
		modes := map[string]string{}
		for _, name := range append(Files(), ".") {
			info, err := os.Stat(filepath.Join(o.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			modes[name] = info.Mode().String()
		}
		want := map[string]string{
			".": "drwx------", "host.pem": "-rw-------", "host.key": "-rw-------", "ca.pem": "-rw-------", "database.password": "-rw-------", "builder.yaml": "-rw-------",
		}
		if diff := cmp.Diff(want, modes); diff != "" {
			t.Errorf("modes (-want +got):\n%s", diff)
		}
		files := o.files(t)
		wantConfig := `# Build host b1. docs/configuration.md describes every key; relative paths start at this file's folder.
hub: https://hub.example.org:8443
ca: ca.pem
certificate: host.pem
key: host.key
database_password: database.password
arches: [riscv64, x86_64]
`
		if diff := cmp.Diff(wantConfig, files[FileConfig]); diff != "" {
			t.Errorf("builder.yaml (-want +got):\n%s", diff)
		}
		if n := len(strings.TrimSpace(files[FilePassword])); n < 26 {
			t.Errorf("the password has %d characters, want 26 (130 bits)", n)
		}
		if !done.Password || done.Replaced != 0 || time.Until(done.NotAfter) < pki.HostValidity-time.Hour {
			t.Errorf("done %+v", done)
		}
	})

	t.Run("Refuses a host that is enrolled, and leaves its files", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		first := o.mustEnroll(t, nil)
		before := o.files(t)
		elsewhere := func(r *Request) { r.Dir = filepath.Join(t.TempDir(), "elsewhere") }
		for name, change := range map[string]func(*Request){"into the same directory": nil, "elsewhere": elsewhere} {
			var enrolled *EnrolledError
			if _, err := o.enroll(t, change); !errors.As(err, &enrolled) || enrolled.Host != "b1" {
				t.Errorf("%s: %v, want an *EnrolledError", name, err)
			}
		}
		if diff := cmp.Diff(before, o.files(t)); diff != "" {
			t.Errorf("files (-before +after):\n%s", diff)
		}
		o.fits(t, first)
		o.wantState(t, state{InForce: 1, Role: "login"})
	})

	t.Run("By force revokes the old certificate and keeps builder.yaml", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		first := o.mustEnroll(t, nil)
		const changed = "hub: https://changed.example.org\n"
		if err := os.WriteFile(filepath.Join(o.dir, FileConfig), []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		before := o.files(t)
		second := o.mustEnroll(t, force)
		o.fits(t, second)
		o.wantState(t, state{InForce: 1, Role: "login"})
		after := o.files(t)
		if after[FileConfig] != changed || after[FilePassword] == before[FilePassword] || second.Replaced != 1 || !second.Password {
			t.Errorf("builder.yaml %q, password the same: %v, done %+v", after[FileConfig], after[FilePassword] == before[FilePassword], second)
		}
		all, err := o.Credentials(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 2 || all[0].Fingerprint != first.Fingerprint || all[0].Revoked == nil || all[0].Reason != "enrolled again" || all[0].RevokedBy != "test" {
			t.Errorf("on record %+v", all)
		}
	})

	t.Run("Renewing keeps the old certificate and the password", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		if _, err := o.enroll(t, renew); !errors.Is(err, ErrNotEnrolled) {
			t.Errorf("before enrolling: %v, want ErrNotEnrolled", err)
		}
		o.mustEnroll(t, nil)
		before := o.files(t)
		done := o.mustEnroll(t, renew)
		o.fits(t, done)
		o.wantState(t, state{InForce: 2, Role: "login"})
		if after := o.files(t); done.Password || after[FilePassword] != before[FilePassword] || after[FileKey] == before[FileKey] {
			t.Errorf("the password changed: %v; the key stayed: %v", after[FilePassword] != before[FilePassword], after[FileKey] == before[FileKey])
		}
		// Into another directory there must be a password.
		o.dir = filepath.Join(t.TempDir(), "new")
		if done := o.mustEnroll(t, renew); !done.Password || o.files(t)[FilePassword] == "" {
			t.Error("no password was written")
		}
	})

	t.Run("Leaves what others have in the directory", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		other := setup(t)
		for what, put := range map[string]func(dir string) error{
			"somebody's key": func(dir string) error { return os.WriteFile(filepath.Join(dir, FileKey), []byte("key"), 0o600) },
			"a host of another hub": func(dir string) error {
				_, err := other.enroll(t, func(r *Request) { r.Dir = dir })
				return err
			},
			"a host of this hub": func(dir string) error {
				_, err := o.enroll(t, func(r *Request) { r.Host, r.Dir = "b2", dir })
				return err
			},
		} {
			o.dir = filepath.Join(t.TempDir(), "dir")
			if err := os.Mkdir(o.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := put(o.dir); err != nil {
				t.Fatal(err)
			}
			before := o.files(t)
			var inTheWay *FilesError
			if _, err := o.enroll(t, nil); !errors.As(err, &inTheWay) {
				t.Errorf("%s: %v, want a *FilesError", what, err)
			}
			if diff := cmp.Diff(before, o.files(t)); diff != "" {
				t.Errorf("%s: files (-before +after):\n%s", what, diff)
			}
		}
		o.wantState(t, state{InForce: 0, Role: "none"})
	})

	t.Run("Leaves hosts alone that are part of a hub", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		if _, err := o.Pool.Exec(t.Context(), "insert into hosts (name) values ('b1')"); err != nil {
			t.Fatal(err)
		}
		if _, err := o.enroll(t, nil); !errors.Is(err, ErrEmbedded) {
			t.Errorf("Enroll() = %v, want ErrEmbedded", err)
		}
		if _, err := o.Revoke(t.Context(), "b1", "test", ""); !errors.Is(err, ErrEmbedded) {
			t.Errorf("Revoke() = %v, want ErrEmbedded", err)
		}
		o.wantState(t, state{InForce: 0, Role: "none"})
	})

	t.Run("Needs a directory that is closed to others", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		if err := os.Mkdir(o.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.dir, "note"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := o.enroll(t, nil); err == nil || !strings.Contains(err.Error(), "chmod 700") {
			t.Errorf("error %v, want that the directory is open", err)
		}
		if err := os.Remove(filepath.Join(o.dir, "note")); err != nil {
			t.Fatal(err)
		}
		o.mustEnroll(t, nil) // An empty one is closed.
		if info, err := os.Stat(o.dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("mode %v, %v, want 0700", info.Mode(), err)
		}
	})

	t.Run("Two at once make one", func(t *testing.T) {
		t.Parallel()
		for _, same := range []bool{true, false} {
			o := setup(t)
			dirs := []string{o.dir, o.dir + "-2"}
			if same {
				dirs[1] = o.dir
			}
			errs := make([]error, 2)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { _, errs[i] = o.Enroll(t.Context(), Request{Host: "b1", Dir: dirs[i], By: "test"}) })
			}
			wg.Wait()
			var enrolled *EnrolledError
			if (errs[0] == nil) == (errs[1] == nil) || !errors.As(errors.Join(errs...), &enrolled) {
				t.Errorf("errors %v, want one *EnrolledError", errs)
			}
			o.wantState(t, state{InForce: 1, Role: "login"})
			winner := 0
			if errs[0] != nil {
				winner = 1
			}
			if !same && len(readDir(t, dirs[1-winner])) != 0 {
				t.Error("the loser wrote files")
			}
			o.dir = dirs[winner]
			all, err := o.Credentials(t.Context(), "b1")
			if err != nil {
				t.Fatal(err)
			}
			o.fits(t, Enrolled{Fingerprint: all[0].Fingerprint})
		}
	})

	t.Run("Names and architectures are checked", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		for _, name := range []string{"", ".", "-b1", "b 1", "../b1", "b1\n", "b1/2", "ä", strings.Repeat("b", 65)} {
			if _, err := o.enroll(t, func(r *Request) { r.Host = name }); err == nil {
				t.Errorf("%q is taken for a name", name)
			}
		}
		if _, err := o.enroll(t, func(r *Request) { r.Arches = []string{"x86_64, evil: true"} }); err == nil {
			t.Error("rubbish is taken for an architecture")
		}
		if _, err := os.Stat(o.dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the directory was made: %v", err)
		}
	})
}

func TestRevoke(t *testing.T) {
	t.Parallel()

	t.Run("Ends all that a host has, and a second time nothing", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		host := o.mustEnroll(t, nil)
		o.mustEnroll(t, renew)
		for _, want := range []int64{2, 0} {
			done, err := o.Revoke(t.Context(), "b1", "test", "stolen")
			if err != nil || done.Certificates != want || done.HostID != host.HostID {
				t.Errorf("Revoke() = %+v, %v, want %d certificates of host %d", done, err, want, host.HostID)
			}
			o.wantState(t, state{InForce: 0, Role: "none"})
		}
		all, err := o.Credentials(t.Context(), "b1")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.Revoked == nil || c.RevokedBy != "test" || c.Reason != "stolen" {
				t.Errorf("on record %+v", c)
			}
		}
		// The files count no more, so nothing is in the way.
		o.fits(t, o.mustEnroll(t, nil))
		o.wantState(t, state{InForce: 1, Role: "login"})
	})

	t.Run("A host that never was is not found", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		if _, err := o.Revoke(t.Context(), "b1", "test", ""); !errors.Is(err, ErrNoHost) {
			t.Errorf("Revoke() = %v, want ErrNoHost", err)
		}
	})
}
