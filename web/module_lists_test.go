package web

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/repomd"
)

// listOf is a list of one stream.
func listOf(name string) moduleList {
	return moduleList{streams: []moduleStream{{Name: name, Stream: "s", Version: "1"}}}
}

// compareLists compares what is shown.
var compareLists = cmp.AllowUnexported(moduleList{})

func TestModuleListsAreReadOnce(t *testing.T) {
	t.Parallel()
	lists := newModuleLists()
	var reads atomic.Int32
	ask := func(sum string) {
		t.Helper()
		got, err := lists.get(t.Context(), sum, func() (moduleList, error) {
			reads.Add(1)
			return listOf(sum), nil
		})
		if diff := cmp.Diff(listOf(sum), got, compareLists); err != nil || diff != "" {
			t.Errorf("%v, (-want +got)\n%s", err, diff)
		}
	}
	t.Run("by all who ask at a time", func(t *testing.T) {
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { ask("a") })
		}
		all.Wait()
		if n := reads.Load(); n != 1 {
			t.Errorf("it was read %d times", n)
		}
	})
	t.Run("and forgotten when others were asked for since", func(t *testing.T) {
		reads.Store(0)
		for n := range modulesKept - 1 {
			ask(fmt.Sprint(n))
		}
		ask("a") // the newest now
		ask("another")
		if n := reads.Load(); n != modulesKept {
			t.Errorf("%d were read, want %d: what was asked for is forgotten too early", n, modulesKept)
		}
		ask("a")
		ask("0")
		if n := reads.Load(); n != modulesKept+1 {
			t.Errorf("%d were read, want %d: only the oldest is forgotten", n, modulesKept+1)
		}
		if len(lists.kept) != modulesKept || lists.order.Len() != modulesKept {
			t.Errorf("%d and %d are kept, want %d", len(lists.kept), lists.order.Len(), modulesKept)
		}
	})
}

func TestModuleListsThatFailAreReadAgain(t *testing.T) {
	t.Parallel()
	lists, broken := newModuleLists(), errors.New("broken")
	if _, err := lists.get(t.Context(), "a", func() (moduleList, error) { return moduleList{}, broken }); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of reading", err)
	}
	if _, err := lists.get(t.Context(), "a", func() (moduleList, error) { panic("hostile") }); err == nil || !strings.Contains(err.Error(), "hostile") {
		t.Errorf("error %v, want the panic", err)
	}
	got, err := lists.get(t.Context(), "a", func() (moduleList, error) { return listOf("a"), nil })
	if diff := cmp.Diff(listOf("a"), got, compareLists); err != nil || diff != "" {
		t.Errorf("%v, (-want +got)\n%s", err, diff)
	}
}

// occupied are lists of which as many are being read as may be, until free is
// called.
func occupied(t *testing.T) (lists *moduleLists, free func()) {
	t.Helper()
	lists = newModuleLists()
	lists.patience = time.Millisecond
	end, begun := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	for n := range modulesRead {
		all.Go(func() {
			if _, err := lists.get(t.Context(), fmt.Sprint("slow", n), func() (moduleList, error) {
				begun <- struct{}{}
				<-end
				return listOf("slow"), nil
			}); err != nil {
				t.Error(err)
			}
		})
		<-begun
	}
	return lists, sync.OnceFunc(func() {
		close(end)
		all.Wait()
	})
}

func TestModuleListsAreReadFewAtATime(t *testing.T) {
	t.Parallel()
	lists, free := occupied(t)
	defer free()
	never := func() (moduleList, error) {
		t.Error("more are read than may be")
		return moduleList{}, nil
	}
	if _, err := lists.get(t.Context(), "a", never); !errors.Is(err, errModulesBusy) {
		t.Errorf("error %v, want that others are being read", err)
	}
	free()
	if _, err := lists.get(t.Context(), "a", func() (moduleList, error) { return listOf("a"), nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestModuleListsAreNotWaitedForByWhoLeft(t *testing.T) {
	t.Parallel()
	lists, end := newModuleLists(), make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	_, err := lists.get(ctx, "a", func() (moduleList, error) {
		leave()
		<-end
		return listOf("a"), nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that the request ended", err)
	}
	if _, err := lists.get(ctx, "b", func() (moduleList, error) {
		t.Error("it is read for nobody")
		return moduleList{}, nil
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that the request ended", err)
	}
	close(end)
	got, err := lists.get(t.Context(), "a", func() (moduleList, error) { return listOf("read again"), nil })
	if diff := cmp.Diff(listOf("a"), got, compareLists); err != nil || diff != "" {
		t.Errorf("what was begun is lost: %v, (-want +got)\n%s", err, diff)
	}
}

// modulesServer is a server of nothing but modules, with the generation whose
// they are.
func modulesServer(t *testing.T, text string) (*server, generationLine, string) {
	t.Helper()
	dir := t.TempDir()
	arch := filepath.Join(dir, "f37/4/x86_64")
	if err := os.MkdirAll(arch, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := repomd.WriteEmpty(t.Context(), arch, repomd.Options{Revision: "4", Modules: []byte(text)}); err != nil {
		t.Fatal(err)
	}
	s := &server{Config: Config{ReposDir: dir}, modules: newModuleLists()}
	return s, generationLine{Tag: "f37", GenerationsOfTagRow: rowOf(4, "x86_64")}, filepath.Join(arch, "repodata")
}

// streamDoc is a document of a stream.
func streamDoc(name string) string {
	return "---\ndocument: modulemd\nversion: 2\ndata: {name: " + name + ", stream: s, version: 1, context: c, arch: noarch, summary: s, description: d, license: {module: [MIT]}}\n"
}

func TestModulesOfAGenerationAreKept(t *testing.T) {
	t.Parallel()
	s, g, repodata := modulesServer(t, streamDoc("m"))
	for range 2 {
		lines, tell := s.modulesOfGeneration(t.Context(), g)
		want := []moduleLine{{moduleStream{"m", "s", "1", "c"}, []string{"x86_64"}}}
		if diff := cmp.Diff(want, lines, cmp.AllowUnexported(moduleLine{})); diff != "" || tell != "" {
			t.Fatalf("%q, (-want +got)\n%s", tell, diff)
		}
		// From now on nothing can be read.
		found, err := filepath.Glob(filepath.Join(repodata, "*-modules.yaml.*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestModulesThatCantBeToldNow(t *testing.T) {
	t.Parallel()
	const busy = "can't be told just now"
	t.Run("because others are being read", func(t *testing.T) {
		t.Parallel()
		s, g, _ := modulesServer(t, streamDoc("m"))
		lists, free := occupied(t)
		defer free()
		s.modules = lists
		if lines, tell := s.modulesOfGeneration(t.Context(), g); len(lines) != 0 || !strings.Contains(tell, busy) {
			t.Errorf("%v, %q", lines, tell)
		}
	})
	t.Run("because the request ended", func(t *testing.T) {
		t.Parallel()
		s, g, _ := modulesServer(t, streamDoc("m"))
		ended, end := context.WithCancel(t.Context())
		end()
		if lines, tell := s.modulesOfGeneration(ended, g); len(lines) != 0 || !strings.Contains(tell, busy) {
			t.Errorf("%v, %q", lines, tell)
		}
	})
}

func TestModulesWithoutEnd(t *testing.T) {
	t.Parallel()
	t.Run("are not decompressed", func(t *testing.T) {
		t.Parallel()
		s, g, _ := modulesServer(t, strings.Repeat("#", maxModulesBytes+1))
		lists, free := occupied(t)
		defer free()
		s.modules = lists // no turn is needed
		if lines, tell := s.modulesOfGeneration(t.Context(), g); len(lines) != 0 || !strings.Contains(tell, "There are more") {
			t.Errorf("%v, %q", lines, tell)
		}
	})
	t.Run("are cut where their names are long", func(t *testing.T) {
		t.Parallel()
		s, g, _ := modulesServer(t, streamDoc("a")+streamDoc(strings.Repeat("b", maxModulesText)))
		lines, tell := s.modulesOfGeneration(t.Context(), g)
		if len(lines) != 1 || lines[0].Name != "a" || !strings.Contains(tell, "There are more") {
			t.Errorf("%d lines, %q", len(lines), tell)
		}
	})
}
