package web

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/tasklog"
)

//go:embed templates
var templates embed.FS

// queryTimeout bounds the making of a page.
const queryTimeout = 15 * time.Second

// view is one page before it is HTML.
type view struct {
	// page is the name of the template.
	page  string
	Title string
	// Nav is the entry of the navigation that the page belongs to.
	Nav string
	// Live is the path of the events that tell when the page is out of date;
	// empty for pages that nothing changes.
	Live string
	// Refresh reloads the page every few seconds where there is no JavaScript.
	Refresh bool
	// Plain is a page that has nothing for a script to do.
	Plain bool
	Data  any
	// status is 200 unless it is set.
	status int

	// The rest is filled in by render.
	Version   string
	RequestID string
	Style     string
	Script    string
}

// readPages parses every page together with the layout.
func (s *server) readPages() (map[string]*template.Template, error) {
	layout, err := template.New("layout.html").Funcs(s.functions()).ParseFS(templates, "templates/layout.html", "templates/parts*.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "layout" || strings.HasPrefix(base, "parts") {
			continue
		}
		page, err := template.Must(layout.Clone()).ParseFS(templates, name)
		if err != nil {
			return nil, err
		}
		pages[base] = page
	}
	return pages, nil
}

// page answers with what make makes of the request.
func (s *server) page(make func(*http.Request) (*view, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := withTimeout(r, make)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.render(w, r, cmp.Or(v.status, http.StatusOK), v)
	})
}

// withTimeout calls make with a request that ends in time.
func withTimeout[T any](r *http.Request, make func(*http.Request) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	return make(r.WithContext(ctx))
}

// raw answers by a function that writes for itself. An error comes before
// anything was written.
func (s *server) raw(answer func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := answer(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// render sends a page, whole or not at all.
func (s *server) render(w http.ResponseWriter, r *http.Request, status int, v *view) {
	v.Version, v.RequestID = s.Version, requestID(r.Context())
	if v.Style = s.static["style.css"].url; !v.Plain {
		v.Script = s.static["live.js"].url
	}
	var html bytes.Buffer
	if err := s.pages[v.page].ExecuteTemplate(&html, "layout.html", v); err != nil {
		// A template that does not fit its data is a bug like any other.
		panic(fmt.Errorf("web: render %s: %w", v.page, err))
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "no-cache")
	}
	w.WriteHeader(status)
	_, _ = w.Write(inert(html.Bytes())) // the client hanging up is its own affair
}

// inert drops the characters that no page of ours has: controls, and those
// that turn the direction of text, which make a line read as what it is not.
// Templates call clean where a whole escape sequence may come; this is for all
// the rest.
func inert(html []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r >= ' ' && r < 0x7f || r == '\n' || tasklog.Printable(string(r)) != "" {
			return r
		}
		return -1
	}, html)
}
