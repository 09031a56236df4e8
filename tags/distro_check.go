package tags

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// check lists what contradicts itself.
func (d *Distro) check() []problem {
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
	for _, name := range sortedKeys(d.Packages) {
		c.packages(name, d.Packages[name])
	}
	for _, name := range sortedKeys(d.Targets) {
		c.target(name, d.Targets[name])
	}
	for _, glob := range d.IgnoreBranches {
		if _, err := path.Match(glob.Value, ""); err != nil || !oneWord.MatchString(glob.Value) {
			c.add(glob.line, "ignore_branches: %q is no glob", glob.Value)
		}
	}
	return c.list
}

// checker collects contradictions.
type checker struct {
	problems
	distro *Distro
}

func (c *checker) name(line int, what, name string) {
	if len(name) > maxName || !namePattern.MatchString(name) {
		c.add(line, "%s %q: names are letters, digits and _.+-, at most %d, and begin with none of . and -", what, name, maxName)
	}
}

// oneWord is text without blanks and without what can't be seen.
var oneWord = regexp.MustCompile(`^[^\s\pC\pZ]+$`)

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

// once complains about the second of two.
func (c *checker) once(line int, seen map[string]bool, name, format string, args ...any) {
	if seen[name] {
		c.add(line, format, args...)
	}
	seen[name] = true
}

// arches checks a list of architectures; where begins its messages.
func (c *checker) arches(where string, list []Text) {
	seen := map[string]bool{}
	for _, a := range list {
		switch {
		case !archPattern.MatchString(a.Value) || len(a.Value) > maxArch:
			c.add(a.line, "%s%q is no architecture", where, a.Value)
		case slices.Contains(packageArches, a.Value):
			c.add(a.line, "%s%s is no architecture that machines have", where, a.Value)
		default:
			c.once(a.line, seen, a.Value, "%sarchitecture %s is named twice", where, a.Value)
		}
	}
}

// packageArches are those of packages that no machine has: they go into the
// repositories of all.
var packageArches = []string{"noarch", "src", "nosrc"}

// maxArch bounds the name of an architecture, as parseArches does.
const maxArch = 32

func (c *checker) packages(tag string, list PackageList) {
	if _, ok := c.distro.Tags[tag]; !ok {
		c.add(list.line, "packages: %q is not a tag of this file", tag)
	}
	seen := map[string]bool{}
	for _, p := range list.Entries {
		c.name(p.Package.line, "package", p.Package.Value)
		c.once(p.Package.line, seen, p.Package.Value, "packages of %s: %s is listed twice", tag, p.Package.Value)
		if owner := p.Owner; owner.Value != "" && (len(owner.Value) > maxName || !oneWord.MatchString(owner.Value)) {
			c.add(owner.line, "packages of %s: %s: %q is no name of a user", tag, p.Package.Value, owner.Value)
		}
		c.arches(fmt.Sprintf("packages of %s: %s: ", tag, p.Package.Value), p.ExtraArches)
	}
}

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
	if target.Branches == nil {
		c.add(target.line, "target %s: no branches, so no push would ever build for it: if that is meant, write branches: []", name)
	}
	c.branches(name, target.Branches)
	c.archPolicies(name, target)
	c.repoLag(name, target)
}

func (c *checker) branches(target string, branches []Text) {
	seen := map[string]bool{}
	for _, branch := range branches {
		if !oneWord.MatchString(branch.Value) {
			c.add(branch.line, "target %s: %q is no branch", target, branch.Value)
		}
		c.once(branch.line, seen, branch.Value, "target %s: branch %s is named twice", target, branch.Value)
	}
}

// cycles refuses tags that inherit from themselves. Koji takes them, but nobody
// means them.
func (c *checker) cycles() {
	const visiting, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(name string, line int)
	visit = func(name string, line int) {
		switch state[name] {
		case done:
			return
		case visiting:
			c.add(line, "tags inherit in a circle: %s", strings.Join(append(path[slices.Index(path, name):], name), " → "))
			return
		}
		state[name] = visiting
		path = append(path, name)
		for _, link := range c.distro.Tags[name].Inherit {
			visit(link.Parent.Value, link.line)
		}
		path = path[:len(path)-1]
		state[name] = done
	}
	for _, name := range sortedKeys(c.distro.Tags) {
		visit(name, 0)
	}
}
