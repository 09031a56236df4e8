package repomd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Entry is one package of a repository with its metadata.
type Entry struct {
	rpmfile.NEVRA
	SHA256 string // of the RPM, lower-case hex
	Fragments
}

// Compare is the order of packages in a repository: name, epoch, version and
// release as rpm orders them, architecture, checksum.
func Compare(a, b Entry) int {
	return comparePackages(a.NEVRA, b.NEVRA, a.SHA256, b.SHA256)
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
	// Stamp gives Revision and Timestamp where they depend on the documents,
	// which it is told when all are written; nil for those above.
	Stamp func(documents Repomd) (revision string, timestamp int64)
	// Comps is the text of comps.xml; nil for none.
	Comps []byte
	// Modules is the text of modules.yaml; nil for none.
	Modules []byte
	// Updateinfo is the text of updateinfo.xml; nil for none.
	Updateinfo []byte
	// Compression of the documents; Gzip when empty. The compressed comps.xml
	// is gzip always, since clients look for a record of that name.
	Compression Compression
	// Replace lets the repository have repodata already: the new documents
	// appear beside the old ones, and repomd.xml takes the place of the old
	// one at last, so that a reader finds the old repository or the new one.
	// Where its text is another, repomd.xml.asc, which would fit no more, is
	// removed before, so that no reader ever finds it beside the new one.
	// The caller sees to it that nobody else writes there, and removes the old
	// documents with Prune when nobody reads them any more.
	Replace bool
	// Keep are records of documents that lie in repodata already and are
	// listed again as they are. For Replace.
	Keep []Data
}

// WriteEmpty writes a repository without packages.
func WriteEmpty(ctx context.Context, dir string, opts Options) (Repomd, error) {
	return Write(ctx, dir, 0, func(func(Entry, error) bool) {}, opts)
}

// Write makes the directory repodata in dir, which must exist and, without
// opts.Replace, must not hold one (the error then wraps fs.ErrExist), from
// exactly count entries in ascending order of Compare. An error that the
// sequence yields is returned as it is; a wrong count or order wraps ErrOrder.
//
// Documents carry their SHA-256 in their names and are synced to disk before
// repomd.xml appears, which is last. After an error the directory repodata is
// removed again, or has its old repomd.xml, maybe without the signature; only
// where the error wraps ErrNotSynced it has the new one, which is returned.
// After a crash the directory may stand there without repomd.xml.
func Write(ctx context.Context, dir string, count int, entries iter.Seq2[Entry, error], opts Options) (Repomd, error) {
	return write(dir, opts, func(root *os.Root) ([]Data, error) {
		return writeEntries(ctx, root, opts.Compression, count, entries)
	})
}

// write makes repodata in dir, with the documents that list packages as
// packages writes them.
func write(dir string, opts Options, packages func(*os.Root) ([]Data, error)) (_ Repomd, err error) {
	if opts.Revision == "" && opts.Stamp == nil {
		return Repomd{}, errors.New("repomd: write: no revision given")
	}
	parent, err := os.OpenRoot(dir)
	if err != nil {
		return Repomd{}, fmt.Errorf("repomd: write: %w", err)
	}
	defer parent.Close()
	err = parent.Mkdir("repodata", 0o755)
	existed := opts.Replace && errors.Is(err, fs.ErrExist)
	if err != nil && !existed {
		return Repomd{}, fmt.Errorf("repomd: write to %s: %w", dir, err)
	}
	defer func() {
		if err != nil && !existed && !errors.Is(err, ErrNotSynced) {
			err = errors.Join(err, parent.RemoveAll("repodata"))
		}
	}()
	root, err := parent.OpenRoot("repodata")
	if err != nil {
		return Repomd{}, fmt.Errorf("repomd: write to %s: %w", dir, err)
	}
	defer root.Close()

	var md Repomd
	if md.Data, err = packages(root); err != nil {
		return Repomd{}, err
	}
	extra, err := writeExtra(root, opts)
	if err != nil {
		return Repomd{}, err
	}
	md.Data = append(md.Data, extra...)
	opts.stamp(&md)
	if err := publish(root, md.XML(), syncDir); err != nil {
		return md, err
	}
	if existed {
		return md, nil
	}
	return md, syncDir(parent)
}

// stamp completes a description of the documents that were written.
func (o Options) stamp(md *Repomd) {
	written := len(md.Data)
	md.Data = append(md.Data, o.Keep...)
	timestamp := o.Timestamp
	if md.Revision = o.Revision; o.Stamp != nil {
		md.Revision, timestamp = o.Stamp(*md)
	}
	for i := range written {
		md.Data[i].Timestamp = timestamp
	}
}

// packageDocuments are the three documents that list packages, in the order of
// repomd.xml.
var packageDocuments = [...]struct {
	name, root, namespaces string
	of                     func(Fragments) []byte
}{
	{"primary", "metadata", `xmlns="` + nsCommon + `" xmlns:rpm="` + nsRPM + `"`, func(f Fragments) []byte { return f.Primary }},
	{"filelists", "filelists", `xmlns="` + nsFilelists + `"`, func(f Fragments) []byte { return f.Filelists }},
	{"other", "otherdata", `xmlns="` + nsOther + `"`, func(f Fragments) []byte { return f.Other }},
}

const (
	nsCommon    = "http://linux.duke.edu/metadata/common"
	nsFilelists = "http://linux.duke.edu/metadata/filelists"
	nsOther     = "http://linux.duke.edu/metadata/other"
	nsRepo      = "http://linux.duke.edu/metadata/repo"
	nsRPM       = "http://linux.duke.edu/metadata/rpm"

	xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
)

// documentWriter writes one of the packageDocuments.
type documentWriter struct {
	*dataFile
	compression Compression
	doc         int
}

func createDocument(root *os.Root, doc int, compression Compression, count int) (*documentWriter, error) {
	if compression == "" {
		compression = Gzip
	}
	d := packageDocuments[doc]
	f, err := createData(root, d.name, ".xml"+compression.suffix(), true)
	if err != nil {
		return nil, err
	}
	w := &documentWriter{dataFile: f, compression: compression, doc: doc}
	if err := w.write(fmt.Appendf(nil, "%s<%s %s packages=\"%d\">\n", xmlHeader, d.root, d.namespaces, count)); err != nil {
		w.abort()
		return nil, err
	}
	return w, nil
}

// write adds text as a member of its own.
func (w *documentWriter) write(text []byte) error {
	member, err := w.compression.member(text)
	if err != nil {
		return err
	}
	w.text(text)
	w.member(member)
	return nil
}

// end closes the document.
func (w *documentWriter) end() (Data, error) {
	// No newline, as createrepo_c.
	if err := w.write([]byte("</" + packageDocuments[w.doc].root + ">")); err != nil {
		return Data{}, err
	}
	return w.finish()
}

// writeEntries writes the documents of packages that come one by one.
func writeEntries(ctx context.Context, root *os.Root, compression Compression, count int, entries iter.Seq2[Entry, error]) (_ []Data, err error) {
	var writers [len(packageDocuments)]*documentWriter
	defer func() {
		for _, w := range writers {
			if w != nil {
				w.abort()
			}
		}
	}()
	for i := range writers {
		if writers[i], err = createDocument(root, i, compression, count); err != nil {
			return nil, err
		}
	}
	var texts [len(packageDocuments)][]byte
	flush := func() error {
		for i, w := range writers {
			if err := w.write(texts[i]); err != nil {
				return err
			}
			texts[i] = texts[i][:0]
		}
		return nil
	}
	var last Entry
	var cut cutter
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
		if cut.next(e.NEVRA, e.SHA256) {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		last = e
		n++
		for i, doc := range packageDocuments {
			texts[i] = append(texts[i], doc.of(e.Fragments)...)
		}
	}
	if n != count {
		return nil, fmt.Errorf("repomd: write: %d packages given, %d announced: %w", n, count, ErrOrder)
	}
	if n > 0 {
		if err := flush(); err != nil {
			return nil, err
		}
	}
	data := make([]Data, len(writers))
	for i, w := range writers {
		if data[i], err = w.end(); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// writeExtra writes comps.xml, plain and compressed as createrepo_c -g does
// for old and new clients, modules.yaml and updateinfo.xml.
func writeExtra(root *os.Root, opts Options) ([]Data, error) {
	compression := opts.Compression
	if compression == "" {
		compression = Gzip
	}
	var data []Data
	for _, extra := range []struct {
		kind, name, suffix string
		compression        Compression
		text               []byte
	}{
		{"group", "comps", ".xml", "", opts.Comps},
		{"group_gz", "comps", ".xml", Gzip, opts.Comps},
		{"modules", "modules", ".yaml", compression, opts.Modules},
		{"updateinfo", "updateinfo", ".xml", compression, opts.Updateinfo},
	} {
		if extra.text == nil {
			continue
		}
		d, err := writeData(root, extra.name, extra.suffix, extra.compression, extra.text)
		if err != nil {
			return nil, err
		}
		d.Type = extra.kind
		data = append(data, d)
	}
	return data, nil
}
