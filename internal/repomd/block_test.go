package repomd

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/distbot/distbot/internal/rpmfile"
)

// cuttable is a package as the cutter sees it.
type cuttable struct {
	rpmfile.NEVRA
	sha256 string
}

func toCut(name string, version int) cuttable {
	n := rpmfile.NEVRA{Name: name, Version: fmt.Sprint(version), Release: "1", Arch: "noarch"}
	sum := sha256.Sum256([]byte(n.String()))
	return cuttable{n, hex.EncodeToString(sum[:])}
}

// borders are the packages with which blocks begin.
func borders(packages []cuttable) (begin []string) {
	var c cutter
	for _, p := range packages {
		if c.next(p.NEVRA, p.sha256) {
			begin = append(begin, p.NEVRA.String())
		}
	}
	return begin
}

// Also in a run of one name that is longer than any block.
func TestAPackageMovesOnlyTheBordersAtItsPlace(t *testing.T) {
	t.Parallel()
	var packages []cuttable
	for i := range 1000 {
		packages = append(packages, toCut(fmt.Sprintf("a%04d", i), 1))
	}
	for i := range 5000 {
		packages = append(packages, toCut("kernel", i))
	}
	for i := range 1000 {
		packages = append(packages, toCut(fmt.Sprintf("z%04d", i), 1))
	}
	before := borders(packages)
	if n := len(packages) / blockPackages; len(before) < n/2 || len(before) > 2*n {
		t.Errorf("%d packages have %d blocks", len(packages), len(before))
	}
	for at := 1; at < len(packages); at += 53 {
		after := borders(slices.Delete(slices.Clone(packages), at, at+1))
		// That of the package itself goes, and the one behind it may come.
		gone, come := 0, 0
		for _, b := range before {
			if !slices.Contains(after, b) {
				gone++
			}
		}
		for _, b := range after {
			if !slices.Contains(before, b) {
				come++
			}
		}
		if gone > 1 || come > 1 {
			t.Fatalf("without %s %d borders are gone and %d have come", packages[at].NEVRA, gone, come)
		}
	}
}

func TestBlocksHaveABound(t *testing.T) {
	t.Parallel()
	same := toCut("a", 1)
	for version := 2; beginsBlock(same.sha256); version++ {
		same = toCut("a", version)
	}
	var c cutter
	for i := range 3 * maxBlockPackages {
		if got, want := c.next(same.NEVRA, same.sha256), i > 0 && i%maxBlockPackages == 0; got != want {
			t.Fatalf("package %d begins a block: %v", i, got)
		}
	}
}
