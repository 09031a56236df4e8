package repomd

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of repomd.xml.
const (
	MaxRepomdBytes = 4 << 20
	maxDataRecords = 200
)

// Repomd is what repomd.xml says: which documents a repository has.
type Repomd struct {
	Revision string
	Data     []Data
}

// Data is one <data> record of repomd.xml.
type Data struct {
	Type      string // "primary", "filelists", "other", "group", "group_gz", "modules", …
	Href      string // path relative to the repository
	SHA256    string // of the file, lower-case hex; empty where repomd.xml gives another checksum
	SHA512    string // of the file, where repomd.xml gives that; Write gives none
	Size      int64  // of the file; 0 when unknown
	Timestamp int64  // seconds since 1970
	// OpenSHA256 and OpenSize are those of the decompressed document; empty
	// when it is not compressed.
	OpenSHA256 string
	OpenSHA512 string
	OpenSize   int64
}

// Find returns the record of the given type.
func (r Repomd) Find(kind string) (Data, bool) {
	i := slices.IndexFunc(r.Data, func(d Data) bool { return d.Type == kind })
	if i < 0 {
		return Data{}, false
	}
	return r.Data[i], true
}

// Identity is the SHA-256 of the types and checksums of all documents, in hex:
// equal for two repositories exactly when they have the same content, whatever
// their revisions and timestamps say.
func (r Repomd) Identity() string {
	lines := make([]string, len(r.Data))
	for i, d := range r.Data {
		lines[i] = d.Type + " " + d.SHA256 + d.SHA512 + "\n"
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:])
}

// XML is the text of repomd.xml.
func (r Repomd) XML() []byte {
	var d document
	d.raw(xmlHeader + `<repomd xmlns="` + nsRepo + `" xmlns:rpm="` + nsRPM + `">` + "\n")
	d.prose("  ", "revision", r.Revision)
	for _, rec := range r.Data {
		d.raw("  <data")
		d.attr("type", rec.Type)
		d.raw(">\n    <checksum type=\"sha256\">" + rec.SHA256 + "</checksum>\n")
		if rec.OpenSHA256 != "" {
			d.raw("    <open-checksum type=\"sha256\">" + rec.OpenSHA256 + "</open-checksum>\n")
		}
		d.raw("    <location")
		d.attr("href", rec.Href)
		d.raw("/>\n    <timestamp>")
		d.int(rec.Timestamp)
		d.raw("</timestamp>\n    <size>")
		d.int(rec.Size)
		d.raw("</size>\n")
		if rec.OpenSHA256 != "" {
			d.raw("    <open-size>")
			d.int(rec.OpenSize)
			d.raw("</open-size>\n")
		}
		d.raw("  </data>\n")
	}
	d.raw("</repomd>\n")
	return d.b
}

// ReadRepomd reads repomd.xml. Locations that leave the repository, and more
// than 200 records or 4 MiB, are errors; unknown elements are passed over. The
// error wraps ErrMalformed, ErrTooLarge, or is that of r.
func ReadRepomd(r io.Reader) (Repomd, error) {
	type checksum struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	}
	var doc struct {
		XMLName  xml.Name `xml:"repomd"`
		Revision string   `xml:"revision"`
		Data     []struct {
			Type     string   `xml:"type,attr"`
			Checksum checksum `xml:"checksum"`
			Open     checksum `xml:"open-checksum"`
			Location struct {
				Href string `xml:"href,attr"`
			} `xml:"location"`
			Timestamp number `xml:"timestamp"`
			Size      number `xml:"size"`
			OpenSize  number `xml:"open-size"`
		} `xml:"data"`
	}
	if err := decode("read repomd.xml", r, MaxRepomdBytes, &doc); err != nil {
		return Repomd{}, err
	}
	if len(doc.Data) > maxDataRecords {
		return Repomd{}, fmt.Errorf("repomd: read repomd.xml: %d records, at most %d: %w", len(doc.Data), maxDataRecords, ErrTooLarge)
	}
	md := Repomd{Revision: doc.Revision}
	for _, rec := range doc.Data {
		d := Data{
			Type: rec.Type, Href: rec.Location.Href, Size: int64(rec.Size), Timestamp: int64(rec.Timestamp),
			OpenSize: int64(rec.OpenSize),
		}
		if !filepath.IsLocal(d.Href) {
			return Repomd{}, fmt.Errorf("repomd: read repomd.xml: location %.200q of %.40q leaves the repository: %w", d.Href, d.Type, ErrMalformed)
		}
		for _, sum := range []struct {
			from           checksum
			sha256, sha512 *string
		}{{rec.Checksum, &d.SHA256, &d.SHA512}, {rec.Open, &d.OpenSHA256, &d.OpenSHA512}} {
			text := strings.TrimSpace(sum.from.Text)
			into := map[string]*string{SHA256: sum.sha256, SHA512: sum.sha512}[sum.from.Type]
			if into == nil {
				continue
			}
			if !IsChecksum(sum.from.Type, text) {
				return Repomd{}, fmt.Errorf("repomd: read repomd.xml: checksum %.80q of %.40q: %w", text, d.Type, ErrMalformed)
			}
			*into = text
		}
		md.Data = append(md.Data, d)
	}
	return md, nil
}
