package sandbox

import "testing"

func TestLinux32(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	spec := hostSpec("/bin/uname", "-m")
	spec.Linux32 = true
	if got, _ := output(t, r, spec); got != "i686" {
		t.Errorf("uname says %q", got)
	}
}
