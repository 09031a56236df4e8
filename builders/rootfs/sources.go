package rootfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/diagnosis"
)

// sourceLines are the sources of an expanded spec that have a URL.
var sourceLines = regexp.MustCompile(`(?mi)^(?:source|patch)[0-9]*[ \t]*:[ \t]*(\S+://\S+)[ \t]*$`)

// missingSource says of a failure whose cause is a source with a URL that is
// not there what to do. rpmbuild looks for the file, and where the spec makes
// it, tries to download it first, which fails for want of a network.
func (b *build) missingSource(ctx context.Context, order builders.SRPMOrder, err error) error {
	var failure *builders.Failure
	if !errors.As(err, &failure) || failure.Finding == nil || failure.Finding.Kind != diagnosis.KindMissingSource {
		return err
	}
	name, url := path.Base(failure.Finding.Object), failure.Finding.Object
	if !strings.Contains(url, "://") {
		url = b.urlOf(ctx, name, order)
	}
	if url != "" {
		failure.Because(name + " is not in sources: upload it to the lookaside, builds don't download " + url)
	}
	return failure
}

// urlOf is the URL of a source by its file name, as rpm expands it; empty when
// it has none, or the spec is too long to look for it.
func (b *build) urlOf(ctx context.Context, name string, order builders.SRPMOrder) string {
	var text bytes.Buffer
	result, err := b.run(ctx, &buildlog.Bounded{Buffer: &text, Left: 8 << 20}, io.Discard, nil, "/usr/bin/rpmspec", "-P", topDir+"/SOURCES/"+order.Spec)
	if err != nil || result.ExitCode != 0 {
		return ""
	}
	for _, m := range sourceLines.FindAllStringSubmatch(text.String(), -1) {
		if strings.HasSuffix(m[1], "/"+name) || strings.HasSuffix(m[1], "="+name) {
			return m[1]
		}
	}
	return ""
}
