package tags

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/distbot/distbot/internal/arch"
)

// tagName is what a tag, target, group or external repository may be called:
// it becomes a path element, a URL and a status context.
var tagName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$`)

// check lists what contradicts itself, in the order of the file's sections.
func (d *Distro) check() []string {
	c := &checker{distro: d}
	for _, name := range sortedKeys(d.ExternalRepos) {
		repo := d.ExternalRepos[name]
		c.name(repo.line, "external repository", name)
		c.url(max(repo.URL.line, repo.line), name, repo.URL.Value)
	}
	c.arches("", d.Arches)
	for _, name := range sortedKeys(d.Tags) {
		c.tag(name, d.Tags[name])
	}
	c.cycles()
	for _, name := range sortedKeys(d.Targets) {
		c.target(name, d.Targets[name])
	}
	for _, glob := range d.IgnoreBranches {
		if _, err := path.Match(glob.Value, ""); err != nil || !oneWord.MatchString(glob.Value) {
			c.add(glob.line, "ignore_branches: %q is no glob", glob.Value)
		}
	}
	return c.problems
}

// checker collects problems.
type checker struct {
	distro   *Distro
	problems []string
}

func (c *checker) add(line int, format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf("line %d: ", line)+fmt.Sprintf(format, args...))
}

func (c *checker) name(line int, what, name string) {
	if !tagName.MatchString(name) {
		c.add(line, "%s %q: names are letters, digits and _.+-, at most 100, and begin with a letter or digit", what, name)
	}
}

// url checks the address of an external repository, which goes into the
// configuration of dnf.
func (c *checker) url(line int, name, text string) {
	if !slices.ContainsFunc([]string{"https://", "http://", "file:///"}, func(p string) bool { return strings.HasPrefix(text, p) }) {
		c.add(line, "external repository %s: url must begin with https://, http:// or file:///", name)
		return
	}
	if u, err := url.Parse(text); err != nil || !oneWord.MatchString(text) || u.Scheme != "file" && u.Hostname() == "" {
		c.add(line, "external repository %s: %q is no URL", name, text)
	}
}

// arches checks a list of architectures; where begins its messages.
func (c *checker) arches(where string, list []Text) {
	seen := map[string]bool{}
	for _, a := range list {
		switch {
		case !tagName.MatchString(a.Value):
			c.add(a.line, "%s%q is no architecture", where, a.Value)
		case slices.Contains([]string{arch.Noarch, "src", "nosrc"}, a.Value):
			c.add(a.line, "%s%s is no architecture that machines have", where, a.Value)
		case seen[a.Value]:
			c.add(a.line, "%sarchitecture %s is named twice", where, a.Value)
		}
		seen[a.Value] = true
	}
}

func (c *checker) tag(name string, tag Tag) {
	c.name(tag.line, "tag", name)
	if len(c.distro.arches(tag)) == 0 {
		c.add(tag.line, "tag %s: no arches, neither here nor for all tags", name)
	}
	c.arches("tag "+name+": ", tag.Arches)
	priorities := map[int]string{}
	parents := map[string]bool{}
	for i, link := range tag.Inherit {
		parent := link.Parent.Value
		if _, ok := c.distro.Tags[parent]; !ok {
			c.add(link.line, "tag %s inherits from %q, which is not a tag of this file", name, parent)
		}
		if parents[parent] {
			c.add(link.line, "tag %s inherits from %s twice", name, parent)
		}
		parents[parent] = true
		priority := link.priority(i)
		if priority < 0 || priority > maxPriority {
			c.add(link.line, "tag %s: priority %d of %s is not between 0 and %d", name, priority, parent, maxPriority)
		}
		if other, taken := priorities[priority]; taken {
			c.add(link.line, "tag %s: its parents %s and %s have the same priority %d", name, other, parent, priority)
		}
		priorities[priority] = parent
	}
	repos := map[string]bool{}
	for _, repo := range tag.ExternalRepos {
		if _, ok := c.distro.ExternalRepos[repo.Value]; !ok {
			c.add(repo.line, "tag %s: external repository %q is not in external_repos", name, repo.Value)
		}
		if repos[repo.Value] {
			c.add(repo.line, "tag %s: external repository %s is named twice", name, repo.Value)
		}
		repos[repo.Value] = true
	}
	for _, group := range sortedKeys(tag.Groups) {
		c.name(tag.line, "group", group)
		for _, pkg := range tag.Groups[group] {
			if !dependency.MatchString(pkg.Value) {
				c.add(pkg.line, "tag %s: group %s: %q names no package", name, group, pkg.Value)
			}
		}
	}
	for _, key := range sortedKeys(tag.Extra) {
		macro, isMacro := strings.CutPrefix(key, "rpm.macro.")
		switch {
		case isMacro && !macroName.MatchString(macro):
			c.add(tag.line, "tag %s: %q is no name of a macro", name, macro)
		case !oneWord.MatchString(key):
			c.add(tag.line, "tag %s: %q is no name of a setting", name, key)
		case strings.Contains(tag.Extra[key], "\n"):
			c.add(tag.line, "tag %s: the value of %s has more than one line", name, key)
		case strings.ContainsFunc(tag.Extra[key], func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
			c.add(tag.line, "tag %s: the value of %s has a control character", name, key)
		}
	}
}

// maxPriority keeps priorities within what the order of repositories adds up.
const maxPriority = 99_999

// dependency is what a group may ask for, a package, a provide or a file: no
// option of the installer's, and nothing comps.xml can't express.
var dependency = regexp.MustCompile(`^[!-,.-~][!-~]*$`)

// oneWord is text without blanks and without what can't be seen.
var oneWord = regexp.MustCompile(`^[^\s\pC\pZ]+$`)

// macroName is rpm's rule: three characters at least.
var macroName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{2,}$`)

func (c *checker) target(name string, target Target) {
	c.name(target.line, "target", name)
	for _, tag := range []struct {
		key  string
		text Text
	}{{"build_tag", target.BuildTag}, {"dest_tag", target.DestTag}} {
		if _, ok := c.distro.Tags[tag.text.Value]; !ok {
			c.add(max(tag.text.line, target.line), "target %s: %s %q is not a tag of this file", name, tag.key, tag.text.Value)
		}
	}
	if len(target.Branches) == 0 {
		c.add(target.line, "target %s: no branches, so nothing would ever build for it", name)
	}
	branches := map[string]bool{}
	for _, branch := range target.Branches {
		if !oneWord.MatchString(branch.Value) {
			c.add(branch.line, "target %s: %q is no branch", name, branch.Value)
		}
		if branches[branch.Value] {
			c.add(branch.line, "target %s: branch %s is named twice", name, branch.Value)
		}
		branches[branch.Value] = true
	}
}

// cycles refuses tags that inherit from themselves.
func (c *checker) cycles() {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		path = append(path, name)
		switch state[name] {
		case done:
			return
		case visiting:
			c.add(c.distro.Tags[name].line, "tags inherit in a circle: %s", strings.Join(path[slices.Index(path, name):], " → "))
			return
		}
		state[name] = visiting
		for _, link := range c.distro.Tags[name].Inherit {
			visit(link.Parent.Value, slices.Clone(path))
		}
		state[name] = done
	}
	for _, name := range sortedKeys(c.distro.Tags) {
		visit(name, nil)
	}
}
