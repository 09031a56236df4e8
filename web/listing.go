package web

import (
	"cmp"
	"io/fs"
	"net/http"
	"slices"
	"strings"
)

// dirEntry is a line of a listing.
type dirEntry struct {
	Name string
	Dir  bool
	Info fs.FileInfo
}

// dirView is what a listing shows.
type dirView struct {
	Path    string
	Up      string
	Entries []dirEntry
}

// listDir lists the files and directories of a directory.
func (s *server) listDir(w http.ResponseWriter, r *http.Request, tree publicTree, name string) error {
	found, err := fs.ReadDir(tree.root.FS(), name)
	if err != nil {
		return notThere(err)
	}
	data := dirView{Path: r.URL.Path, Up: "../"}
	if name == "." {
		data.Up = tree.up
	}
	for _, entry := range found {
		info, err := entry.Info()
		if err != nil || strings.HasPrefix(entry.Name(), ".") || !info.IsDir() && !info.Mode().IsRegular() {
			continue
		}
		data.Entries = append(data.Entries, dirEntry{Name: entry.Name(), Dir: info.IsDir(), Info: info})
	}
	slices.SortStableFunc(data.Entries, func(a, b dirEntry) int {
		if a.Dir != b.Dir {
			if a.Dir {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	s.render(w, r, http.StatusOK, &view{page: "dir", Title: r.URL.Path, Data: data})
	return nil
}
