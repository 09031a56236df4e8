package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"time"
)

//go:embed static
var staticFiles embed.FS

// forever is for what a URL will always stand for.
const forever = "public, max-age=31536000, immutable"

// staticFile is a file of ours. Its URL names its content, so that browsers
// may keep it and never use an old one.
type staticFile struct {
	url     string
	hash    string
	media   string
	content []byte
}

// readStatic reads the style and the script.
func readStatic() (map[string]staticFile, error) {
	files := map[string]staticFile{}
	for name, media := range map[string]string{"style.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8"} {
		content, err := staticFiles.ReadFile("static/" + name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		hash := hex.EncodeToString(sum[:6])
		files[name] = staticFile{url: "/static/" + name + "?v=" + hash, hash: hash, media: media, content: content}
	}
	return files, nil
}

// staticFile answers with the style or the script.
func (s *server) staticFile(w http.ResponseWriter, r *http.Request) error {
	file, ok := s.static[r.PathValue("name")]
	if !ok {
		return errNotFound
	}
	header := w.Header()
	header.Set("Content-Type", file.media)
	header.Set("ETag", `"`+file.hash+`"`)
	header.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == file.hash {
		header.Set("Cache-Control", forever)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
	return nil
}
