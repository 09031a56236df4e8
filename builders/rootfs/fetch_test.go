package rootfs

import (
	"strings"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
)

// TestSourcesAreNeverFetched lets specs ask rpm to download a source from a
// server of this host, by all that rpm offers. The server would serve it.
func TestSourcesAreNeverFetched(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	address, connections := listener(t)
	url := "http://" + address + "/hello-1.tar.gz"
	host, port, _ := strings.Cut(address, ":")
	// rpm runs this for a download, with the URL and the file's name.
	helper := "#!/bin/bash\necho the helper runs >&2\n(exec 3<>/dev/tcp/" + host + "/" + port + ") && echo reached the network >&2\nexit 1\n"
	for name, test := range map[string]struct {
		before string
		// asked is set where rpm is expected to run the helper.
		asked bool
	}{
		"A URL alone":                   {"", false},
		"%undefine":                     {"%undefine _disable_source_fetch\n", true},
		"%global":                       {"%global _disable_source_fetch 0\n", true},
		"Every definition is undefined": {strings.Repeat("%undefine _disable_source_fetch\n", 5), true},
		"Lua":                           {`%{lua: rpm.undefine("_disable_source_fetch"); rpm.define("_disable_source_fetch 0")}` + "\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := test.before + "%global _urlhelper /bin/bash %{_sourcedir}/helper\n" +
				strings.Replace(drivertest.SpecText("hello", "%files\n"), "BuildArch:", "Source0: "+url+"\nBuildArch:", 1)
			dir := drivertest.Checkout(t, map[string]string{"package.spec": text, "helper": helper})
			order := b.order(t, srpmGroup)
			_, err := b.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: "package.spec"})
			failure := drivertest.FailureOf(t, err)
			want := "hello-1.tar.gz is not in sources: upload it to the lookaside, builds don't download " + url
			if failure.Reason != want || failure.Phase != builders.PhaseSRPM || failure.Infrastructure {
				t.Errorf("failure %+v\nwant the package's: %s", failure, want)
			}
			log := drivertest.Log(t, order, "build.log")
			if strings.Contains(log, "the helper runs") != test.asked {
				t.Errorf("rpm ran its download helper: %v, want %v:\n%s", !test.asked, test.asked, log)
			}
			if strings.Contains(log, "reached the network") {
				t.Errorf("the helper reached the network:\n%s", log)
			}
		})
	}
	t.Cleanup(func() {
		if n := connections.Load(); n > 0 {
			t.Errorf("%d connections were made", n)
		}
	})
}
