package bootstrap

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assets embed.FS

// tables are the facts about Debian and Fedora that no package states itself.
// They are read once and then only looked at.
type tables struct {
	names       []tableRow
	requires    []tableRow
	links       []tableRow
	directories []directory
}

// tableRow is one line of an embedded table: its first word, then the others.
type tableRow struct {
	key    string
	values []string
}

// symlink is a link to add to a package. Path has no leading slash.
type symlink struct {
	Path, Target string
}

// directory is one that distbot-filesystem owns. Path has no leading slash.
type directory struct {
	Path string
	Mode fs.FileMode
}

func loadTables() (*tables, error) {
	t := &tables{}
	var err error
	if t.names, err = readTable("fedora-names", 2); err != nil {
		return nil, err
	}
	if t.requires, err = readTable("requires", 2); err != nil {
		return nil, err
	}
	if t.links, err = readTable("alternatives", 3); err != nil {
		return nil, err
	}
	rows, err := readTable("directories", 2)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		bits, err := strconv.ParseUint(row.key, 8, 12)
		if err != nil {
			return nil, fmt.Errorf("bootstrap: read table directories: mode of %s: %w", row.values[0], err)
		}
		mode := fs.FileMode(bits & 0o777)
		if bits&0o1000 != 0 {
			mode |= fs.ModeSticky
		}
		t.directories = append(t.directories, directory{strings.TrimPrefix(row.values[0], "/"), mode})
	}
	return t, nil
}

// readTable reads an embedded table whose rows have at least words words.
func readTable(name string, words int) ([]tableRow, error) {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return nil, fmt.Errorf("bootstrap: read table: %w", err)
	}
	var rows []tableRow
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < words {
			return nil, fmt.Errorf("bootstrap: read table %s: row %q has %d words, not %d", name, fields[0], len(fields), words)
		}
		rows = append(rows, tableRow{strings.TrimSuffix(fields[0], ":"), fields[1:]})
	}
	return rows, nil
}

// fedoraNames returns the names under which Fedora's specs know a package.
func (t *tables) fedoraNames(deb string) []string { return lookUp(t.names, deb) }

// fedoraRequires returns what a package has to require beyond Debian's Depends.
func (t *tables) fedoraRequires(deb string) []string { return lookUp(t.requires, deb) }

func lookUp(rows []tableRow, deb string) []string {
	var values []string
	for _, row := range rows {
		// A malformed pattern matches nothing; a test tries every row.
		if match, err := path.Match(row.key, deb); err == nil && match {
			values = append(values, row.values...)
		}
	}
	return values
}

// alternatives returns the links to add to a package.
func (t *tables) alternatives(deb string) []symlink {
	var links []symlink
	for _, row := range t.links {
		if row.key == deb {
			links = append(links, symlink{strings.TrimPrefix(row.values[0], "/"), row.values[1]})
		}
	}
	return links
}

// shared is the set of directories that no package but distbot-filesystem owns.
func (t *tables) shared() map[string]bool {
	set := map[string]bool{}
	for _, d := range t.directories {
		set[d.Path] = true
	}
	return set
}
