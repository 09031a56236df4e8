package bootstrap

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// control is what the converter uses of a Debian package's control file
// (deb-control(5)). Its strings are Debian's, not yet escaped for a spec.
type control struct {
	Name     string
	Version  evr
	Arch     string // "all", or the name of a machine
	Summary  string // first line of Description
	Homepage string
	Depends  []relation // Pre-Depends and Depends
	Provides []relation // each with one alternative
}

// A relation is satisfied by any one of its alternatives.
type relation []alternative

type alternative struct {
	Name    string
	Op      string // one of << <= = >= >>, or empty
	Version string // as Debian wrote it
}

var (
	// Debian Policy §5.6.7. `:any` and the like are cut off before.
	debianName      = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	debianArch      = regexp.MustCompile(`^[a-z0-9-]+$`)
	relationPattern = regexp.MustCompile(`^([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([A-Za-z0-9.+~:-]+)\s*\))?$`)
)

// parseControl reads one stanza. A package whose name, version or relations
// are not what Debian Policy allows is refused, because they end up in a spec.
func parseControl(data []byte) (control, error) {
	fields, err := stanza(data)
	if err != nil {
		return control{}, err
	}
	c := control{Name: fields["package"], Arch: fields["architecture"], Homepage: fields["homepage"]}
	if !debianName.MatchString(c.Name) {
		return control{}, fmt.Errorf("bootstrap: read control file: package name %q is not allowed", c.Name)
	}
	if !debianArch.MatchString(c.Arch) {
		return control{}, fmt.Errorf("bootstrap: read control file of %s: architecture %q is not allowed", c.Name, c.Arch)
	}
	if c.Version, err = parseEVR(fields["version"]); err != nil {
		return control{}, fmt.Errorf("bootstrap: read control file of %s: %w", c.Name, err)
	}
	c.Summary, _, _ = strings.Cut(fields["description"], "\n")
	for _, field := range []string{"pre-depends", "depends"} {
		relations, err := parseRelations(fields[field])
		if err != nil {
			return control{}, fmt.Errorf("bootstrap: read %s of %s: %w", field, c.Name, err)
		}
		c.Depends = append(c.Depends, relations...)
	}
	if c.Provides, err = parseRelations(fields["provides"]); err != nil {
		return control{}, fmt.Errorf("bootstrap: read provides of %s: %w", c.Name, err)
	}
	return c, nil
}

// stanza folds "Field: value" lines and their continuations; keys are lower case.
func stanza(data []byte) (map[string]string, error) {
	fields := map[string]string{}
	var last string
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxControlBytes)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "":
		case line[0] == ' ' || line[0] == '\t':
			if last == "" {
				return nil, fmt.Errorf("bootstrap: read control file: it begins with a continuation line")
			}
			fields[last] += "\n" + strings.TrimSpace(line)
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, fmt.Errorf("bootstrap: read control file: line %q has no colon", line)
			}
			last = strings.ToLower(name)
			fields[last] = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("bootstrap: read control file: %w", err)
	}
	return fields, nil
}

// parseRelations reads "a (>= 1) | b, c". Binary packages have no
// architecture or profile restrictions here (Debian Policy §7.1).
func parseRelations(s string) ([]relation, error) {
	var relations []relation
	for group := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(group) == "" {
			continue
		}
		var r relation
		for a := range strings.SplitSeq(group, "|") {
			m := relationPattern.FindStringSubmatch(strings.TrimSpace(a))
			if m == nil {
				return nil, fmt.Errorf("relation %q is not understood", strings.TrimSpace(a))
			}
			r = append(r, alternative{Name: m[1], Op: m[2], Version: m[3]})
		}
		relations = append(relations, r)
	}
	return relations, nil
}
