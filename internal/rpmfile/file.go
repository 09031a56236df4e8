package rpmfile

import "fmt"

// Bounds of the file list: dir names are shared by many files, so a small
// header can describe gigabytes of paths.
const (
	maxPath      = 4096     // PATH_MAX
	maxPathBytes = 64 << 20 // all paths of one package
)

// FileFlags say what kind of file an entry of %files was (rpm's
// rpmfileAttrs).
type FileFlags uint32

// The file flags distbot looks at.
const (
	FileConfig  FileFlags = 1 << 0
	FileDoc     FileFlags = 1 << 1
	FileGhost   FileFlags = 1 << 6
	FileLicense FileFlags = 1 << 7
)

// Type bits of File.Mode, as in stat(2).
const (
	modeType    = 0o170000
	modeDir     = 0o040000
	modeRegular = 0o100000
	modeSymlink = 0o120000
)

// File is one entry of a package's file list.
type File struct {
	Path   string // absolute; in a source RPM the plain file name
	Mode   uint16 // type and permission bits as in stat(2)
	Size   int64  // bytes
	Digest string // hex, empty for anything but regular files; nearly always SHA-256
	Flags  FileFlags
	LinkTo string // target of a symbolic link
	User   string
	Group  string
	// Caps are the file's capabilities as text, such as "cap_net_raw=ep".
	Caps string
	// RDev is the device a device node stands for.
	RDev uint16
	// VerifyFlags say what rpm -V looks at.
	VerifyFlags uint32
	// State is that of an installed file; packages that were not installed have
	// none, which is 0.
	State byte

	device, inode int64 // equal for hard links of one file
}

// IsDir says whether the entry is a directory.
func (f File) IsDir() bool { return f.Mode&modeType == modeDir }

// IsRegular says whether the entry is a regular file.
func (f File) IsRegular() bool { return f.Mode&modeType == modeRegular }

// IsSymlink says whether the entry is a symbolic link.
func (f File) IsSymlink() bool { return f.Mode&modeType == modeSymlink }

// IsGhost says whether the package owns the path without shipping the file.
func (f File) IsGhost() bool { return f.Flags&FileGhost != 0 }

// fileColumns are the per-file tags, each of the file list's length or empty.
type fileColumns struct {
	base, digests, links, users, groups, caps                   []string
	dirIndexes, sizes, modes, flags, devs, inode, rdevs, verify []int64
	states                                                      []byte
}

func (t tags) fileColumns() (fileColumns, error) {
	c := fileColumns{base: t.strs(tagBaseNames)}
	n := len(c.base)
	for _, col := range []struct {
		what string
		into *[]string
		tag  int
	}{
		{"file digests", &c.digests, tagFileDigests},
		{"file link targets", &c.links, tagFileLinkTos},
		{"file users", &c.users, tagFileUserName},
		{"file groups", &c.groups, tagFileGroupName},
		{"file capabilities", &c.caps, tagFileCaps},
	} {
		v, err := perItem(col.what, t.strs(col.tag), n)
		if err != nil {
			return c, err
		}
		*col.into = v
	}
	sizes := tagFileSizes
	if len(t.ints(tagLongFileSizes)) > 0 {
		sizes = tagLongFileSizes
	}
	for _, col := range []struct {
		what string
		into *[]int64
		tag  int
	}{
		{"directory indexes", &c.dirIndexes, tagDirIndexes},
		{"file sizes", &c.sizes, sizes},
		{"file modes", &c.modes, tagFileModes},
		{"file flags", &c.flags, tagFileFlags},
		{"file devices", &c.devs, tagFileDevices},
		{"file inodes", &c.inode, tagFileInodes},
		{"device numbers", &c.rdevs, tagFileRDevs},
		{"file verify flags", &c.verify, tagFileVerifyFlags},
	} {
		v, err := perItem(col.what, t.ints(col.tag), n)
		if err != nil {
			return c, err
		}
		*col.into = v
	}
	var err error
	c.states, err = perItem("file states", t.bytes(tagFileStates), n)
	return c, err
}

func (t tags) files() ([]File, error) {
	if len(t.strs(tagOldFilenames)) > 0 {
		return nil, fmt.Errorf("file names without directory indexes (rpm before 4.0): %w", ErrMalformed)
	}
	c, err := t.fileColumns()
	if err != nil || len(c.base) == 0 {
		return nil, err
	}
	dirs := t.strs(tagDirNames)
	files := make([]File, len(c.base))
	total := 0
	for i, base := range c.base {
		d := at(c.dirIndexes, i)
		if d < 0 || d >= int64(len(dirs)) {
			return nil, fmt.Errorf("file %q: directory index %d of %d: %w", clip(base), d, len(dirs), ErrMalformed)
		}
		length := len(dirs[d]) + len(base)
		if total += length; length > maxPath || total > maxPathBytes {
			return nil, fmt.Errorf("file paths: %w", ErrTooLarge)
		}
		files[i] = File{
			Path:   dirs[d] + base,
			Mode:   uint16(at(c.modes, i)),
			Size:   at(c.sizes, i),
			Digest: at(c.digests, i),
			Flags:  FileFlags(at(c.flags, i)),
			LinkTo: at(c.links, i),
			User:   at(c.users, i),
			Group:  at(c.groups, i),
			Caps:   at(c.caps, i),
			RDev:   uint16(at(c.rdevs, i)),
			State:  at(c.states, i),
			device: at(c.devs, i),
			inode:  at(c.inode, i),

			VerifyFlags: uint32(at(c.verify, i)),
		}
		if files[i].Size < 0 {
			return nil, fmt.Errorf("file %q: negative size: %w", clip(base), ErrMalformed)
		}
	}
	return files, nil
}

// clip shortens hostile text for an error message.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
