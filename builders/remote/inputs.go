package remote

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"

	"github.com/distbot/distbot/internal/store"
)

// sources checks the sources of a source task out and sends them as a tar, whose
// end says that it is whole.
func (s *Server) sources(w http.ResponseWriter, r *request) (err error) {
	attempt, err := s.attempt(r)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.WorkDir, "sources-")
	if err != nil {
		return fmt.Errorf("remote: make directory for sources: %w", err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			s.Logger.Warn("remote: remove sources", "error", err)
		}
	}()
	if _, err := attempt.Prepare(r.Context(), dir); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-tar")
	if err := writeTar(w, dir); err != nil {
		// The answer has begun: breaking it off is all that can be said.
		s.Logger.Warn("remote: send sources", "host", r.peer.Name, "claim", r.claim.String(), "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// writeTar writes the directories and regular files below dir. Nothing else is
// ever checked out.
func writeTar(w io.Writer, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	out := tar.NewWriter(w)
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		header := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime().Truncate(time.Second), Format: tar.FormatPAX}
		switch {
		case info.IsDir():
			header.Typeflag, header.Name = tar.TypeDir, name+"/"
			return out.WriteHeader(header)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is no regular file", name)
		}
		header.Typeflag, header.Size = tar.TypeReg, info.Size()
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		file, err := root.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(out, file)
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}

// sourcePackage sends what packages are built from.
func (s *Server) sourcePackage(w http.ResponseWriter, r *request) error {
	attempt, err := s.attempt(r)
	if err != nil {
		return err
	}
	source, err := attempt.SourcePackage(r.Context())
	if err != nil {
		return err
	}
	file, err := s.Stages.Store.OpenBlob(store.Blob{SHA256: source.SHA256, Size: source.Size})
	if err != nil {
		return err
	}
	defer file.Close()
	w.Header().Set("Etag", strconv.Quote(source.SHA256))
	http.ServeContent(w, r.Request, "source-package.rpm", time.Time{}, file)
	return nil
}

// repo sends a file of a repository that the attempt's buildroot is made of.
func (s *Server) repo(w http.ResponseWriter, r *request) error {
	place, err := strconv.ParseInt(r.PathValue("repo"), 10, 32)
	if err != nil || place < 0 {
		return bad("%.40q is no repository", r.PathValue("repo"))
	}
	if err := s.Stages.Check(r.Context(), r.holder(), r.claim, r.token); err != nil {
		return err
	}
	dir, err := s.Stages.SharedRepo(r.Context(), r.claim, int32(place))
	if err != nil {
		return err
	}
	file, info, err := openBelow(r.Context(), dir, r.PathValue("path"))
	if err != nil {
		return err
	}
	defer file.Close()
	if mime.TypeByExtension(path.Ext(info.Name())) == "" {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	http.ServeContent(w, r.Request, info.Name(), info.ModTime(), file)
	return nil
}

// openBelow opens a regular file below a directory, wherever links lead. The
// error is fs.ErrNotExist for everything else.
func openBelow(ctx context.Context, dir, name string) (*os.File, fs.FileInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("remote: open repository: %w", err)
	}
	defer root.Close()
	if !fs.ValidPath(name) {
		return nil, nil, fs.ErrNotExist
	}
	name = filepath.FromSlash(name)
	info, err := root.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil, errors.Join(fs.ErrNotExist, err)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, nil, errors.Join(fs.ErrNotExist, err)
	}
	return file, info, nil
}
