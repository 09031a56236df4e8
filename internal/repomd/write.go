package repomd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Entry is one package of a repository.
type Entry struct {
	rpmfile.NEVRA
	SHA256 string // of the RPM, lower-case hex
	Fragments
}

// Compare is the order of packages in a repository: name, epoch, version and
// release as rpm orders them, architecture, checksum.
func Compare(a, b Entry) int {
	return cmp.Or(
		cmp.Compare(a.Name, b.Name),
		rpmfile.CompareEVR(a.NEVRA, b.NEVRA),
		cmp.Compare(a.Arch, b.Arch),
		cmp.Compare(a.SHA256, b.SHA256),
	)
}

// Options are what a repository consists of besides its packages.
type Options struct {
	// Revision is the text of repomd.xml's <revision>, such as the number of
	// the generation. Required.
	Revision string
	// Timestamp is the <timestamp> of every document, seconds since 1970.
	// It must not go back between generations of one repository: yum keeps
	// what it has when newly fetched metadata has an older timestamp.
	Timestamp int64
	// Comps is the text of comps.xml; nil for none.
	Comps []byte
	// Modules is the text of modules.yaml; nil for none.
	Modules []byte
}

// WriteEmpty writes a repository without packages.
func WriteEmpty(ctx context.Context, dir string, opts Options) (Repomd, error) {
	return Write(ctx, dir, 0, func(func(Entry, error) bool) {}, opts)
}

// Write makes the directory repodata in dir, which must exist and must not hold
// one (the error then wraps fs.ErrExist), from exactly count entries in
// ascending order of Compare. An error that the sequence yields is returned as
// it is; a wrong count or order wraps ErrOrder.
//
// Documents are gzip-compressed, carry their SHA-256 in their names and are
// synced to disk before repomd.xml appears, which is last. After an error the
// directory repodata is removed again; after a crash it may stand there without
// repomd.xml.
func Write(ctx context.Context, dir string, count int, entries iter.Seq2[Entry, error], opts Options) (_ Repomd, err error) {
	if opts.Revision == "" {
		return Repomd{}, errors.New("repomd: write: no revision given")
	}
	parent, err := os.OpenRoot(dir)
	if err != nil {
		return Repomd{}, fmt.Errorf("repomd: write: %w", err)
	}
	defer parent.Close()
	if err := parent.Mkdir("repodata", 0o755); err != nil {
		return Repomd{}, fmt.Errorf("repomd: write to %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, parent.RemoveAll("repodata"))
		}
	}()
	root, err := parent.OpenRoot("repodata")
	if err != nil {
		return Repomd{}, fmt.Errorf("repomd: write to %s: %w", dir, err)
	}
	defer root.Close()

	md := Repomd{Revision: opts.Revision}
	if md.Data, err = writePackages(ctx, root, count, entries); err != nil {
		return Repomd{}, err
	}
	extra, err := writeExtra(root, opts)
	if err != nil {
		return Repomd{}, err
	}
	md.Data = append(md.Data, extra...)
	for i := range md.Data {
		md.Data[i].Timestamp = opts.Timestamp
	}
	if err := publish(root, md); err != nil {
		return Repomd{}, err
	}
	return md, syncDir(parent)
}

// packageDocuments are the three documents that list packages, in the order of
// repomd.xml.
var packageDocuments = [...]struct {
	name, root, namespaces string
	of                     func(Entry) []byte
}{
	{"primary", "metadata", `xmlns="` + nsCommon + `" xmlns:rpm="` + nsRPM + `"`, func(e Entry) []byte { return e.Primary }},
	{"filelists", "filelists", `xmlns="` + nsFilelists + `"`, func(e Entry) []byte { return e.Filelists }},
	{"other", "otherdata", `xmlns="` + nsOther + `"`, func(e Entry) []byte { return e.Other }},
}

const (
	nsCommon    = "http://linux.duke.edu/metadata/common"
	nsFilelists = "http://linux.duke.edu/metadata/filelists"
	nsOther     = "http://linux.duke.edu/metadata/other"
	nsRepo      = "http://linux.duke.edu/metadata/repo"
	nsRPM       = "http://linux.duke.edu/metadata/rpm"

	xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
)

func writePackages(ctx context.Context, root *os.Root, count int, entries iter.Seq2[Entry, error]) (_ []Data, err error) {
	var files [len(packageDocuments)]*dataFile
	defer func() {
		for _, f := range files {
			f.abort()
		}
	}()
	for i, doc := range packageDocuments {
		if files[i], err = createData(root, doc.name, ".xml", true); err != nil {
			return nil, err
		}
		fmt.Fprintf(files[i], "%s<%s %s packages=\"%d\">\n", xmlHeader, doc.root, doc.namespaces, count)
	}
	var last Entry
	n := 0
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if n > 0 && Compare(last, e) >= 0 {
			return nil, fmt.Errorf("repomd: write: %s (%.12s) after %s (%.12s): %w", e.NEVRA, e.SHA256, last.NEVRA, last.SHA256, ErrOrder)
		}
		last = e
		n++
		for i, doc := range packageDocuments {
			if _, err := files[i].Write(doc.of(e)); err != nil {
				return nil, fmt.Errorf("repomd: write %s: %w", doc.name, err)
			}
		}
	}
	if n != count {
		return nil, fmt.Errorf("repomd: write: %d packages given, %d announced: %w", n, count, ErrOrder)
	}
	data := make([]Data, len(files))
	for i, doc := range packageDocuments {
		fmt.Fprintf(files[i], "</%s>", doc.root) // no newline, as createrepo_c
		if data[i], err = files[i].finish(); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// writeExtra writes comps.xml, plain and compressed as createrepo_c -g does
// for old and new clients, and modules.yaml.
func writeExtra(root *os.Root, opts Options) ([]Data, error) {
	var data []Data
	for _, extra := range []struct {
		kind, name, suffix string
		compress           bool
		text               []byte
	}{
		{"group", "comps", ".xml", false, opts.Comps},
		{"group_gz", "comps", ".xml", true, opts.Comps},
		{"modules", "modules", ".yaml", true, opts.Modules},
	} {
		if extra.text == nil {
			continue
		}
		d, err := writeData(root, extra.name, extra.suffix, extra.compress, extra.text)
		if err != nil {
			return nil, err
		}
		d.Type = extra.kind
		data = append(data, d)
	}
	return data, nil
}

// publish makes repomd.xml appear, complete and after everything it names.
func publish(root *os.Root, md Repomd) error {
	const tmp = ".repomd.xml"
	if err := syncDir(root); err != nil {
		return err
	}
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("repomd: write repomd.xml: %w", err)
	}
	_, err = f.Write(md.XML())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("repomd: write repomd.xml: %w", err)
	}
	if err := root.Rename(tmp, "repomd.xml"); err != nil {
		return fmt.Errorf("repomd: write repomd.xml: %w", err)
	}
	return syncDir(root)
}

func syncDir(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("repomd: sync: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("repomd: sync: %w", err)
	}
	return nil
}
