package modulemd_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/modulemd"
)

// repository is the module documents of a repository with that many streams,
// each of about 10 kB as in a distribution.
func repository(streams int) []byte {
	var b bytes.Buffer
	for i := range streams {
		name := fmt.Sprintf("module%03d", i/3)
		if i%3 == 0 {
			b.WriteString(defaultStream(name, "1"))
		}
		head := strings.TrimSuffix(module(name, fmt.Sprint(1+i%3), 8_000_000_000+i, "9edba152", "platform: [el8]"), "...\n")
		b.WriteString(head)
		b.WriteString("  profiles:\n    common:\n      rpms:\n      - package0\n      - package1\n")
		b.WriteString("  api:\n    rpms:\n")
		for j := range 20 {
			fmt.Fprintf(&b, "    - package%d\n", j)
		}
		b.WriteString("  components:\n    rpms:\n")
		for j := range 20 {
			fmt.Fprintf(&b, "      package%d:\n        rationale: Build dependency of the others.\n        ref: 0dd51b9db14a4a8ae1ac52bf8c8bcbbd3a26e6f%d\n        arches: [aarch64, i686, ppc64le, s390x, x86_64]\n", j, j%10)
		}
		b.WriteString("  artifacts:\n    rpms:\n")
		for j := range 80 {
			fmt.Fprintf(&b, "    - package%d-0:1.%d-%d.module+el8.3.0+6498+9eecfe51.x86_64\n", j, i, j)
		}
		b.WriteString("...\n")
	}
	return b.Bytes()
}

// BenchmarkRead reads 1,000 streams, 10 MB.
func BenchmarkRead(b *testing.B) {
	text := repository(1000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		x, err := modulemd.Read(text, modulemd.ReadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if err := x.Err(); err != nil || len(x.Streams) != 1000 {
			b.Fatal(len(x.Streams), err)
		}
	}
}

// BenchmarkOf measures what is done with 1,000 streams that were read.
func BenchmarkOf(b *testing.B) {
	text := repository(1000)
	x, err := modulemd.Read(text, modulemd.ReadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"Check", func() error { x.Check(); return nil }},
		{"Dump", func() error { _, err := x.Dump(); return err }},
		{"Merge", func() error {
			_, err := modulemd.Merge([]modulemd.Part{{Name: "a", Index: x}, {Name: "b", Index: x}}, modulemd.MergeOptions{})
			return err
		}},
		{"Combinations", func() error {
			_, _, err := modulemd.Combinations(x, modulemd.ActivationOptions{Platform: "el8"})
			return err
		}},
		{"EditEach", func() error {
			for _, s := range x.Streams {
				_, err := s.Edit(modulemd.Edit{
					KeepRPM:      func(_, rpm string) bool { return rpm == "package0" },
					KeepArtifact: func(a string) bool { return strings.HasPrefix(a, "package0-") },
				})
				if err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
