package repomd

import "hash/fnv"

// A document that lists packages is made of blocks: runs of consecutive
// packages, each compressed by itself into one member (RFC 1952 §2.2; a frame
// for zstd), so that a repository in which one package changed is compressed
// again for that block only. Where blocks begin follows from the names of the
// packages around the place alone: the same packages are cut alike whatever the
// repository was before, and a package that comes or goes moves no other
// block's borders.

const (
	// blockPackages is how many packages a block has on average.
	blockPackages = 64
	// maxBlockPackages is how many it has at most.
	maxBlockPackages = 4 * blockPackages
)

// cutter tells where blocks begin. The zero value stands before the first
// package.
type cutter struct {
	last string // name of the package before
	n    int    // packages in the current block
}

// next takes the name of the next package and says whether a new block begins
// with it. The first package begins none.
func (c *cutter) next(name string) bool {
	cut := c.n == maxBlockPackages || c.n > 0 && name != c.last && beginsBlock(name)
	if cut {
		c.n = 0
	}
	c.last = name
	c.n++
	return cut
}

// beginsBlock says whether a package of this name is the first of its block.
func beginsBlock(name string) bool {
	h := fnv.New64a()
	h.Write([]byte(name))
	sum := h.Sum64()
	// The low bits of FNV depend on the last letters only.
	return (sum^sum>>32)*0x9E3779B97F4A7C15>>32%blockPackages == 0
}
