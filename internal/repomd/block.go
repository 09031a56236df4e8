package repomd

import (
	"hash/fnv"
	"io"

	"github.com/distbot/distbot/internal/rpmfile"
)

// A document that lists packages is made of blocks: runs of consecutive
// packages, each compressed by itself into one member (RFC 1952 §2.2; a frame
// for zstd), so that a repository in which one package changed is compressed
// again for that block only. Whether a block begins with a package follows from
// that package and from the name of the one before it: the same packages are
// cut alike whatever the repository was before, and a package that comes or
// goes moves no borders but those at its own place.
//
// There is one exception. A run of maxBlockPackages in which no block begins is
// cut there, since a block is held in memory; how the rest of such a run is cut
// depends on where it began. One package in 64 begins a block, so that a run of
// this length is by chance one in ten million.
const (
	// blockPackages is how many packages a block has on average.
	blockPackages = 64
	// maxBlockPackages is how many it has at most.
	maxBlockPackages = 16 * blockPackages
)

// cutter tells where blocks begin. The zero value stands before the first
// package.
type cutter struct {
	last string // name of the package before
	n    int    // packages in the current block
}

// next takes the next package, with its SHA-256, and says whether a new block
// begins with it. The first package begins none.
func (c *cutter) next(p rpmfile.NEVRA, sha256 string) bool {
	cut := c.n == maxBlockPackages
	switch {
	case c.n == 0 || cut:
	case p.Name != c.last:
		// So that another version of a package moves no border.
		cut = beginsBlock(p.Name)
	default:
		cut = beginsBlock(sha256)
	}
	if cut {
		c.n = 0
	}
	c.last = p.Name
	c.n++
	return cut
}

// beginsBlock says whether a package of this name, or one of several of the same
// name with this checksum, is the first of its block.
func beginsBlock(text string) bool {
	h := fnv.New64a()
	_, _ = io.WriteString(h, text) // a hash never fails
	sum := h.Sum64()
	// The low bits of FNV depend on the last letters only.
	return (sum^sum>>32)*0x9E3779B97F4A7C15>>32%blockPackages == 0
}
