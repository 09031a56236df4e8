package rootfs

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// snoop is a script that looks for the host: for a file in plain sight there,
// for its network, and for what the processes around it see.
func snoop(secret, address string) string {
	host, port, _ := strings.Cut(address, ":")
	return fmt.Sprintf(`echo snoop begins
for root in / /proc/1/root/ /proc/$PPID/root/ /proc/self/root/../../; do
  cat $root%[1]s && echo saw the secret of the host
  ls $root/root/.bashrc $root/etc/shadow $root/home/* && echo saw files of the host
done
(exec 3<>/dev/tcp/%[2]s/%[3]s) && echo reached the network of the host
(exec 3<>/dev/tcp/192.0.2.1/80) && echo reached the world
mount -t tmpfs none /mnt && echo mounted
echo interfaces: $(cd /sys/class/net && echo *) $(sed -n 's/:.*//p' /proc/net/dev)
[ "$(ls -d /proc/[0-9]* | wc -l)" -lt 20 ] || echo saw processes of the host
echo snoop ends
`, secret, host, port)
}

// listener counts who connects.
func listener(t *testing.T) (address string, connections *atomic.Int64) {
	t.Helper()
	server := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { server.Close() })
	connections = new(atomic.Int64)
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	return server.Addr().String(), connections
}

// checkSnooped looks at what snoop found.
func checkSnooped(t *testing.T, found string, connections *atomic.Int64) {
	t.Helper()
	if !strings.Contains(found, "snoop begins") || !strings.Contains(found, "snoop ends") {
		t.Errorf("the script did not run:\n%s", found)
	}
	for _, bad := range []string{"saw ", "reached ", "mounted", "top secret"} {
		for line := range strings.Lines(found) {
			if strings.HasPrefix(line, bad) {
				t.Errorf("the script %s", line)
			}
		}
	}
	if n := connections.Load(); n > 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestRepositoriesOnTheNetwork(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	secret := filepath.Join(drivertest.Checkout(t, map[string]string{"secret": "top secret\n"}), "secret")
	address, connections := listener(t)
	extra := drivertest.Repository(t, "f37-build", map[string][]byte{
		"snoop-1-1.noarch.rpm": rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "snoop", Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
			r.AddPostin("exec > /snooped 2>&1\n" + snoop(secret, address))
		}),
	})
	var requests atomic.Int64
	serve := func(repo builders.Repo) builders.Repo {
		files := http.FileServer(http.Dir(strings.TrimPrefix(repo.URL, "file://")))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, ".rpm") {
				requests.Add(1)
			}
			files.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		repo.URL = server.URL
		return repo
	}
	remote := &bundle{driver: b.driver, base: serve(b.base), group: srpmGroup}
	dir := drivertest.Checkout(t, map[string]string{
		"package.spec": strings.Replace(drivertest.SpecText("reader", "%build\ncat /snooped\n%files\n"), "BuildArch:", "BuildRequires: snoop\nBuildArch:", 1),
	})
	order, outcome, err := remote.build(t, dir, serve(extra))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range outcome.Installed {
		if i.Repo == "" || len(i.SHA256) != 64 {
			t.Errorf("%s came from repository %q with SHA-256 %q, want both known", i.NEVRA, i.Repo, i.SHA256)
		}
	}
	checkSnooped(t, drivertest.Log(t, order, "build.log"), connections)
	if requests.Load() < 50 {
		t.Errorf("%d packages were asked for, want all of the base root", requests.Load())
	}
	// Downloaded packages don't fill up the base root or what is kept of metadata.
	root := must(b.driver.bases.get(t.Context(), order.Root, rootLog(t)))(t)
	defer root.release()
	lists := must(filepath.Glob(filepath.Join(root.metadata, "*/repodata/*primary.xml*")))(t)
	kept := must(filepath.Glob(filepath.Join(root.metadata, "*/packages/*.rpm")))(t)
	if beside := drivertest.Names(t, filepath.Dir(root.dir)); len(lists) != 2 || len(kept) > 0 || len(beside) != 1 {
		t.Errorf("metadata of repositories %q, packages %q, beside the root %q; want two repositories and nothing else", lists, kept, beside)
	}

	t.Run("A repository that is gone is the builder's trouble, and its password is nobody's business", func(t *testing.T) {
		t.Parallel()
		order := b.order(t, smallGroup, builders.Repo{Name: "gone", URL: "http://user:opensesame@127.0.0.1:1/repo"})
		_, err := b.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: "package.spec"})
		failure := drivertest.FailureOf(t, err)
		if !failure.Infrastructure || failure.Phase != builders.PhaseBuildroot || !strings.HasPrefix(failure.Reason, "repository gone can't be read: ") {
			t.Errorf("failure %+v, want that the repository can't be read", failure)
		}
		if text := failure.Reason + failure.Err.Error() + drivertest.Log(t, order, "root.log"); strings.Contains(text, "opensesame") {
			t.Errorf("the password is told: %s", text)
		}
	})
	t.Run("A directory that is not there is a mistake", func(t *testing.T) {
		t.Parallel()
		order := b.order(t, smallGroup, builders.Repo{Name: "absent", URL: "file:///nonexistent/repo"})
		_, err := b.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: "package.spec"})
		failure := drivertest.FailureOf(t, err)
		if failure.Infrastructure || !strings.HasPrefix(failure.Reason, "repository absent can't be read: ") {
			t.Errorf("failure %+v, want that the repository can't be read", failure)
		}
	})
}
