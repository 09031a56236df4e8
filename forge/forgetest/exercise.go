// Package forgetest checks that a driver keeps the contract of forge.Forge,
// and holds what such tests need: deliveries recorded from real forges, and
// fake forges for commit statuses that are stricter than the real ones.
//
// It knows HTTP and JSON as forges speak them. It refuses to know the drivers:
// they hand themselves over in a Fixture.
package forgetest

import (
	"cmp"
	"testing"

	"github.com/distbot/distbot/forge"
)

// Fixture is one driver ready to be exercised.
type Fixture struct {
	// Forge is the driver. If Server is set the driver talks to it with
	// WriteToken.
	Forge forge.Forge
	// Push is a genuine delivery of a push that updates a branch, without
	// signature headers; Event is what it says.
	Push  Recording
	Event forge.Event
	// SignatureHeader is the primary signature header of the kind, and
	// SignaturePrefix what stands before the hex digits there.
	SignatureHeader, SignaturePrefix string
	// OtherSignatures are headers with their prefixes in which a genuine
	// delivery carries its signature too, or might be thought to.
	OtherSignatures map[string]string
	// DeliveryHeader and EventHeader are where the id and the event stand.
	DeliveryHeader, EventHeader string
	// WithRefs returns Push with another ref, before and after.
	WithRefs func(tb testing.TB, ref, before, after string) Recording
	// WithRepository returns Push from another repository name, with this
	// clone URL where deliveries of the kind have one.
	WithRepository func(tb testing.TB, fullName, cloneURL string) Recording
	// CloneURL is where Push's repository is cloned from. SpoofedCloneURLs are
	// addresses that no delivery may name for it; none where deliveries of the
	// kind have no such field.
	CloneURL         string
	SpoofedCloneURLs []string
	// Deliveries returns all there are of the kind.
	Deliveries func(tb testing.TB) []Recording
	// Server is where the driver sends statuses. Nil for a kind that has
	// nowhere to put them.
	Server *Server
	// WithToken returns a driver like Forge that talks to Server as the owner of
	// another token: ReadToken or one that Server does not know. Nil where Server
	// is.
	WithToken func(tb testing.TB, token string) forge.Forge
	// Token is the password of clones; WriteToken if it is empty.
	Token string
	// Arrives is how statuses of one context, sent one after another, arrive;
	// as they are if it is nil.
	Arrives func(sent []forge.Status) []forge.Status
}

// token is the secret that the driver uses.
func (f Fixture) token() string {
	if f.Server == nil {
		return ""
	}
	return cmp.Or(f.Token, WriteToken)
}

// arrives is what Server is told of statuses that are sent.
func (f Fixture) arrives(sent []forge.Status) []forge.Status {
	if f.Arrives == nil {
		return sent
	}
	return f.Arrives(sent)
}

// Exercise runs the conformance suite. setup is called for each test and must
// return a fixture of its own.
func Exercise(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Helper()
	t.Run("Verify", func(t *testing.T) { exerciseVerify(t, setup) })
	t.Run("Delivery", func(t *testing.T) { exerciseDelivery(t, setup) })
	t.Run("Parse", func(t *testing.T) { exerciseParse(t, setup) })
	t.Run("CloneURL", func(t *testing.T) { exerciseCloneURL(t, setup) })
	if setup(t).Server == nil {
		t.Run("SetStatus", func(t *testing.T) { exerciseNoServer(t, setup) })
		return
	}
	t.Run("SetStatus", func(t *testing.T) { exerciseSetStatus(t, setup) })
	t.Run("SetStatusDetails", func(t *testing.T) { exerciseDetails(t, setup) })
	t.Run("SetStatusFaults", func(t *testing.T) { exerciseFaults(t, setup) })
	t.Run("Statuses", func(t *testing.T) { exerciseStatuses(t, setup) })
}
