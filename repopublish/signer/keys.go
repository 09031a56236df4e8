package signer

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distbot/distbot/internal/pgp"
)

// Keys are the private keys of a key directory. They are read again when their
// files change, so that a new key can be used and a retired one can't, at once.
// Safe for concurrent use.
type Keys struct {
	dir        string
	passphrase []byte

	mu sync.Mutex
	// byName are the keys as they were read last.
	byName map[string]*loadedKey
	// unusable is why keys whose files are there are not in byName.
	unusable map[string]error
	// retired is since when keys are, by fingerprint: what was retired once stays
	// so, whatever becomes of its files. revived are those whose files say
	// otherwise.
	retired map[string]time.Time
	revived map[string]bool
}

// keyChange is something that happened to a key, for the log.
type keyChange struct {
	key, fingerprint string
	code             Code // CodeRetiredKey where it ended signing with the key
	what             string
}

// line is the change as a line of the log.
func (c keyChange) line() Line {
	return Line{Event: EventKey, Key: c.key, Fingerprint: c.fingerprint, Code: c.code, Detail: "key " + c.key + " " + c.fingerprint + " " + c.what}
}

// loadedKey is a key and the file it was read from.
type loadedKey struct {
	Key
	private *pgp.PrivateKey
	file    fileVersion
}

// fileVersion tells whether a file is another one than it was.
type fileVersion struct {
	modified time.Time
	size     int64
}

// OpenKeys reads a key directory. Directory, keys and passphrase file must be
// open to our account alone: the error wraps ErrTooOpen otherwise, or
// pgp.ErrPassphrase where the passphrase is not that of a key.
func OpenKeys(dir, passphraseFile string) (*Keys, error) {
	passphrase, err := ReadPassphrase(passphraseFile)
	if err != nil {
		return nil, err
	}
	k := &Keys{dir: dir, passphrase: passphrase, byName: map[string]*loadedKey{}, unusable: map[string]error{}, retired: map[string]time.Time{}, revived: map[string]bool{}}
	if _, err := k.refresh(); err != nil {
		return nil, err
	}
	return k, nil
}

// List returns the keys by name.
func (k *Keys) List() []Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []Key
	for _, name := range slices.Sorted(maps.Keys(k.byName)) {
		list = append(list, k.byName[name].Key)
	}
	return list
}

// use returns a key that may sign now.
func (k *Keys) use(name string, now time.Time) (*loadedKey, *RefusedError) {
	k.mu.Lock()
	key, unusable := k.byName[name], k.unusable[name]
	k.mu.Unlock()
	switch {
	case key == nil && unusable != nil:
		return nil, refuse(CodeUnavailable, "the signer can't use its key %s: %v", name, unusable)
	case key == nil:
		return nil, refuse(CodeUnknownKey, "the signer has no key %.80q", name)
	case key.Retired != nil:
		return nil, refuse(CodeRetiredKey, "the key %s was retired at %s", name, key.Retired.Format(time.RFC3339))
	case key.Expires != nil && !now.Before(*key.Expires):
		return nil, refuse(CodeExpiredKey, "the key %s has expired at %s", name, key.Expires.Format(time.RFC3339))
	}
	return key, nil
}

// keepRetired takes in which keys the log says were retired, by fingerprint, and
// returns those that are retired and of which it does not say so.
func (k *Keys) keepRetired(logged map[string]time.Time) (changes []keyChange) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for fingerprint, at := range logged {
		if _, known := k.retired[fingerprint]; !known {
			k.retired[fingerprint] = at
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.byName)) {
		key := k.byName[name]
		if _, known := logged[key.Fingerprint]; !known && key.Retired != nil {
			changes = append(changes, keyChange{name, key.Fingerprint, CodeRetiredKey, "is retired"})
		}
	}
	return changes
}

// refresh reads what has changed, and says what, for the log. An error leaves
// the keys that have no part in it as they should be, and takes those that have.
func (k *Keys) refresh() (changes []keyChange, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := checkPrivateDir(k.dir); err != nil {
		clear(k.byName)
		return nil, fmt.Errorf("signer: read keys: %w", err)
	}
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		clear(k.byName)
		return nil, fmt.Errorf("signer: read keys: %w", err)
	}
	clear(k.unusable)
	var errs []error
	there := map[string]bool{}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), keySuffix)
		if !ok || !keyName.MatchString(name) {
			continue
		}
		there[name] = true
		change, err := k.read(name)
		if err != nil {
			delete(k.byName, name)
			k.unusable[name] = err
			errs = append(errs, fmt.Errorf("signer: read key %s: %w", name, err))
		}
		if change != nil {
			changes = append(changes, *change)
		}
	}
	for name, key := range k.byName {
		if !there[name] {
			delete(k.byName, name)
			changes = append(changes, keyChange{key: name, fingerprint: key.Fingerprint, what: "is gone"})
		}
	}
	return changes, errors.Join(errs...)
}

// read reads a key whose file has changed, and whether it is retired.
func (k *Keys) read(name string) (change *keyChange, err error) {
	path := filepath.Join(k.dir, name+keySuffix)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(path, info); err != nil {
		return nil, err
	}
	version := fileVersion{info.ModTime(), info.Size()}
	known := k.byName[name]
	if known == nil || known.file != version {
		if known, err = k.load(name, path, version); err != nil {
			return nil, err
		}
		change = &keyChange{key: name, fingerprint: known.Fingerprint, what: "is there"}
	}
	retired, err := retiredAt(k.dir, name)
	if err != nil {
		return nil, err
	}
	since, once := k.retired[known.Fingerprint]
	switch {
	case retired != nil && !once:
		k.retired[known.Fingerprint] = *retired
		change = &keyChange{name, known.Fingerprint, CodeRetiredKey, "is retired"}
	case retired == nil && once:
		retired = &since
		if !k.revived[known.Fingerprint] {
			k.revived[known.Fingerprint] = true
			change = &keyChange{key: name, fingerprint: known.Fingerprint, what: "stays retired, though " + name + retiredSuffix + " is gone"}
		}
	}
	if (retired == nil) != (known.Retired == nil) {
		// Whoever uses the key at the moment has what it was.
		changed := *known
		changed.Retired = retired
		known = &changed
	}
	k.byName[name] = known
	return change, nil
}

// load reads the file of a key.
func (k *Keys) load(name, path string, version fileVersion) (*loadedKey, error) {
	text, err := readPrivate(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	private, err := pgp.ParsePrivateKey(text, k.passphrase)
	if err != nil {
		return nil, err
	}
	key, err := NewKey(name, private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &loadedKey{Key: key, private: private, file: version}, nil
}
