//go:build e2e

package rootfs

import "testing"

func TestBuildFor32Bit(t *testing.T) {
	t.Parallel()
	b, order := bundleFor(t, "i686", nil)
	checkBuildFor(t, "i686", "i686", b, order)
}
