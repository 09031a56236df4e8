package sandbox

import (
	"context"
	"io"
	"testing"
	"time"
)

// BenchmarkTrue is the cost of a sandbox around /bin/true.
func BenchmarkTrue(b *testing.B) {
	r := newRunner(b)
	for b.Loop() {
		if _, err := r.Run(context.Background(), hostSpec("/bin/true")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTrueInParallel(b *testing.B) {
	r := newRunner(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Run(context.Background(), hostSpec("/bin/true")); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkCancel is the time from cancelling until nothing is left.
func BenchmarkCancel(b *testing.B) {
	r := newRunner(b)
	var total time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		spec := shell("for i in 1 2 3 4 5; do setsid sleep 1000 & done; echo ready; sleep 1000")
		out, in := io.Pipe()
		spec.Stdout = in
		var at time.Time
		go func() {
			_, _ = out.Read(make([]byte, 16))
			at = time.Now()
			cancel()
			_, _ = io.Copy(io.Discard, out)
		}()
		_, _ = r.Run(ctx, spec)
		total += time.Since(at)
		in.Close()
		cancel()
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms/cancel")
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		newRunner(b)
	}
}
