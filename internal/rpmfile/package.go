package rpmfile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
)

// Package is what an RPM's headers say. Text is kept byte for byte: it may be
// anything but valid UTF-8. Times are seconds since 1970, sizes are bytes.
type Package struct {
	NEVRA
	// Source is true for a source RPM; then Arch is "src" and BuildArch holds
	// what the header calls the architecture.
	Source    bool
	BuildArch string

	Summary, Description, License, URL, Group string
	Vendor, Packager, BuildHost               string
	// SourceRPM is the file name of the source RPM; empty in a source RPM.
	SourceRPM    string
	OS, Platform string
	// ModularityLabel is N:S:V:C of a modular RPM, else empty.
	ModularityLabel string
	BuildTime       int64

	InstalledSize int64 // of the files when installed
	ArchiveSize   int64 // of the uncompressed payload

	Requires, Provides, Conflicts, Obsoletes    []Dependency
	Recommends, Suggests, Supplements, Enhances []Dependency

	// Scripts are those that run when the package is installed or removed, in the
	// order of scriptTags.
	Scripts []Script

	Files      []File
	Changelogs []Changelog // newest first, as in the header

	// ExclusiveArch, ExcludeArch and BuildArchs are what a source RPM says of
	// the architectures it can be built for.
	ExclusiveArch, ExcludeArch, BuildArchs []string

	// PayloadFormat is "cpio"; PayloadCompressor is "gzip", "zstd", "xz",
	// "lzma", "bzip2", or "" for none.
	PayloadFormat, PayloadCompressor string
	// PayloadDigest is the SHA-256 of the compressed payload in hex; empty
	// where the RPM has none (rpm before 4.14) or another algorithm.
	PayloadDigest string

	// HeaderStart and HeaderEnd delimit the main header within the file; the
	// payload begins at HeaderEnd.
	HeaderStart, HeaderEnd int64
	// HeaderSHA256 (of the main header, verified by Read) and SigMD5 (of main
	// header and payload) are hex and come from the signature header; empty
	// where it lacks them.
	HeaderSHA256, SigMD5 string
	// SignedSize is how many bytes main header and payload have together, as the
	// signature header says; 0 where it does not.
	SignedSize int64
}

// Script is a scriptlet of a package, as far as it has a text: one that is an
// interpreter alone is not among a package's.
type Script struct {
	// Kind is its name in a spec, without the percent sign: pre, post, preun,
	// postun, pretrans, posttrans or verifyscript.
	Kind, Text string
}

// scriptTags are the tags of scripts, by their names in specs.
var scriptTags = []struct {
	kind string
	tag  int
}{
	{"pre", tagPreIn},
	{"post", tagPostIn},
	{"preun", tagPreUn},
	{"postun", tagPostUn},
	{"pretrans", tagPreTrans},
	{"posttrans", tagPostTrans},
	{"verifyscript", tagVerifyScript},
}

// scripts are the scripts that have a text.
func (t tags) scripts() (scripts []Script) {
	for _, of := range scriptTags {
		if text := t.strs(of.tag); len(text) > 0 {
			scripts = append(scripts, Script{Kind: of.kind, Text: text[0]})
		}
	}
	return scripts
}

// Changelog is one entry of a package's %changelog.
type Changelog struct {
	Time   int64 // seconds since 1970
	Author string
	Text   string
}

// Digest identifies the bytes of a file.
type Digest struct {
	SHA256 string // lower-case hex
	Size   int64  // bytes
}

// Read reads the lead and the headers of an RPM from r and nothing after them,
// so that r stands at the payload when it returns.
//
// The headers are read into bounded memory (MaxHeaderBytes) and every index
// entry is checked before the library sees them. A header that carries its own
// SHA-256 must match it. The error wraps ErrMalformed, ErrTooLarge, ErrDigest,
// ErrName, or whatever r returned.
func Read(r io.Reader) (*Package, error) {
	h, err := readHeaders(r)
	if err != nil {
		return nil, fmt.Errorf("rpmfile: read: %w", err)
	}
	lib, err := h.parse()
	if err != nil {
		return nil, fmt.Errorf("rpmfile: read: %w", err)
	}
	p := &Package{HeaderStart: int64(h.start), HeaderEnd: int64(h.end)}
	if err := p.fromSignature(tags{&lib.Signature}, h); err != nil {
		return nil, fmt.Errorf("rpmfile: read: %w", err)
	}
	if err := p.fromHeader(tags{&lib.Header}); err != nil {
		return nil, fmt.Errorf("rpmfile: read: %w", err)
	}
	if p.ArchiveSize == 0 {
		p.ArchiveSize = tags{&lib.Signature}.num(sigTagLongArchiveSize, sigTagPayloadSize)
	}
	return p, nil
}

// ReadAll is Read followed by the rest of r: it also returns the digest of
// everything r gave, in one pass. Bounding the size of r is the caller's part.
// An RPM that is shorter or longer than its signature header says is malformed;
// what is in the payload is not looked at.
func ReadAll(r io.Reader) (*Package, Digest, error) {
	sum := sha256.New()
	count := &countWriter{w: sum}
	tee := io.TeeReader(r, count)
	p, err := Read(tee)
	if err != nil {
		return nil, Digest{}, err
	}
	if _, err := io.Copy(count, r); err != nil {
		return nil, Digest{}, fmt.Errorf("rpmfile: read payload: %w", err)
	}
	if rest := count.n - p.HeaderStart; p.SignedSize > 0 && rest != p.SignedSize {
		how := "truncated"
		if rest > p.SignedSize {
			how = "too long"
		}
		return nil, Digest{}, fmt.Errorf("rpmfile: read %s: %s: %d bytes of main header and payload, the signature header says %d: %w", p.NEVRA, how, rest, p.SignedSize, ErrMalformed)
	}
	return p, Digest{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: count.n}, nil
}

// ReadFile is ReadAll of the file at path, which is opened once.
func ReadFile(path string) (*Package, Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Digest{}, fmt.Errorf("rpmfile: %w", err)
	}
	defer f.Close()
	return ReadAll(f)
}

func (p *Package) fromSignature(t tags, h headers) error {
	p.HeaderSHA256 = t.str(sigTagSHA256)
	p.SigMD5 = hex.EncodeToString(t.bytes(sigTagMD5))
	p.SignedSize = t.num(sigTagLongSize, sigTagSize)
	if p.HeaderSHA256 == "" {
		return nil
	}
	sum := sha256.Sum256(h.raw[h.start:h.end])
	if got := hex.EncodeToString(sum[:]); got != p.HeaderSHA256 {
		return fmt.Errorf("main header has SHA-256 %s, the signature header says %q: %w", got, clip(p.HeaderSHA256), ErrDigest)
	}
	return nil
}

func (p *Package) fromHeader(t tags) error {
	if err := p.identity(t); err != nil {
		return err
	}
	p.Summary, p.Description = t.str(tagSummary), t.str(tagDescription)
	p.License, p.URL, p.Group = t.str(tagLicense), t.str(tagURL), t.str(tagGroup)
	p.Vendor, p.Packager, p.BuildHost = t.str(tagVendor), t.str(tagPackager), t.str(tagBuildHost)
	p.OS, p.Platform = t.str(tagOS), t.str(tagPlatform)
	p.ModularityLabel = t.str(tagModularityLabel)
	p.BuildTime = t.num(tagBuildTime)
	p.InstalledSize = t.num(tagLongSize, tagSize)
	p.ArchiveSize = t.num(tagArchiveSize)
	p.ExclusiveArch, p.ExcludeArch = t.strs(tagExclusiveArch), t.strs(tagExcludeArch)
	p.BuildArchs = t.strs(tagBuildArchs)
	p.Scripts = t.scripts()
	p.PayloadFormat, p.PayloadCompressor = t.str(tagPayloadFormat), t.str(tagPayloadComp)
	if t.num(tagPayloadDigestAlg) == digestSHA256 {
		p.PayloadDigest = t.str(tagPayloadDigest)
	}
	if err := p.allDependencies(t); err != nil {
		return err
	}
	var err error
	if p.Files, err = t.files(); err != nil {
		return err
	}
	p.Changelogs, err = t.changelogs()
	return err
}

// identity fills NEVRA, Source and SourceRPM. What makes an RPM a source RPM
// is the SOURCEPACKAGE tag; the ARCH of one is that of the machine it was made
// on.
func (p *Package) identity(t tags) error {
	epoch := t.num(tagEpoch)
	if epoch < 0 || epoch > math.MaxInt32 {
		return fmt.Errorf("epoch %d: %w", epoch, ErrName)
	}
	p.NEVRA = NEVRA{
		Name: t.str(tagName), Epoch: int(epoch),
		Version: t.str(tagVersion), Release: t.str(tagRelease), Arch: t.str(tagArch),
	}
	p.Source = t.num(tagSourcePackage) != 0
	p.SourceRPM = t.str(tagSourceRPM)
	if p.Source {
		p.BuildArch, p.Arch = p.Arch, "src"
	}
	if p.Arch == "" {
		return fmt.Errorf("no architecture: %w", ErrName)
	}
	return p.Validate()
}

func (t tags) changelogs() ([]Changelog, error) {
	times := t.ints(tagChangelogTime)
	names, err := perItem("changelog names", t.strs(tagChangelogName), len(times))
	if err != nil {
		return nil, err
	}
	texts, err := perItem("changelog texts", t.strs(tagChangelogText), len(times))
	if err != nil || len(times) == 0 {
		return nil, err
	}
	logs := make([]Changelog, len(times))
	for i, at0 := range times {
		logs[i] = Changelog{Time: at0, Author: at(names, i), Text: at(texts, i)}
	}
	return logs, nil
}

// countWriter counts what it passes on.
type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
