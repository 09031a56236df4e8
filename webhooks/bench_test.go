package webhooks_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkAck is the time from sending a delivery to its answer, at 50
// deliveries a second.
func BenchmarkAck(b *testing.B) {
	d := open(b)
	d.post(b, "git", gitPush(1_000_000)) // opens connections
	took := make([]time.Duration, b.N)
	pace := time.NewTicker(time.Second / 50)
	defer pace.Stop()
	var group sync.WaitGroup
	b.ResetTimer()
	for n := range b.N {
		push := gitPush(2 * n)
		<-pace.C
		group.Go(func() {
			start := time.Now()
			if got := d.post(b, "git", push); got.Code != http.StatusAccepted {
				b.Errorf("answer %+v, want 202", got)
			}
			took[n] = time.Since(start)
		})
	}
	group.Wait()
	b.StopTimer()
	slices.Sort(took)
	for name, share := range map[string]float64{"p50-ms": 0.50, "p99-ms": 0.99} {
		b.ReportMetric(float64(took[int(share*float64(len(took)-1))].Microseconds())/1000, name)
	}
}
