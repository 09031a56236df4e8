package reproduce

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Bounds of what is told about one package.
const (
	maxTags  = 60
	maxFiles = 200
	maxText  = 300
)

// Difference is what differs between two packages of one name.
type Difference struct {
	// Tags of the main header. Those that only list files are not among them
	// where Files tells the same.
	Tags  []TagDifference  `json:"tags,omitempty"`
	Files []FileDifference `json:"files,omitempty"`
	// Payload is set when the compressed payloads differ.
	Payload *Sides `json:"payload,omitempty"`
	// Signature is true when it is only the signature header that differs.
	Signature bool `json:"signature,omitempty"`
	// More counts tags and files that differ and are not told.
	More int `json:"more,omitempty"`
}

// Sides are the two values of something, as text.
type Sides struct {
	Recorded string `json:"recorded"`
	Rebuilt  string `json:"rebuilt"`
}

// TagDifference is a tag with other values; one that is missing has none.
type TagDifference struct {
	Tag string `json:"tag"`
	Sides
}

// FileDifference is a file that differs, in its digest, mode, owner or target.
type FileDifference struct {
	Path string `json:"path"`
	// What is content, mode, owner, link, flags or presence.
	What string `json:"what"`
	Sides
}

// Packages tells what differs between two RPM files. It returns nil for files of
// the same bytes. Errors are those of rpmfile.
func Packages(recorded, rebuilt io.ReaderAt) (*Difference, error) {
	same, err := sameBytes(all(recorded), all(rebuilt))
	if err != nil || same {
		return nil, err
	}
	oldTags, err := rpmfile.ReadTags(all(recorded))
	if err != nil {
		return nil, fmt.Errorf("reproduce: recorded package: %w", err)
	}
	newTags, err := rpmfile.ReadTags(all(rebuilt))
	if err != nil {
		return nil, fmt.Errorf("reproduce: rebuilt package: %w", err)
	}
	oldPkg, err := rpmfile.Read(all(recorded))
	if err != nil {
		return nil, fmt.Errorf("reproduce: recorded package: %w", err)
	}
	newPkg, err := rpmfile.Read(all(rebuilt))
	if err != nil {
		return nil, fmt.Errorf("reproduce: rebuilt package: %w", err)
	}
	d := &Difference{}
	d.compareFiles(oldPkg.Files, newPkg.Files)
	d.compareTags(oldTags, newTags)
	same, err = sameBytes(payload(recorded, oldPkg), payload(rebuilt, newPkg))
	if err != nil {
		return nil, err
	}
	if !same {
		d.Payload = &Sides{payloadText(oldPkg), payloadText(newPkg)}
	}
	d.Signature = len(d.Tags)+len(d.Files)+d.More == 0 && d.Payload == nil
	return d, nil
}

func all(r io.ReaderAt) io.Reader { return io.NewSectionReader(r, 0, math.MaxInt64) }

func payload(r io.ReaderAt, p *rpmfile.Package) io.Reader {
	return io.NewSectionReader(r, p.HeaderEnd, math.MaxInt64-p.HeaderEnd)
}

func payloadText(p *rpmfile.Package) string {
	if p.PayloadDigest == "" {
		return "no digest"
	}
	return p.PayloadCompressor + ", SHA-256 " + p.PayloadDigest
}

// sameBytes compares two readers to their ends.
func sameBytes(a, b io.Reader) (bool, error) {
	var bufA, bufB [64 << 10]byte
	for {
		n, err := fill(a, bufA[:])
		if err != nil {
			return false, err
		}
		m, err := fill(b, bufB[:])
		if err != nil || !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, err
		}
		if n < len(bufA) {
			return true, nil
		}
	}
}

// fill reads until the buffer is full or the reader ends.
func fill(r io.Reader, buf []byte) (int, error) {
	n, err := io.ReadFull(r, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, fmt.Errorf("reproduce: read package: %w", err)
	}
	return n, nil
}

// fileTags are told file by file.
func fileTags() []string {
	return []string{"FILESIZES", "LONGFILESIZES", "FILEMODES", "FILEDIGESTS", "FILELINKTOS", "FILEFLAGS", "FILEUSERNAME", "FILEGROUPNAME", "BASENAMES", "DIRNAMES", "DIRINDEXES"}
}

func (d *Difference) compareTags(recorded, rebuilt []rpmfile.TagValue) {
	before, after := map[uint32]rpmfile.TagValue{}, map[uint32]rpmfile.TagValue{}
	for _, v := range recorded {
		before[v.Number] = v
	}
	for _, v := range rebuilt {
		after[v.Number] = v
	}
	numbers := maps.Clone(before)
	maps.Copy(numbers, after)
	for _, number := range slices.Sorted(maps.Keys(numbers)) {
		old, had := before[number]
		now, has := after[number]
		if had && has && bytes.Equal(old.Bytes, now.Bytes) {
			continue
		}
		name := numbers[number].Name()
		switch {
		case len(d.Files) > 0 && slices.Contains(fileTags(), name):
		case len(d.Tags) == maxTags:
			d.More++
		default:
			d.Tags = append(d.Tags, TagDifference{name, Sides{excerpt(old, now), excerpt(now, old)}})
		}
	}
}

// excerpt shows a value where it begins to differ from another one.
func excerpt(v, other rpmfile.TagValue) string {
	const whole = 1 << 20
	text, otherText := v.Text(whole), other.Text(whole)
	if len(text) <= maxText {
		return text
	}
	same := 0
	for same < min(len(text), len(otherText)) && text[same] == otherText[same] {
		same++
	}
	from := min(max(0, same-40), len(text))
	cut := strings.ToValidUTF8(text[from:min(len(text), from+maxText)], "")
	if from > 0 {
		cut = "…" + cut
	}
	if from+maxText < len(text) {
		cut += "…"
	}
	return cut
}

func (d *Difference) compareFiles(recorded, rebuilt []rpmfile.File) {
	after := map[string]rpmfile.File{}
	for _, file := range rebuilt {
		after[file.Path] = file
	}
	before := map[string]bool{}
	for _, old := range recorded {
		before[old.Path] = true
		now, there := after[old.Path]
		if !there {
			d.file(old.Path, "presence", "is there", "is not")
			continue
		}
		d.compareFile(old, now)
	}
	for _, now := range rebuilt {
		if !before[now.Path] {
			d.file(now.Path, "presence", "is not there", "is")
		}
	}
}

func (d *Difference) compareFile(old, now rpmfile.File) {
	if old.Digest != now.Digest || old.Size != now.Size {
		d.file(old.Path, "content", contentText(old), contentText(now))
	}
	if old.Mode != now.Mode {
		d.file(old.Path, "mode", fmt.Sprintf("%o", old.Mode), fmt.Sprintf("%o", now.Mode))
	}
	if old.User != now.User || old.Group != now.Group {
		d.file(old.Path, "owner", old.User+":"+old.Group, now.User+":"+now.Group)
	}
	if old.LinkTo != now.LinkTo {
		d.file(old.Path, "link", old.LinkTo, now.LinkTo)
	}
	if old.Flags != now.Flags {
		d.file(old.Path, "flags", fmt.Sprintf("%#x", uint32(old.Flags)), fmt.Sprintf("%#x", uint32(now.Flags)))
	}
}

func contentText(f rpmfile.File) string { return fmt.Sprintf("%d bytes, digest %s", f.Size, f.Digest) }

func (d *Difference) file(path, what, recorded, rebuilt string) {
	if len(d.Files) == maxFiles {
		d.More++
		return
	}
	d.Files = append(d.Files, FileDifference{bounded(path), what, Sides{bounded(recorded), bounded(rebuilt)}})
}

func bounded(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

func (d *Difference) print(w io.Writer) {
	if d == nil {
		return
	}
	for _, f := range d.Files {
		say(w, "    %s: %s: was %s, now %s\n", f.Path, f.What, f.Recorded, f.Rebuilt)
	}
	for _, t := range d.Tags {
		say(w, "    header tag %s: was %s, now %s\n", t.Tag, t.Recorded, t.Rebuilt)
	}
	if d.Payload != nil {
		say(w, "    payload: was %s, now %s\n", d.Payload.Recorded, d.Payload.Rebuilt)
	}
	if d.Signature {
		say(w, "    only the signature header differs\n")
	}
	if d.More > 0 {
		say(w, "    and %d more\n", d.More)
	}
}
