package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/repopublish"
	"github.com/distbot/distbot/repopublish/signer"
)

func repoKeyCommands() []command {
	return []command{
		{
			name: "repo keygen", args: "NAME [--type rsa4096|ed25519] [--expires 730d] [--user-id TEXT]",
			help: "make a signing key, as the signer's account", run: repoKeygen,
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("type", string(pgp.RSA4096), "`rsa4096`, or ed25519 where no client is EL 9 or older")
				flags.String("expires", "never", "how `long` it signs: 730d, or never")
				flags.String("user-id", "", "whom it belongs to, a `text` such as NAME <ADDRESS>")
			},
		},
		{name: "repo key list", args: "[--json]", help: "list keys, retired ones too", run: listKeys, flags: jsonFlag},
		{name: "repo key export", args: "NAME...", help: "print public keys, for gpgkey= in a .repo file", run: withHub(readKeyNames, repoKeyExport), flags: configFlag},
		{name: "repo key retire", args: "NAME", help: "end signing with a key for good, as the signer's account; its signatures stay valid", run: repoKeyRetire, flags: jsonFlag},
		{name: "repo key trust", args: "NAME FILE", help: "let somebody else's signatures on imported packages count", run: withHub(readTrust, repoKeyTrust), flags: jsonFlag},
		{name: "repo key distrust", args: "NAME", help: "end that; what counted already stays", run: withHub(readKeyNames, repoKeyDistrust), flags: jsonFlag},
	}
}

// signing is the installation's, with its signer where it has one.
func (h *hub) signing(artifacts *store.Store) *repopublish.Signing {
	return h.config.signing(h.pool, artifacts)
}

func repoKeygen(_ context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of the new key")
	if err != nil {
		return err
	}
	algorithm := pgp.Algorithm(value(flags, "type"))
	if algorithm != pgp.Ed25519 && algorithm != pgp.RSA4096 {
		return usage("--type must be %s or %s, not %q", pgp.RSA4096, pgp.Ed25519, algorithm)
	}
	lifetime, err := parseLifetime(value(flags, "expires"))
	if err != nil {
		return err
	}
	config, err := readConfig(flags)
	if err != nil {
		return err
	}
	if err := guardMemory(); err != nil {
		return err
	}
	userID := value(flags, "user-id")
	if userID == "" {
		userID = names[0] + " key of " + hostOf(config.ExternalURL)
	}
	c := config.Signing
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	if err := signer.MakePassphrase(c.PassphraseFile); err != nil {
		return err
	}
	passphrase, err := signer.ReadPassphrase(c.PassphraseFile)
	if err != nil {
		return err
	}
	key, err := signer.CreateKey(c.keyDir(), passphrase, names[0], userID, algorithm, time.Now(), lifetime)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a key %s already, and keys are never replaced: take another name", names[0])
	}
	if err != nil {
		return err
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, key)
	}
	_, err = fmt.Fprintf(t.stdout, "made the key %s, %s, of %s\nfingerprint: %s\nexpires: %s\nkeep a copy of %s and of %s, apart from one another\n",
		key.Name, key.Algorithm, key.UserID, key.Fingerprint, expiry(key.Expires), c.keyDir(), c.PassphraseFile)
	return err
}

// hostOf is the host of a URL.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return "distbot"
	}
	return u.Hostname()
}

// keyState is in words whether a key signs.
func keyState(key repopublish.KnownKey, now time.Time) string {
	switch {
	case key.Retired != nil && key.Own:
		return "retired"
	case key.Retired != nil:
		return "not trusted any more"
	case key.Expires != nil && !now.Before(*key.Expires):
		return "expired"
	case key.Own:
		return "signs"
	}
	return "trusted"
}

func listKeys(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	list := func(ctx context.Context, h *hub, _ nothing) error { return repoKeyList(ctx, h, t.stderr) }
	return withHub(readNothing, list)(ctx, t, flags)
}

// unlisted tells why keys that are in our key directory may not be in a list.
func (h *hub) unlisted(known []repopublish.KnownKey, why error) string {
	dir := h.config.Signing.keyDir()
	var names []string
	for _, name := range signer.KeyNames(dir) {
		if !slices.ContainsFunc(known, func(k repopublish.KnownKey) bool { return k.Own && k.Name == name }) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%v; keys in %s that it has not told of yet: %s", why, dir, strings.Join(names, " "))
}

func repoKeyList(ctx context.Context, h *hub, stderr io.Writer) error {
	signing := h.signing(nil)
	// A signer that is not there keeps nobody from seeing what is known.
	away := signing.SyncKeys(ctx)
	if away != nil && !errors.Is(away, repopublish.ErrNoSigner) && !errors.Is(away, signer.ErrUnreachable) {
		return away
	}
	keys, err := signing.Keys(ctx)
	if err != nil {
		return err
	}
	if away != nil {
		if text := h.unlisted(keys, away); text != "" {
			fmt.Fprintln(stderr, text)
		}
	}
	type view struct {
		repopublish.KnownKey
		State string `json:"state"`
	}
	views := make([]view, len(keys))
	rows := make([][]string, len(keys))
	for i, key := range keys {
		views[i] = view{key, keyState(key, time.Now())}
		rows[i] = []string{key.Name, views[i].State, key.ID, string(key.Algorithm), when(key.Created), expiry(key.Expires), whenOrDash(key.Retired), key.UserID}
	}
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"KEY", "STATE", "ID", "TYPE", "CREATED", "EXPIRES", "RETIRED", "USER ID"}, rows)
}

func readKeyNames(flags *flag.FlagSet) ([]string, error) {
	return operands(flags, 1, -1, "names of keys")
}

func repoKeyExport(ctx context.Context, h *hub, names []string) error {
	text, err := h.signing(nil).PublicKeyFile(ctx, names)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(h.stdout, text)
	return err
}

func repoKeyRetire(_ context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of a key")
	if err != nil {
		return err
	}
	config, err := readConfig(flags)
	if err != nil {
		return err
	}
	at, err := signer.RetireKey(config.Signing.keyDir(), names[0], time.Now())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no key %s in %s; keys of others end with distbot repo key distrust", names[0], config.Signing.keyDir())
	}
	if err != nil {
		return err
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, struct {
			Name    string    `json:"name"`
			Retired time.Time `json:"retired_at"`
		}{names[0], at})
	}
	_, err = fmt.Fprintf(t.stdout, "nothing is signed with %s any more, since %s\n", names[0], when(at))
	return err
}

// trust is a key to be trusted.
type trust struct {
	name    string
	armored []byte
}

// maxPublicKey bounds the file of a public key, in bytes.
const maxPublicKey = 1 << 20

func readTrust(flags *flag.FlagSet) (trust, error) {
	args, err := operands(flags, 2, 2, "a name for the key, and the file with the public key")
	if err != nil {
		return trust{}, err
	}
	text, err := readBounded(args[1], maxPublicKey)
	return trust{args[0], text}, err
}

// checkForeign refuses a key of the signer, whose signatures count by themselves.
func checkForeign(ctx context.Context, signing *repopublish.Signing, armored []byte) error {
	public, err := pgp.ParsePublicKeys(armored)
	if err != nil {
		return err
	}
	known, err := signing.Keys(ctx)
	if err != nil {
		return err
	}
	for _, key := range known {
		if key.Own && slices.ContainsFunc(public, func(p *pgp.PublicKey) bool { return p.Fingerprint == key.Fingerprint }) {
			return fmt.Errorf("this is the key %s of the signer, which is in the state %q: what it has signed counts, and keys of the signer are never trusted as somebody else's", key.Name, keyState(key, time.Now()))
		}
	}
	return nil
}

func repoKeyTrust(ctx context.Context, h *hub, asked trust) error {
	if err := checkForeign(ctx, h.signing(nil), asked.armored); err != nil {
		return err
	}
	key, err := h.signing(nil).TrustKey(ctx, asked.name, asked.armored)
	if err != nil {
		return err
	}
	artifacts, err := store.Open(filepath.Join(h.config.StateDir, "store"))
	if err != nil {
		return err
	}
	defer artifacts.Close()
	found, err := h.signing(artifacts).RecordTrusted(ctx, asked.name)
	if err != nil {
		return fmt.Errorf("%w; the key is trusted, the command again looks at the packages that are left", err)
	}
	if h.json {
		return writeJSON(h.stdout, struct {
			signer.Key
			Recorded repopublish.Recorded `json:"recorded"`
		}{key, found})
	}
	for _, unfit := range found.Unfit {
		fmt.Fprintln(h.stdout, "does not count:", unfit)
	}
	_, err = fmt.Fprintf(h.stdout, "signatures of %s count from now on: %s, %s\ncompare this fingerprint with that of its owner: %s\npackages that are here already: %d looked at, %d signed by it\n",
		key.Name, key.UserID, key.Algorithm, key.Fingerprint, found.Packages, found.Signed)
	return err
}

func repoKeyDistrust(ctx context.Context, h *hub, names []string) error {
	for _, name := range names {
		err := h.signing(nil).RetireTrusted(ctx, name)
		if errors.Is(err, repopublish.ErrNoKey) {
			return fmt.Errorf("there is no key %s of somebody else; keys of the signer end with distbot repo key retire", name)
		}
		if err != nil {
			return err
		}
		if !h.json {
			fmt.Fprintf(h.stdout, "signatures of %s on packages that come from now on do not count\n", name)
		}
	}
	if !h.json {
		return nil
	}
	return writeJSON(h.stdout, struct {
		Names []string `json:"names"`
	}{names})
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return text, err
}
