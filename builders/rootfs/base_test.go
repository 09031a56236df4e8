package rootfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/flock"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// take gets a base root and gives it back at the end of the test.
func (b *bundle) take(t *testing.T, recipe builders.Recipe) *base {
	t.Helper()
	root := must(b.driver.bases.get(t.Context(), recipe, rootLog(t)))(t)
	t.Cleanup(root.release)
	return root
}

// onePackage is the content of a repository: a package with a release.
func onePackage(t testing.TB, release string) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		"thing.noarch.rpm": rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "thing", Version: "1", Release: release, Arch: "noarch"}, nil),
	}
}

// keys are the base roots that are there.
func (b *bundle) keys(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, name := range drivertest.Names(t, b.driver.bases.roots.dir) {
		if !strings.Contains(name, ".") {
			list = append(list, name)
		}
	}
	return list
}

func TestBaseRoots(t *testing.T) {
	t.Parallel()

	t.Run("Five builds at once share one that is installed once", func(t *testing.T) {
		t.Parallel()
		b := fresh(t, nil)
		var wait sync.WaitGroup
		var orders []builders.Order
		for range 5 {
			order := b.order(t, smallGroup)
			orders = append(orders, order)
			wait.Go(func() {
				_, err := b.driver.work(t.Context(), order, func(context.Context, *build) error { return nil })
				if err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		installs := 0
		for _, order := range orders {
			installs += strings.Count(drivertest.Log(t, order, "root.log"), "# installing a base root")
		}
		if installs != 1 || len(b.keys(t)) != 1 {
			t.Errorf("%d installs of %d roots, want one of one", installs, len(b.keys(t)))
		}
		if left := drivertest.Names(t, b.driver.buildsDir()); len(left) > 0 {
			t.Errorf("builds left %q", left)
		}
	})
	t.Run("Other packages give another one, the same packages the same", func(t *testing.T) {
		t.Parallel()
		b := fresh(t, nil)
		recipe := b.recipe(smallGroup)
		first := b.take(t, recipe)
		recipe.Tag = "another-build"
		if same := b.take(t, recipe); same.dir != first.dir {
			t.Errorf("another tag of the same repositories and packages has root %s, want %s", same.dir, first.dir)
		}
		recipe.Repos = append(recipe.Repos, drivertest.Repository(t, "tag", onePackage(t, "1")))
		if unrelated := b.take(t, recipe); unrelated.dir != first.dir || unrelated.repoKey == first.repoKey || unrelated.metadata == first.metadata {
			t.Errorf("another repository: root %s, want %s; another key and other metadata: %v, %v", unrelated.dir, first.dir, unrelated.repoKey != first.repoKey, unrelated.metadata != first.metadata)
		}
		recipe.Install = append([]string{"thing"}, recipe.Install...)
		if second := b.take(t, recipe); second.dir == first.dir {
			t.Error("the same root for other packages")
		}
	})
	t.Run("Of both groups the one has another root that holds what a generation has another of", func(t *testing.T) {
		t.Parallel()
		b := fresh(t, nil)
		for group, install := range map[string][]string{"srpm-build": smallGroup, "build": append([]string{"thing"}, smallGroup...)} {
			with := func(number int64, release string) *base {
				recipe := b.recipe(install)
				recipe.Repos = append(recipe.Repos, drivertest.Generation(t, "tag", number, onePackage(t, release)))
				return b.take(t, recipe)
			}
			first := with(1, "1")
			if again := with(2, "1"); again.dir != first.dir || again.repoKey != first.repoKey {
				t.Errorf("group %s: another root for the second generation of the same content", group)
			}
			if changed := with(3, "2"); (changed.dir == first.dir) != (group == "srpm-build") || changed.repoKey == first.repoKey {
				t.Errorf("group %s: the same root for another content: %v", group, changed.dir == first.dir)
			}
			if back := with(4, "1"); back.dir != first.dir {
				t.Errorf("group %s: another root for the fourth generation, whose content is that of the first", group)
			}
		}
		if left := b.keys(t); len(left) != 3 {
			t.Errorf("%d roots of two groups and two contents, of which one matters to one", len(left))
		}
	})
	for name, sign := range map[string]string{"is resolved": "# resolving the packages", "is installed": "# installing a base root"} {
		t.Run("A repository that changes while the root "+name+" is read again", func(t *testing.T) {
			t.Parallel()
			b := fresh(t, nil)
			recipe := b.recipe([]string{"filesystem", "thing"})
			recipe.Repos = append(recipe.Repos, drivertest.Repository(t, "tag", onePackage(t, "1")))
			// A log line that says it begins is when the repository changes.
			dir := strings.TrimPrefix(recipe.Repos[1].URL, "file://")
			other := strings.TrimPrefix(drivertest.Repository(t, "tag", onePackage(t, "2")).URL, "file://")
			log := &triggered{sign: sign, do: func() error {
				return errors.Join(os.RemoveAll(dir), drivertest.LinkTree(other, dir))
			}}
			root := must(b.driver.bases.get(t.Context(), recipe, diagnosis.NewLog("root.log", log, nil)))(t)
			defer root.release()
			if _, key, err := b.driver.readRepos(t.Context(), recipe); err != nil || root.repoKey != key || log.times != 2 {
				t.Errorf("%d tries, root of content %s, want %s, %v", log.times, root.repoKey, key, err)
			}
			if left := b.keys(t); len(left) != 1 {
				t.Errorf("roots %q, want one", left)
			}
			if held := b.held(t, root); !slices.ContainsFunc(held, func(i builders.Installed) bool { return i.NEVRA == "thing-0:1-2.noarch" }) {
				t.Errorf("the root holds %v, want thing-1-2", held)
			}
		})
	}
	t.Run("A failed install leaves nothing and is tried again", func(t *testing.T) {
		t.Parallel()
		b := fresh(t, nil)
		for range 2 {
			_, err := b.driver.bases.get(t.Context(), b.recipe([]string{"filesystem", "nowhere"}), rootLog(t))
			if failure := drivertest.FailureOf(t, err); failure.Reason != "nothing provides nowhere" {
				t.Errorf("failure %+v, want that nothing provides nowhere", failure)
			}
		}
		if left := append(drivertest.Names(t, b.driver.bases.roots.dir), drivertest.Names(t, b.driver.bases.metadata.dir)...); len(left) > 0 {
			t.Errorf("left %q", left)
		}
	})
	t.Run("A canceled install leaves nothing", func(t *testing.T) {
		t.Parallel()
		b := fresh(t, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		log := &triggered{sign: "Running transaction", do: func() error { cancel(stop); return nil }}
		_, err := b.driver.bases.get(ctx, b.recipe(srpmGroup), diagnosis.NewLog("root.log", log, nil))
		if !errors.Is(b.driver.explain(ctx, err), stop) {
			t.Errorf("got %v, want %v", err, stop)
		}
		if left := drivertest.Names(t, b.driver.bases.roots.dir); len(left) > 0 {
			t.Errorf("left %q", left)
		}
	})
	t.Run("One whose installer was killed is never used", func(t *testing.T) {
		t.Parallel()
		b := fresh(t, nil)
		installer := start(t, "installer", b.driver.config.Dir)
		drivertest.Eventually(t, "packages are being installed", func() bool {
			found, err := filepath.Glob(b.driver.bases.roots.dir + "/*" + partial + "/root/usr/bin/bash")
			return err == nil && len(found) == 1
		})
		installer.kill(t)
		again := must(newBundle(b.driver.config.Dir, nil))(t)
		if left := drivertest.Names(t, b.driver.bases.roots.dir); len(left) > 0 {
			t.Errorf("left %q after New", left)
		}
		if got := again.runInstalled(t, srpmGroup, nil, "/usr/bin/rpmbuild", "--version"); !strings.HasPrefix(got, "RPM version ") {
			t.Errorf("rpmbuild says %q", got)
		}
	})
	t.Run("The least used go, those in use stay, in every process", func(t *testing.T) {
		t.Parallel()
		b := fresh(t, func(config *Config) { config.KeepRoots = 1 })
		user := start(t, "user", b.driver.config.Dir)
		used := user.ready(t)
		other := b.recipe(smallGroup)
		other.Install = []string{"filesystem", "thing"}
		other.Repos = append(other.Repos, drivertest.Repository(t, "tag", onePackage(t, "1")))
		second := b.take(t, other)
		if got, want := b.keys(t), []string{used, second.key()}; !slices.Contains(got, used) || len(got) != 2 {
			t.Errorf("roots %q, want %q", got, want)
		}
		user.end(t)
		third := b.recipe(smallGroup)
		third.Install = other.Install
		third.Repos = append(third.Repos, drivertest.Repository(t, "tag", onePackage(t, "2")))
		want := []string{second.key(), b.take(t, third).key()}
		slices.Sort(want)
		if diff := cmp.Diff(want, b.keys(t)); diff != "" {
			t.Errorf("roots (-want +got)\n%s", diff)
		}
		if _, err := os.Stat(filepath.Join(b.driver.bases.roots.dir, used+flock.Suffix)); err == nil {
			t.Error("the lock of a removed root is still there")
		}
	})
}

func TestNewSweepsWhatDeadProcessesLeft(t *testing.T) {
	t.Parallel()
	b := fresh(t, nil)
	builder := start(t, "builder", b.driver.config.Dir)
	dir := builder.ready(t)
	// Another driver must not touch what a living one uses.
	_ = must(newBundle(b.driver.config.Dir, nil))(t)
	if diff := cmp.Diff([]string{dir, dir + flock.Suffix}, drivertest.Names(t, b.driver.buildsDir())); diff != "" {
		t.Errorf("while the build goes on (-want +got)\n%s", diff)
	}
	builder.kill(t)
	_ = must(newBundle(b.driver.config.Dir, nil))(t)
	if left := drivertest.Names(t, b.driver.buildsDir()); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	if len(b.keys(t)) != 1 {
		t.Errorf("base roots %q, want that the finished one stays", b.keys(t))
	}
}

// triggered is a log that does something whenever a sign is written.
type triggered struct {
	sign  string
	do    func() error
	times int
}

// Write implements io.Writer.
func (w *triggered) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.sign) {
		if w.times++; w.times == 1 {
			return len(p), w.do()
		}
	}
	return len(p), nil
}
