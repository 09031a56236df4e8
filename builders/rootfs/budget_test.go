package rootfs

import (
	"testing"
	"time"
)

func TestBudgetTimeOnlyShrinks(t *testing.T) {
	t.Parallel()
	var b budget
	for _, step := range []struct{ wall, want time.Duration }{
		{0, 0}, {time.Hour, time.Hour}, {2 * time.Hour, time.Hour}, {0, time.Hour}, {time.Minute, time.Minute},
	} {
		b.atMost(step.wall)
		if b.wall != step.want || b.end.IsZero() != (step.want == 0) || time.Until(b.end) > step.want {
			t.Errorf("after at most %s: %s until %s, want %s", step.wall, b.wall, b.end, step.want)
		}
	}
}
