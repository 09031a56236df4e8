package rootfs

import (
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/builders/drivertest"
)

// BenchmarkBuild builds small packages in a warm base root. overhead-s is what
// a build takes beyond rpmbuild's own run, in seconds.
func BenchmarkBuild(b *testing.B) {
	bundle := setup(b, nil)
	for _, pkg := range []string{"greet-motd", "libgreet"} {
		srpm := must(bundle.srpm(b, demo(b, pkg)))(b)
		b.Run(pkg, func(b *testing.B) {
			var bare time.Duration
			for b.Loop() {
				order := bundle.order(b, buildGroup)
				if _, err := bundle.driver.Build(b.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: hostArch()}); err != nil {
					b.Fatal(err)
				}
				// In turn, as the machine may have other work.
				b.StopTimer()
				bare += bundle.bare(b, srpm)
				b.StartTimer()
			}
			n := float64(b.N)
			b.ReportMetric(bare.Seconds()/n, "rpmbuild-s")
			b.ReportMetric((b.Elapsed()-bare).Seconds()/n, "overhead-s")
		})
	}
}

// bare is how long rpmbuild alone takes, in a buildroot that is there.
func (b *bundle) bare(t testing.TB, srpm string) (took time.Duration) {
	_, err := b.driver.work(t.Context(), b.order(t, buildGroup), func(ctx context.Context, build *build) error {
		if err := build.unpack(ctx, srpm); err != nil {
			return err
		}
		start := time.Now()
		result, err := build.run(ctx, io.Discard, io.Discard, nil, "/usr/bin/rpmbuild", "-bb", "--target", hostArch(), build.spec)
		if err != nil || result.ExitCode != 0 {
			t.Fatalf("rpmbuild: %+v, %v", result, err)
		}
		took = time.Since(start)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return took
}

// BenchmarkSRPM makes a source package in a warm base root.
func BenchmarkSRPM(b *testing.B) {
	bundle := setup(b, nil)
	dir := demo(b, "libgreet")
	must(bundle.srpm(b, dir))(b)
	for b.Loop() {
		must(bundle.srpm(b, dir))(b)
	}
}

// BenchmarkBaseRoot installs base roots.
func BenchmarkBaseRoot(b *testing.B) {
	for name, group := range map[string][]string{"small": smallGroup, "build": buildGroup} {
		b.Run(name, func(b *testing.B) {
			bundle := fresh(b, func(config *Config) { config.KeepRoots = 1 })
			for i := 0; b.Loop(); i++ {
				recipe := bundle.recipe(group)
				recipe.Repos[0].Name = "base" + strings.Repeat("x", i) // another key
				must(bundle.driver.bases.get(b.Context(), recipe, diagnosis.NewLog("root.log", io.Discard, nil)))(b).release()
			}
		})
	}
}

// BenchmarkDiskUsage counts the files of a base root, as a stand-in for a build.
func BenchmarkDiskUsage(b *testing.B) {
	bundle := setup(b, nil)
	root := must(bundle.driver.bases.get(b.Context(), bundle.recipe(buildGroup), diagnosis.NewLog("root.log", io.Discard, nil)))(b)
	defer root.release()
	for b.Loop() {
		if _, err := bundle.driver.diskUsage(b.Context(), []string{root.dir}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHistory makes the source package of a spec whose changelog is
// computed of 200 versions. spec-ms is what one version takes.
func BenchmarkHistory(b *testing.B) {
	bundle := setup(b, nil)
	p := drivertest.NewPast()
	const versions = 200
	text := ""
	for i := range versions {
		text = drivertest.AutoSpec(strconv.Itoa(i), "%autorelease")
		p.Commit("Update", map[string]string{p.Spec: text})
	}
	if _, err := bundle.source(b, p, map[string]string{p.Spec: text}); err != nil {
		b.Fatal(err) // which installed the base root
	}
	for b.Loop() {
		if _, err := bundle.source(b, p, map[string]string{p.Spec: text}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N)/versions, "spec-ms")
}

// BenchmarkGeneration takes the base roots of both groups after the tag's
// repository was published again.
func BenchmarkGeneration(b *testing.B) {
	for name, release := range map[string]func(int) string{
		"same content":      func(int) string { return "1" },
		"unrelated package": strconv.Itoa,
	} {
		b.Run(name, func(b *testing.B) {
			bundle := fresh(b, nil)
			take := func(number int) {
				tag := drivertest.Generation(b, "tag", int64(number), onePackage(b, release(number)))
				for _, group := range [][]string{srpmGroup, buildGroup} {
					recipe := bundle.recipe(group)
					recipe.Repos = append([]builders.Repo{tag}, recipe.Repos...)
					root, err := bundle.driver.bases.get(b.Context(), recipe, diagnosis.NewLog("root.log", io.Discard, nil))
					if err != nil {
						b.Fatal(err)
					}
					root.release()
				}
			}
			take(1)
			number := 1
			for b.Loop() {
				number++
				take(number)
			}
		})
	}
}
