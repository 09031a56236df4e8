package buildroot

import (
	"errors"
	"fmt"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/arch"
)

// TestNamesOfPackages: mock splits what it passes to dnf as a shell does, and
// dnf takes what begins with a dash for an option, and files and URLs for
// packages.
func TestNamesOfPackages(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{
		"bash": true, "gcc-c++": true, "/usr/bin/gcc": true, "pkgconfig(zlib)": true, "@core": true, "glibc*": true,
		"": false, "-y": false, "--setopt=tsflags=nothing": false, "bash --nogpgcheck": false, "bash\t--nobest": false, "bash\n--nobest": false,
		"bash\u00a0--nobest": false, "'--nobest'": false, `"--nobest"`: false, `\--nobest`: false, "bash\x00": false,
		"http://example.org/bash": false, "/tmp/bash.rpm": false, "bash.rpm": false,
	} {
		err := Check(builders.Order{Root: builders.Recipe{Tag: "f37-build", Arch: arch.Host(), Install: []string{"make", name}}})
		var failure *builders.Failure
		if errors.As(err, &failure) == good {
			t.Errorf("%q: %v", name, err)
		}
		if want := fmt.Sprintf("tag f37-build: %q is no name of a package", name); failure != nil && (failure.Reason != want || failure.Infrastructure) {
			t.Errorf("failure %+v, want %s", failure, want)
		}
	}
}
