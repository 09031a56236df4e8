package repomd

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Item is one package of a repository without its metadata.
type Item struct {
	rpmfile.NEVRA
	File
	// Origin is what the caller wants to remember of where the RPM came from,
	// such as the state of its file. A Cache gives it back and makes nothing
	// of it.
	Origin string
}

// key is all that the fragments of an item are made of: the RPM's bytes, and
// what Render was told besides.
type key struct {
	sha256 [sha256.Size]byte
	href   string
	time   int64
}

func (i Item) key() (key, error) {
	k := key{href: i.Href, time: i.Time}
	if n, err := hex.Decode(k.sha256[:], []byte(i.SHA256)); err != nil || n != len(k.sha256) {
		return key{}, fmt.Errorf("repomd: %s: %.80q is no SHA-256", i.NEVRA, i.SHA256)
	}
	return k, nil
}

// append adds the key to what identifies a block.
func (k key) append(b []byte) []byte {
	b = append(b, k.sha256[:]...)
	b = binary.AppendVarint(b, k.time)
	b = binary.AppendUvarint(b, uint64(len(k.href)))
	return append(b, k.href...)
}

// CompareItems is the order of packages in a repository: name, epoch, version
// and release as rpm orders them, architecture, checksum, location.
func CompareItems(a, b Item) int {
	return cmp.Or(comparePackages(a.NEVRA, b.NEVRA, a.SHA256, b.SHA256), cmp.Compare(a.Href, b.Href))
}

func comparePackages(a, b rpmfile.NEVRA, aSum, bSum string) int {
	if c := cmp.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return cmp.Or(rpmfile.CompareEVR(a, b), cmp.Compare(a.Arch, b.Arch), cmp.Compare(aSum, bSum))
}
