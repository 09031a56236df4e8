package web

import (
	"cmp"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// dirEntry is a line of a listing.
type dirEntry struct {
	Name string
	Dir  bool
	Info fs.FileInfo
}

// crumb is a place above what is shown.
type crumb struct{ Name, URL string }

// dirView is what a listing shows.
type dirView struct {
	Path string
	// Above are the pages and directories above, Up the one directly above.
	Above   []crumb
	Up      string
	Entries []dirEntry
}

// Here is the last part of the path.
func (v dirView) Here() string { return path.Base(v.Path) }

// listDir lists the files and directories of a directory.
func (s *server) listDir(w http.ResponseWriter, r *http.Request, tree publicTree, name string) error {
	found, err := fs.ReadDir(tree.root.FS(), name)
	if err != nil {
		return notThere(err)
	}
	data := dirView{Path: r.URL.Path, Above: tree.placesAbove(name), Up: "../"}
	if name == "." {
		data.Up = data.Above[len(data.Above)-1].URL
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
	s.render(w, r, http.StatusOK, &view{page: "dir", Title: r.URL.Path, Nav: tree.nav, Plain: true, Data: data})
	return nil
}

// placesAbove are the pages and directories above a directory of the tree, from
// the outermost.
func (t publicTree) placesAbove(name string) []crumb {
	above := slices.Clone(t.above)
	if name == "." {
		return above
	}
	address := t.url
	if t.listed {
		above = append(above, crumb{"files", address})
	}
	parts := strings.Split(name, "/")
	for _, part := range parts[:len(parts)-1] {
		address += url.PathEscape(part) + "/"
		above = append(above, crumb{part, address})
	}
	return above
}
