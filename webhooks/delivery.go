package webhooks

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/distbot/distbot/forge"
)

// delivery is what the front door keeps of one request.
type delivery struct {
	forge      string
	id         string
	event      string
	repository string
	ref        string
	effect     string
	ignored    string // why nothing follows, empty if something does
	headers    map[string]string
	body       []byte
}

// maxHeader bounds the values that are kept of headers.
const maxHeader = 200

// keepHeaders keeps what Parse needs to read the body again. No signature,
// token or cookie is kept.
func keepHeaders(header http.Header) map[string]string {
	kept := map[string]string{"Content-Type": printable(header.Get("Content-Type"))}
	for name := range header {
		upper := strings.ToUpper(name)
		for _, suffix := range []string{"-EVENT", "-EVENT-TYPE", "-DELIVERY"} {
			if strings.HasPrefix(upper, "X-") && strings.HasSuffix(upper, suffix) {
				kept[name] = printable(header.Get(name))
			}
		}
	}
	return kept
}

// printable bounds a header's value and makes it safe to store and show.
func printable(value string) string {
	if len(value) > maxHeader {
		value = value[:maxHeader]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, value)
}

// readEvent takes what the record shows and the effect that tells two
// deliveries of one push.
func (d *delivery) readEvent(event forge.Event) {
	d.repository = event.Repository.FullName
	d.ref = event.Ref
	switch event.Kind {
	case forge.EventPush, forge.EventBranchDelete:
		d.effect = strings.Join([]string{string(event.Kind), event.Repository.ID, event.Ref, event.Before, event.After}, " ")
	case forge.EventPullRequest:
		// Opened and reopened with the same head ask for the same build; the
		// planner tells them apart from a build that exists.
		d.effect = ""
	}
}
