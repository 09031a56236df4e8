package forge

import (
	"net/http"
	"strings"
)

// MaxHeader is the longest delivery id or event name that is accepted, in
// bytes. The forges send UUIDs and short words.
const MaxHeader = 128

// Delivery is what a delivery's headers say about it.
type Delivery struct {
	// ID is the forge's id: the same when a forge sends a delivery again, and
	// different for each hook that one push fires.
	ID string
	// Event is the forge's own name of the event, for example pull_request.
	Event string
}

// ReadDelivery is Forge.Delivery for the two headers called idName and
// eventName.
func ReadDelivery(header http.Header, idName, eventName string) (Delivery, error) {
	id, err := headerWord(header, idName)
	if err != nil {
		return Delivery{}, err
	}
	event, err := headerWord(header, eventName)
	if err != nil {
		return Delivery{}, err
	}
	return Delivery{ID: id, Event: event}, nil
}

// headerWord returns the only value of the header, made of letters, digits and
// "-_.:" alone so that it can go into logs and pages as it is.
func headerWord(header http.Header, name string) (string, error) {
	values := header.Values(name)
	switch {
	case len(values) == 0 || values[0] == "":
		return "", &MalformedError{Reason: "header " + name + " is missing"}
	case len(values) > 1:
		return "", &MalformedError{Reason: "header " + name + " is repeated"}
	case len(values[0]) > MaxHeader:
		return "", &MalformedError{Reason: "header " + name + " is too long"}
	case strings.ContainsFunc(values[0], func(r rune) bool { return !wordRune(r) && r != ':' }):
		return "", &MalformedError{Reason: "header " + name + " is not a plain word"}
	}
	return values[0], nil
}

// wordRune reports whether r is an ASCII letter, an ASCII digit or one of
// "-_.": what owners and repositories are named with on every forge.
func wordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		r == '-' || r == '_' || r == '.'
}
