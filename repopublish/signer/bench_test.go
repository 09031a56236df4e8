package signer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/distbot/distbot/internal/pgp"
)

// BenchmarkSign has a package of 24 kB signed: a connection, the digest, the
// signature, and two writes to the disk.
func BenchmarkSign(b *testing.B) {
	for _, algorithm := range []pgp.Algorithm{pgp.Ed25519, pgp.RSA4096} {
		b.Run(string(algorithm), func(b *testing.B) {
			f := newFixture(b, func(f *fixture) {
				if _, err := CreateKey(filepath.Join(f.dir, "keys"), []byte(passphrase), "bench", "bench", algorithm, keyMade, 0); err != nil {
					b.Fatal(err)
				}
			})
			raw := pack(b, 24<<10)
			digest := f.record.recordRPM(raw)
			rpm := file(b, raw)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := f.SignRPM(b.Context(), "bench", rpm, digest); err != nil {
						b.Error(err)
						return
					}
				}
			})
			if info, err := os.Stat(filepath.Join(f.dir, auditFile)); err == nil {
				b.ReportMetric(float64(info.Size())/float64(b.N), "log-B/op")
			}
		})
	}
}
