package verify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
)

// document verifies one document by itself. Its file was checked when the
// snapshot was made.
func (v *verifier) document(ctx context.Context, d repomd.Data) error {
	switch path.Ext(d.Href) {
	case ".bz2", ".zck":
		return nil // databases of old clients, and deltas
	}
	if strings.HasSuffix(d.Type, "_db") {
		return nil
	}
	err := v.open(d)
	if err == nil {
		err = v.content(ctx, d)
	}
	if err != nil && isContent(err) {
		v.find(modulemd.Fatal, RuleDocument, "%s: %v", d.Type, err)
		return nil
	}
	return err
}

// open compares a document's content with its checksum.
func (v *verifier) open(d repomd.Data) error {
	kind, want := repomd.SHA256, d.OpenSHA256
	if want == "" {
		kind, want = repomd.SHA512, d.OpenSHA512
	}
	r, err := d.Open(v.of)
	if err != nil {
		return err
	}
	defer r.Close()
	sum, err := repomd.NewHash(kind)
	if err != nil {
		return err
	}
	n, err := io.Copy(sum, io.LimitReader(r, repomd.MaxDocumentBytes+1))
	switch {
	case errors.Is(err, repomd.ErrTooLarge):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", err, repomd.ErrMalformed) // its file is in memory
	case n > repomd.MaxDocumentBytes:
		return repomd.ErrTooLarge
	case d.OpenSize > 0 && n != d.OpenSize:
		v.find(modulemd.Error, RuleOpenChecksum, "%s is %d bytes decompressed, repomd.xml says %d", d.Type, n, d.OpenSize)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); want != "" && got != want {
		v.find(modulemd.Error, RuleOpenChecksum, "%s has %s %s decompressed, repomd.xml says %s", d.Type, kind, got, want)
	}
	return nil
}

// content reads a document.
func (v *verifier) content(ctx context.Context, d repomd.Data) error {
	r, err := d.Open(v.of)
	if err != nil {
		return err
	}
	defer r.Close()
	switch d.Type {
	case "primary":
		return v.primary(ctx, r)
	case "modules":
		return v.readModules(r)
	case "group", "group_gz":
		_, err := repomd.ReadComps(r)
		return err
	case "updateinfo":
		return repomd.CheckXML(r)
	}
	return nil
}

func (v *verifier) primary(ctx context.Context, r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<10)
	if err := v.count("primary", in, func(r io.Reader) (n int, err error) {
		err = repomd.ReadPrimary(r, func(p repomd.PrimaryPackage) error {
			n++
			p.Dependencies, p.Files = repomd.Dependencies{}, nil
			v.packages = append(v.packages, p)
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return nil
		})
		return n, err
	}); err != nil {
		return err
	}
	v.told.Packages = len(v.packages)
	return nil
}

// count compares how many packages a document announces and has.
func (v *verifier) count(kind string, in *bufio.Reader, read func(io.Reader) (int, error)) error {
	// Peek tells how much there is with an error, which reading will tell again.
	head, err := in.Peek(in.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	announced, err := repomd.ReadCount(bytes.NewReader(head))
	if err != nil {
		return err
	}
	n, err := read(in)
	if err != nil {
		return err
	}
	if announced >= 0 && announced != n {
		v.find(modulemd.Error, RuleCount, "%s announces %d packages and has %d", kind, announced, n)
	}
	return nil
}

func (v *verifier) readModules(r io.Reader) error {
	index, err := modulemd.ReadFrom(r, modulemd.ReadOptions{Source: v.source.Name})
	if err != nil {
		return err
	}
	v.modules, v.told.Streams = index, len(index.Streams)
	for _, f := range append(append([]modulemd.Finding(nil), index.Findings...), index.Check()...) {
		v.findings = append(v.findings, ofModules(v.source.Name, f))
	}
	return nil
}
