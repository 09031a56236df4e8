package webhooks

import (
	"errors"
	"fmt"

	"github.com/distbot/distbot/forge"
)

// Endpoint is one POST /webhooks/{name}.
type Endpoint struct {
	// Name is the path element, and the forge's name in distbot.yaml.
	Name  string
	Forge forge.Forge
	// Secrets are the keys that are valid now; more than one while a secret is
	// being replaced. Who has one speaks for every repository of the forge that
	// Allow lets in: a delivery says itself which repository it is about.
	Secrets []forge.Secret
	// Allow limits the repositories: OWNER or OWNER/NAME. Empty allows all of
	// the forge.
	Allow []string
}

// MinSecret is the length in bytes below which a secret is refused.
const MinSecret = 8

// Validate refuses an endpoint that would accept what nobody signed.
func (e Endpoint) Validate() error {
	if len(e.Secrets) == 0 {
		return fmt.Errorf("webhooks: forge %s has no webhook secret: name a file in webhook_secret_files", e.Name)
	}
	for i, secret := range e.Secrets {
		switch {
		case len(secret) == 0:
			return fmt.Errorf("webhooks: forge %s: webhook secret %d is empty", e.Name, i+1)
		case len(secret) < MinSecret:
			return fmt.Errorf("webhooks: forge %s: webhook secret %d has fewer than %d bytes", e.Name, i+1, MinSecret)
		}
	}
	if e.Forge == nil || e.Name == "" {
		return errors.New("webhooks: an endpoint needs a name and a forge")
	}
	return nil
}

// allows reports whether deliveries about the repository are wanted.
func (e Endpoint) allows(fullName string) bool {
	if len(e.Allow) == 0 {
		return true
	}
	for _, allowed := range e.Allow {
		if fullName == allowed || len(fullName) > len(allowed) && fullName[:len(allowed)] == allowed && fullName[len(allowed)] == '/' {
			return true
		}
	}
	return false
}
