package tags

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/distbot/distbot/internal/tagview"
)

func (c *checker) tag(name string, tag Tag) {
	c.name(tag.line, "tag", name)
	if tag.Arches == nil && !tag.InheritArches && len(c.distro.Arches) == 0 {
		c.add(tag.line, "tag %s: no arches, neither here nor for all tags", name)
	}
	c.arches("tag "+name+": ", tag.Arches)
	c.parents(name, tag)
	c.repos(name, tag)
	for _, group := range sortedKeys(tag.Groups) {
		c.group(name, group, tag.Groups[group])
	}
	c.settings(name, tag)
}

func (c *checker) parents(name string, tag Tag) {
	priorities := map[int32]string{}
	seen := map[string]bool{}
	for i, link := range tag.Inherit {
		parent := link.Parent.Value
		if _, ok := c.distro.Tags[parent]; !ok {
			c.add(link.line, "tag %s inherits from %q, which is not a tag of this file", name, parent)
		}
		c.once(link.line, seen, parent, "tag %s inherits from %s twice", name, parent)
		priority := link.priority(i)
		if other, taken := priorities[priority]; taken {
			c.add(link.line, "tag %s: its parents %s and %s have the same priority %d", name, other, parent, priority)
		}
		priorities[priority] = parent
		if link.PkgFilter.Value != "" {
			if _, err := tagview.CompileFilter(link.PkgFilter.Value); err != nil {
				c.add(link.PkgFilter.line, "tag %s: %s: %v", name, parent, err)
			}
		}
	}
}

func (c *checker) repos(name string, tag Tag) {
	priorities := map[int32]string{}
	seen := map[string]bool{}
	for i, repo := range tag.ExternalRepos {
		if repo.URL.Value == "" {
			if _, ok := c.distro.ExternalRepos[repo.Name.Value]; !ok {
				c.add(repo.Name.line, "tag %s: external repository %q is not in external_repos", name, repo.Name.Value)
			}
		} else {
			c.name(repo.Name.line, "external repository", repo.Name.Value)
			c.url(repo.URL.line, repo.Name.Value, repo.URL.Value)
		}
		c.once(repo.Name.line, seen, repo.Name.Value, "tag %s: external repository %s is named twice", name, repo.Name.Value)
		priority := repo.priority(i)
		if other, taken := priorities[priority]; taken {
			c.add(repo.Name.line, "tag %s: its external repositories %s and %s have the same priority %d", name, other, repo.Name.Value, priority)
		}
		priorities[priority] = repo.Name.Value
	}
}

// dependency is what a group may ask for, a package, a provide or a file: no
// option of the installer's, and nothing comps.xml can't express.
var dependency = regexp.MustCompile(`^[!-,.-~][!-~]*$`)

// memberTypes are how something may belong to a comps group.
var memberTypes = []string{typeMandatory, "default", "optional", "conditional"}

const typeMandatory = "mandatory"

func (c *checker) memberType(tag, group string, kind Text) {
	if kind.Value != "" && !slices.Contains(memberTypes, kind.Value) {
		c.add(kind.line, "tag %s: group %s: type must be one of %s, not %q", tag, group, strings.Join(memberTypes, ", "), kind.Value)
	}
}

func (c *checker) group(tag, name string, g Group) {
	c.name(g.line, "group", name)
	if g.Inherited && g.described {
		c.add(g.line, "tag %s: group %s is inherited, so only packages and requires can be said of it here", tag, name)
	}
	for _, text := range []Text{g.DisplayName, g.LangOnly, {strings.ReplaceAll(g.Description.Value, "\n", " "), g.Description.line}} {
		c.printable(text.line, text.Value, "tag %s: group %s: a text has a control character", tag, name)
	}
	// A package may be named twice, as long as nothing else is said of it.
	packages := map[string]GroupPackage{}
	for _, p := range g.Packages {
		if !dependency.MatchString(p.Name.Value) {
			c.add(p.Name.line, "tag %s: group %s: %q names no package", tag, name, p.Name.Value)
		}
		c.memberType(tag, name, p.Type)
		c.printable(p.Requires.line, p.Requires.Value, "tag %s: group %s: a text has a control character", tag, name)
		if other, there := packages[p.Name.Value]; there && other.config() != p.config() {
			c.add(p.Name.line, "tag %s: group %s: %s is in it twice, each time differently", tag, name, p.Name.Value)
		}
		packages[p.Name.Value] = p
	}
	seen := map[string]bool{}
	for _, q := range g.Requires {
		c.name(q.Group.line, "group", q.Group.Value)
		c.memberType(tag, name, q.Type)
		c.once(q.Group.line, seen, q.Group.Value, "tag %s: group %s requires %s twice", tag, name, q.Group.Value)
	}
}

// macroName is rpm's rule: three characters at least.
var macroName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{2,}$`)

// settingName is text without what can't be seen.
var settingName = regexp.MustCompile(`^[^\pC\p{Zl}\p{Zp}]+$`)

func (c *checker) settings(name string, tag Tag) {
	for _, key := range sortedKeys(tag.Extra) {
		setting := tag.Extra[key]
		c.settingName(setting.line, name, key)
		c.setting(name, key, setting)
	}
	seen := map[string]bool{}
	for _, key := range tag.ExtraBlocked {
		c.settingName(key.line, name, key.Value)
		c.once(key.line, seen, key.Value, "tag %s: extra_blocked names %s twice", name, key.Value)
		if _, both := tag.Extra[key.Value]; both {
			c.add(key.line, "tag %s: %s is in extra and in extra_blocked", name, key.Value)
		}
	}
}

func (c *checker) settingName(line int, tag, key string) {
	macro, isMacro := strings.CutPrefix(key, macroPrefix)
	switch {
	case isMacro && !macroName.MatchString(macro):
		c.add(line, "tag %s: %q is no name of a macro", tag, macro)
	case !settingName.MatchString(key):
		c.add(line, "tag %s: %q is no name of a setting", tag, key)
	case len(key) > maxExtraKey:
		c.add(line, "tag %s: the name of the setting %.80s… has more than %d bytes", tag, key, maxExtraKey)
	}
}

func (c *checker) setting(tag, key string, s Setting) {
	var text string
	isText := json.Unmarshal(s.Value, &text) == nil
	switch {
	case len(s.Value) > maxExtraValue:
		c.add(s.line, "tag %s: the value of %s has more than %d bytes", tag, key, maxExtraValue)
	case bytes.Contains(s.Value, []byte(`\u0000`)) && hasNUL(s.Value):
		c.add(s.line, "tag %s: the value of %s has a control character", tag, key)
	case !strings.HasPrefix(key, macroPrefix):
	case bytes.ContainsAny(s.Value[:1], "[{"):
		c.add(s.line, "tag %s: %s must be a single value", tag, key)
	case isText && strings.Contains(text, "\n"):
		c.add(s.line, "tag %s: the value of %s has more than one line", tag, key)
	case isText:
		c.printable(s.line, text, "tag %s: the value of %s has a control character", tag, key)
	}
}

// hasNUL finds the one character that the database can't hold, in any text of a
// JSON value.
func hasNUL(value json.RawMessage) bool {
	decoder := json.NewDecoder(bytes.NewReader(value))
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		if text, ok := token.(string); ok && strings.ContainsRune(text, 0) {
			return true
		}
	}
}

// printable complains about text with control characters.
func (c *checker) printable(line int, text, format string, args ...any) {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		c.add(line, format, args...)
	}
}
