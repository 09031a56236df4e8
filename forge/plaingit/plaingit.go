// Package plaingit is the forge driver for plain bare git repositories below
// one directory, without a forge around them.
//
// It knows both ends of the wire: the post-receive hook that distbot installs
// in a repository (InstallHook, Notifier) and the signed delivery that hook
// posts (Forge). It refuses to know git itself: which refs moved comes from
// git's own hook protocol, and nothing here reads an object.
//
// There is nowhere to put a commit status, so SetStatus accepts and forgets:
// statuses of this kind are read from distbot.
//
// # The delivery
//
// One POST per moved ref, JSON, at most MaxBody bytes, unknown fields refused:
//
//	X-Distbot-Event: push
//	X-Distbot-Delivery: 0b7e…-0            same id when it is sent again
//	X-Distbot-Signature: sha256=<hex>      HMAC-SHA256 of the body
//
//	{"repository":"rpms/hello","ref":"refs/heads/f37",
//	 "before":"<commit>","after":"<commit>","pusher":"pat"}
//
// As in git's hooks, 40 (or 64) zeros as before mean a new ref and as after a
// deleted one.
package plaingit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/distbot/distbot/forge"
)

// The headers of a delivery, and the one event there is.
const (
	EventHeader     = "X-Distbot-Event"
	DeliveryHeader  = "X-Distbot-Delivery"
	SignatureHeader = "X-Distbot-Signature"
	EventPush       = "push"

	signaturePrefix = "sha256="
)

// MaxBody bounds the body of a delivery, in bytes.
const MaxBody = 8192

// maxElements bounds how deep below the root a repository may lie.
const maxElements = 8

// Config says where the repositories are.
type Config struct {
	// Root is the directory that holds them: rpms/hello is ROOT/rpms/hello.git.
	// Required unless URL is set.
	Root string
	// URL is where the same tree is served for cloning over HTTP, for example
	// https://git.example.org. When it is empty repositories are cloned from
	// Root by path.
	URL string
}

// Forge is the driver. Create it with New.
type Forge struct {
	root   string
	origin *forge.Origin
}

var _ forge.Forge = (*Forge)(nil)

// New returns a driver. A Root must exist.
func New(config Config) (*Forge, error) {
	if config.URL != "" {
		origin, err := forge.ParseOrigin(config.URL)
		if err != nil {
			return nil, fmt.Errorf("plaingit: configure: %w", err)
		}
		return &Forge{origin: &origin}, nil
	}
	if config.Root == "" {
		return nil, fmt.Errorf("plaingit: configure: neither a root directory nor a url is set")
	}
	root, err := filepath.Abs(config.Root)
	if err != nil {
		return nil, fmt.Errorf("plaingit: configure: %w", err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("plaingit: configure: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("plaingit: configure: %s is not a directory", root)
	}
	return &Forge{root: root}, nil
}

// Kind implements forge.Forge.
func (f *Forge) Kind() forge.Kind { return forge.KindGit }

// Verify implements forge.Forge.
func (f *Forge) Verify(header http.Header, body []byte, secrets []forge.Secret) error {
	return forge.VerifySignature(header, SignatureHeader, signaturePrefix, body, secrets)
}

// Delivery implements forge.Forge.
func (f *Forge) Delivery(header http.Header) (forge.Delivery, error) {
	return forge.ReadDelivery(header, DeliveryHeader, EventHeader)
}

// payload is the body of a delivery; see the package comment.
type payload struct {
	Repository string `json:"repository"`
	Ref        string `json:"ref"`
	Before     string `json:"before"`
	After      string `json:"after"`
	Pusher     string `json:"pusher"`
}

// Parse implements forge.Forge. A repository that is not below the root, also
// when a symbolic link leads out of it, is malformed. A root that can't be
// opened is an error of neither kind: the delivery is not to blame.
func (f *Forge) Parse(header http.Header, body []byte) (forge.Event, error) {
	delivery, err := f.Delivery(header)
	if err != nil {
		return forge.Event{}, err
	}
	p, err := decode(body)
	if err != nil {
		return forge.Event{}, err
	}
	if delivery.Event != EventPush {
		return forge.Event{}, &forge.IgnoredError{Reason: "event " + delivery.Event + " is not acted on"}
	}
	if err := f.checkRepository(p.Repository); err != nil {
		return forge.Event{}, err
	}
	repo := forge.Repository{ID: p.Repository, FullName: p.Repository}
	repo.CloneURL = f.CloneURL(repo)
	return forge.PushEvent(repo, p.Ref, p.Before, p.After, p.Pusher)
}

// decode reads a body strictly: both ends are ours.
func decode(body []byte) (payload, error) {
	if len(body) > MaxBody {
		return payload{}, &forge.MalformedError{Reason: "body is too large"}
	}
	var p payload
	if err := forge.DecodeObject(body, &p); err != nil {
		return payload{}, err
	}
	strict := json.NewDecoder(bytes.NewReader(body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&payload{}); err != nil {
		return payload{}, &forge.MalformedError{Reason: "body has an unknown field"}
	}
	return p, nil
}

func (f *Forge) checkRepository(name string) error {
	if err := forge.CheckFullName(name, 1, maxElements); err != nil {
		return &forge.MalformedError{Reason: "repository " + err.Error()}
	}
	if f.origin != nil {
		return nil
	}
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return fmt.Errorf("plaingit: open root: %w", err)
	}
	defer root.Close()
	if info, err := root.Stat(name + ".git"); err != nil || !info.IsDir() {
		return &forge.MalformedError{Reason: "repository is not below the configured root"}
	}
	return nil
}

// SetStatus implements forge.Forge: it refuses what no forge would take and
// otherwise does nothing.
func (f *Forge) SetStatus(_ context.Context, repo forge.Repository, commit string, status forge.Status) error {
	if err := forge.CheckFullName(repo.FullName, 1, maxElements); err != nil {
		return fmt.Errorf("plaingit: set status: repository name %w", err)
	}
	if err := forge.CheckCommit(commit); err != nil {
		return fmt.Errorf("plaingit: set status: commit %w", err)
	}
	if err := status.Check(); err != nil {
		return fmt.Errorf("plaingit: set status: %w", err)
	}
	return nil
}

// ShowsDetails implements forge.Forge.
func (*Forge) ShowsDetails() bool { return false }

// KeepsStatuses implements forge.Forge: there is nowhere to put them.
func (*Forge) KeepsStatuses() bool { return false }

// Statuses implements forge.Forge: there are none.
func (f *Forge) Statuses(context.Context, forge.Repository, string) ([]forge.Status, error) {
	return nil, nil
}

// CloneURL implements forge.Forge: the path of the repository below the root,
// or its address below the configured URL. A name that leads out of the root
// has no clone URL: it is the empty string.
func (f *Forge) CloneURL(repo forge.Repository) string {
	if forge.CheckFullName(repo.FullName, 1, maxElements) != nil {
		return ""
	}
	if f.origin != nil {
		return f.origin.CloneURL(repo.FullName)
	}
	if f.checkRepository(repo.FullName) != nil {
		return ""
	}
	return filepath.Join(f.root, filepath.FromSlash(repo.FullName)+".git")
}

// CloneAuth implements forge.Forge: there is nothing to authenticate with.
func (f *Forge) CloneAuth(context.Context, forge.Repository) (user, password string, err error) {
	return "", "", nil
}
