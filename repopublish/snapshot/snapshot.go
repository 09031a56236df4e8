package snapshot

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"time"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
)

const (
	repomdHref     = "repodata/repomd.xml"
	maxRepomdBytes = 4 << 20
	// maxDocumentBytes bounds a document, compressed, of which repomd.xml gives
	// no size or a larger one.
	maxDocumentBytes = 512 << 20
	defaultAttempts  = 5
	defaultPause     = time.Second
)

// Options say how a repository is read.
type Options struct {
	// CacheDir keeps what was fetched, by checksum, for later runs; several may
	// use it at once. Empty for a directory that goes with the snapshot.
	CacheDir string
	// Reread fetches what is in the cache already once more, so that what is
	// read is what the server has now. The cache gets it.
	Reread bool
	// Documents are the types that are read; default primary, filelists and
	// modules. Those the repository lacks are not missed, except primary.
	Documents []string
	// All reads every document that repomd.xml names.
	All bool
	// Attempts is how often a repository that changes is read; default 5.
	Attempts int
	// Pause is waited before the second attempt, and twice as long before each
	// further one; default 1 s.
	Pause time.Duration
	// Patience is how long a download may be slower than 1000 B/s before it is
	// tried again; default 30 s.
	Patience time.Duration
	// Retrying is told why something is fetched once more, before the pause,
	// concurrently; nil for nobody.
	Retrying func(why error)
	// Client fetches; default NewClient.
	Client *http.Client
}

// Snapshot is one moment of a repository. It is a file system of the documents
// that were read and of repomd.xml, each as it lay in the repository.
type Snapshot struct {
	Source
	Repomd repomd.Repomd

	text      []byte // of repomd.xml
	origin    origin
	fetchAll  bool
	documents map[string]*os.File // by cleaned href
}

// origin is where files come from.
type origin interface {
	// small returns a file of at most limit bytes.
	small(ctx context.Context, href string, limit int64) ([]byte, error)
	// file opens a file of at most w.limit bytes that w describes. What it
	// describes is checked by the caller.
	file(ctx context.Context, w wanted) (*os.File, error)
	// size is that of a file; -1 where the server does not tell.
	size(ctx context.Context, href string) (int64, error)
	close() error
}

// wanted is a file with its checksum and a bound.
type wanted struct {
	href      string
	kind, sum string
	size      int64 // 0 when unknown
	limit     int64
	cacheName string
}

// Open reads a repository. The error wraps ErrUnstable, ErrNoRepository, an
// error of package repomd, or is that of the file system, network or context.
// Close the snapshot.
func Open(ctx context.Context, source Source, opts Options) (*Snapshot, error) {
	if opts.Attempts == 0 {
		opts.Attempts = defaultAttempts
	}
	if opts.Pause == 0 {
		opts.Pause = defaultPause
	}
	if opts.Documents == nil {
		opts.Documents = []string{"primary", "filelists", "modules"}
	}
	s := &Snapshot{Source: source}
	var err error
	if source.IsURL() {
		s.origin, err = openWeb(source, opts)
	} else {
		s.origin, err = openDirectory(source.Location)
	}
	if err == nil {
		s.fetchAll = opts.All
		err = s.readStable(ctx, opts)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("snapshot: read %s: %w", source, err), s.Close())
	}
	return s, nil
}

// Close releases what the snapshot holds; a cache directory stays.
func (s *Snapshot) Close() error {
	s.forget()
	if s.origin == nil {
		return nil
	}
	return s.origin.close()
}

func (s *Snapshot) forget() {
	for _, f := range s.documents {
		f.Close()
	}
	s.documents = map[string]*os.File{}
}

// readStable reads until the documents are those of repomd.xml.
func (s *Snapshot) readStable(ctx context.Context, opts Options) error {
	pause := opts.Pause
	changed := false
	for attempt := 1; ; attempt++ {
		before := s.text
		err := s.read(ctx, opts.Documents)
		changed = changed || attempt > 1 && !bytes.Equal(before, s.text)
		switch {
		case err == nil:
			return nil
		case !isChange(err):
			return err
		case attempt == opts.Attempts:
			why := "repomd.xml has been the same all the time, so the repository is damaged or its mirrors are out of step"
			if changed {
				why = "it changes faster than it can be read"
			}
			return fmt.Errorf("%w (read %d times; %s): %w", err, attempt, why, ErrUnstable)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		pause *= 2
	}
}

// isChange says whether err may come of a change while reading. That
// repomd.xml itself is missing is none.
func isChange(err error) bool {
	return !errors.Is(err, ErrNoRepository) && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, repomd.ErrChecksum))
}

// read reads the repository once.
func (s *Snapshot) read(ctx context.Context, types []string) error {
	s.forget()
	text, err := s.origin.small(ctx, repomdHref, maxRepomdBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", err, ErrNoRepository)
	}
	if err != nil {
		return err
	}
	s.text = text
	if s.Repomd, err = repomd.ReadRepomd(bytes.NewReader(text)); err != nil {
		return err
	}
	if _, ok := s.Repomd.Find("primary"); !ok {
		return fmt.Errorf("repomd.xml names no primary: %w", repomd.ErrMalformed)
	}
	for _, d := range s.Repomd.Data {
		if !s.fetchAll && !slices.Contains(types, d.Type) {
			continue
		}
		f, err := s.document(ctx, d)
		if err != nil {
			return err
		}
		s.documents[path.Clean(d.Href)] = f
	}
	return nil
}

func (s *Snapshot) document(ctx context.Context, d repomd.Data) (*os.File, error) {
	kind, sum, err := d.Checksum()
	if err != nil {
		// Reading again won't help.
		return nil, fmt.Errorf("%s: repomd.xml gives neither SHA-256 nor SHA-512, and nothing else is believed: %w", d.Type, repomd.ErrMalformed)
	}
	limit := int64(maxDocumentBytes)
	if d.Size > 0 {
		limit = min(limit, d.Size)
	}
	f, err := s.origin.file(ctx, wanted{d.Href, kind, sum, d.Size, limit, "documents/" + kind + "-" + sum})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Type, err)
	}
	if err := check(f, kind, sum, d.Size, limit); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", d.Type, err)
	}
	return f, nil
}

// check reads a file and sets it back to its beginning. The error wraps
// repomd.ErrChecksum unless reading fails.
func check(f *os.File, kind, want string, size, limit int64) error {
	sum, err := repomd.NewHash(kind)
	if err != nil {
		return err
	}
	n, err := io.Copy(sum, io.LimitReader(io.NewSectionReader(f, 0, limit+1), limit+1))
	if err != nil {
		return err
	}
	return wanted{kind: kind, sum: want, size: size, limit: limit}.compare(n, hex.EncodeToString(sum.Sum(nil)))
}

// compare says whether the file that was read, of n bytes, is that one. The error
// wraps repomd.ErrChecksum.
func (w wanted) compare(n int64, sum string) error {
	switch {
	case n > w.limit || w.size > 0 && n != w.size:
		return fmt.Errorf("its size is not the %d bytes that are expected: %w", w.size, repomd.ErrChecksum)
	case sum != w.sum:
		return fmt.Errorf("its %s is %s, expected %s: %w", w.kind, sum, w.sum, repomd.ErrChecksum)
	}
	return nil
}

// Has says whether the snapshot has a document of that type.
func (s *Snapshot) Has(kind string) bool {
	d, ok := s.Repomd.Find(kind)
	return ok && s.documents[path.Clean(d.Href)] != nil
}

// Document returns the decompressed content of a document, which is checked
// once more while it is read into memory. The error wraps fs.ErrNotExist when
// the snapshot has none of that type.
func (s *Snapshot) Document(kind string) (io.ReadCloser, error) {
	d, ok := s.Repomd.Find(kind)
	if !ok {
		return nil, fmt.Errorf("snapshot: %s has no %s: %w", s.Source, kind, fs.ErrNotExist)
	}
	r, err := d.Open(s)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %s: %w", s.Source, err)
	}
	return r, nil
}

// Packages calls visit for every package of primary.xml, in its order.
func (s *Snapshot) Packages(ctx context.Context, visit func(repomd.PrimaryPackage) error) error {
	r, err := s.Document("primary")
	if err != nil {
		return err
	}
	defer r.Close()
	err = repomd.ReadPrimary(r, func(p repomd.PrimaryPackage) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		return visit(p)
	})
	if err != nil {
		return fmt.Errorf("snapshot: %s: %w", s.Source, err)
	}
	return nil
}

// Modules are the repository's module documents; an empty index if it has
// none. What is wrong with single documents is in the index's Findings, under
// the snapshot's name.
func (s *Snapshot) Modules() (*modulemd.Index, error) {
	if !s.Has("modules") {
		return &modulemd.Index{}, nil
	}
	r, err := s.Document("modules")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	index, err := modulemd.ReadFrom(r, modulemd.ReadOptions{Source: s.Name})
	if err != nil {
		return nil, fmt.Errorf("snapshot: %s: %w", s.Source, err)
	}
	return index, nil
}
