package plaingit

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// SpoolDir is the directory inside a repository that holds what its hook has
// not yet delivered: one file per push, named so that they sort by time.
const SpoolDir = "distbot-spool"

const (
	// maxUpdates bounds how many refs of one push are reported.
	maxUpdates = 10_000
	// maxRef bounds a ref of git, in bytes, so that a body stays below MaxBody
	// even when every byte is escaped.
	maxRef = 1024
	// maxSpooled bounds how many pushes wait; what is above is left to
	// distbot's own comparison of branch heads.
	maxSpooled = 1000
	// maxSpoolFile bounds one file: maxUpdates updates with long refs.
	maxSpoolFile = 16 << 20
)

// push is everything one run of the hook has to report.
type push struct {
	// ID is the first part of the id of each delivery.
	ID      string   `json:"id"`
	Pusher  string   `json:"pusher"`
	Updates []update `json:"updates"`
}

// update is one line of git's post-receive protocol (githooks(5)).
type update struct {
	Before string `json:"before"`
	After  string `json:"after"`
	Ref    string `json:"ref"`
}

// readPush reads "OLD NEW REF" lines.
func readPush(stdin io.Reader, pusher string) (push, error) {
	p := push{ID: rand.Text(), Pusher: pusher}
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		if len(p.Updates) == maxUpdates {
			return push{}, fmt.Errorf("more than %d refs in one push", maxUpdates)
		}
		before, rest, _ := strings.Cut(lines.Text(), " ")
		after, ref, found := strings.Cut(rest, " ")
		if !found || !objectID(before) || !objectID(after) || len(ref) > maxRef || !utf8.ValidString(ref) {
			return push{}, errors.New("standard input is not what git feeds a post-receive hook")
		}
		p.Updates = append(p.Updates, update{Before: before, After: after, Ref: ref})
	}
	return p, lines.Err()
}

func objectID(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// spool is the directory of pushes that wait, inside a repository.
type spool struct{ repo *os.Root }

// add stores the push on disk; it is there when add returns nil, even if the
// machine stops.
func (s spool) add(p push, now time.Time) error {
	if err := s.repo.Mkdir(SpoolDir, 0o770); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	waiting, err := s.list()
	if err != nil {
		return err
	}
	if len(waiting) >= maxSpooled {
		return fmt.Errorf("%d pushes wait in %s already", len(waiting), SpoolDir)
	}
	content, err := json.Marshal(p)
	if err != nil {
		return err
	}
	name := path.Join(SpoolDir, fmt.Sprintf("%020d-%s.json", now.UnixNano(), p.ID))
	if err := writeFile(s.repo, name+".new", content, 0o660); err != nil {
		return err
	}
	return s.repo.Rename(name+".new", name)
}

// list returns the names of what waits, oldest first.
func (s spool) list() ([]string, error) {
	dir, err := s.repo.Open(SpoolDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.Type().IsRegular() && strings.HasSuffix(entry.Name(), ".json") {
			names = append(names, path.Join(SpoolDir, entry.Name()))
		}
	}
	slices.Sort(names)
	return names, nil
}

// read returns a push that waits. An error that is not fs.ErrNotExist means
// that the file is damaged.
func (s spool) read(name string) (push, error) {
	f, err := s.repo.Open(name)
	if err != nil {
		return push{}, err
	}
	defer f.Close()
	var p push
	if err := json.NewDecoder(io.LimitReader(f, maxSpoolFile)).Decode(&p); err != nil {
		return push{}, err
	}
	return p, nil
}

// remove forgets a push. Another run of the hook may have been faster.
func (s spool) remove(name string) error {
	if err := s.repo.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// setAside keeps a damaged file out of the way, for a person to look at.
func (s spool) setAside(name string) error {
	if err := s.repo.Rename(name, name+".damaged"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
