package tags

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Distro is a distribution as text: distro.yaml.
type Distro struct {
	// Arches are those of every tag that names none.
	Arches []Text `yaml:"arches"`
	// ExternalRepos maps a name to a repository this installation does not
	// make.
	ExternalRepos map[string]ExternalRepo `yaml:"external_repos"`
	Tags          map[string]Tag          `yaml:"tags"`
	Targets       map[string]Target       `yaml:"targets"`
	// IgnoreBranches are globs of branches whose pushes are nobody's business:
	// elsewhere, a push to a branch no target builds is answered with an error
	// status.
	IgnoreBranches []Text `yaml:"ignore_branches"`
}

// ExternalRepo is a repository made elsewhere. $arch in URL stands for the
// architecture.
type ExternalRepo struct {
	URL  Text `yaml:"url"`
	line int
}

// UnmarshalYAML decodes an external repository and keeps its line.
func (r *ExternalRepo) UnmarshalYAML(node *yaml.Node) error {
	type plain ExternalRepo
	if err := decodeKnown(node, (*plain)(r)); err != nil {
		return err
	}
	r.line = node.Line
	return nil
}

// Tag is a tag of the distribution file.
type Tag struct {
	Arches []Text `yaml:"arches"`
	// Inherit lists the parents; those without a priority get 10, 20, … in
	// their order.
	Inherit       []Parent          `yaml:"inherit"`
	ExternalRepos []Text            `yaml:"external_repos"`
	Groups        map[string][]Text `yaml:"groups"`
	// Extra holds Koji's extra settings; rpm.macro.NAME sets a macro in
	// buildroots.
	Extra map[string]string `yaml:"extra"`
	line  int
}

// UnmarshalYAML decodes a tag and keeps its line.
func (t *Tag) UnmarshalYAML(node *yaml.Node) error {
	type plain Tag
	if err := decodeKnown(node, (*plain)(t)); err != nil {
		return err
	}
	t.line = node.Line
	return nil
}

// Parent is one link of inheritance, a tag's name or {parent, priority}.
type Parent struct {
	Parent   Text `yaml:"parent"`
	Priority int  `yaml:"priority"`
	line     int
}

// UnmarshalYAML accepts a bare name and a mapping.
func (p *Parent) UnmarshalYAML(node *yaml.Node) error {
	p.line = node.Line
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&p.Parent)
	}
	type plain Parent
	return decodeKnown(node, (*plain)(p))
}

// Target says which tag a branch is built with and which tag it goes to.
type Target struct {
	BuildTag Text   `yaml:"build_tag"`
	DestTag  Text   `yaml:"dest_tag"`
	Branches []Text `yaml:"branches"`
	line     int
}

// UnmarshalYAML decodes a target and keeps its line.
func (t *Target) UnmarshalYAML(node *yaml.Node) error {
	type plain Target
	if err := decodeKnown(node, (*plain)(t)); err != nil {
		return err
	}
	t.line = node.Line
	return nil
}

// Text is a scalar kept as it is written, with its line: 1.10 stays 1.10.
type Text struct {
	Value string
	line  int
}

// UnmarshalYAML takes the text of a scalar.
func (t *Text) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a single value is expected here", node.Line)
	}
	t.Value, t.line = node.Value, node.Line
	return nil
}

// decodeKnown decodes a mapping and refuses keys the struct does not have,
// which yaml.v3 forgets below a custom decoder.
func decodeKnown(node *yaml.Node, into any) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping is expected here", node.Line)
	}
	known := yamlKeys(into)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if !slices.Contains(known, key.Value) {
			return fmt.Errorf("line %d: unknown key %q: expected one of %s", key.Line, key.Value, strings.Join(known, ", "))
		}
	}
	return node.Decode(into)
}

// maxDistro bounds distro.yaml.
const maxDistro = 4 << 20

// ReadDistro reads and checks a distribution file. Its error names the line.
func ReadDistro(r io.Reader) (*Distro, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDistro+1))
	if err != nil {
		return nil, fmt.Errorf("tags: read distro.yaml: %w", err)
	}
	if len(text) > maxDistro {
		return nil, errors.New("tags: distro.yaml is larger than 4 MiB")
	}
	var tree yaml.Node
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("tags: distro.yaml: %w", err)
	}
	if !writtenOut(&tree) {
		return nil, fmt.Errorf("tags: distro.yaml: its aliases stand for more than %d values", maxNodes)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var d Distro
	if err := decoder.Decode(&d); err != nil {
		return nil, fmt.Errorf("tags: distro.yaml: %w", err)
	}
	var more yaml.Node
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("tags: distro.yaml holds more than one document")
	}
	if problems := d.check(); len(problems) > 0 {
		return nil, fmt.Errorf("tags: distro.yaml: %s", strings.Join(problems, "; "))
	}
	return &d, nil
}

// tagName is what a tag, target, group or external repository may be called:
// it becomes a path element, a URL and a status context.
var tagName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$`)

// check lists what contradicts itself, in the order of the file's sections.
func (d *Distro) check() []string {
	c := &checker{distro: d}
	for _, name := range sortedKeys(d.ExternalRepos) {
		repo := d.ExternalRepos[name]
		c.name(repo.line, "external repository", name)
		if !slices.ContainsFunc([]string{"https://", "http://", "file:///"}, func(p string) bool { return strings.HasPrefix(repo.URL.Value, p) }) {
			c.add(max(repo.URL.line, repo.line), "external repository %s: url must begin with https://, http:// or file:///", name)
		}
	}
	for _, name := range sortedKeys(d.Tags) {
		c.tag(name, d.Tags[name])
	}
	c.cycles()
	for _, name := range sortedKeys(d.Targets) {
		c.target(name, d.Targets[name])
	}
	for _, glob := range d.IgnoreBranches {
		if _, err := path.Match(glob.Value, ""); err != nil {
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

func (c *checker) tag(name string, tag Tag) {
	c.name(tag.line, "tag", name)
	if len(c.distro.arches(tag)) == 0 {
		c.add(tag.line, "tag %s: no arches, neither here nor for all tags", name)
	}
	for _, arch := range c.distro.arches(tag) {
		if !tagName.MatchString(arch) {
			c.add(tag.line, "tag %s: %q is no architecture", name, arch)
		}
	}
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
		if macro, ok := strings.CutPrefix(key, "rpm.macro."); ok && !macroName.MatchString(macro) {
			c.add(tag.line, "tag %s: %q is no name of a macro", name, macro)
		}
		if strings.ContainsAny(tag.Extra[key], "\n\x00") {
			c.add(tag.line, "tag %s: the value of %s has more than one line", name, key)
		}
	}
}

// maxPriority keeps priorities within what the order of repositories adds up.
const maxPriority = 99_999

// dependency is what a group may ask for, a package, a provide or a file: no
// option of the installer's.
var dependency = regexp.MustCompile(`^[^-\s][^\s]*$`)

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

// arches are a tag's architectures.
func (d *Distro) arches(tag Tag) []string {
	list := tag.Arches
	if len(list) == 0 {
		list = d.Arches
	}
	return values(list)
}

// priority is a link's own or the one its place gives it.
func (p Parent) priority(index int) int {
	if p.Priority != 0 {
		return p.Priority
	}
	return (index + 1) * 10
}

func values(texts []Text) []string {
	list := make([]string, len(texts))
	for i, text := range texts {
		list[i] = text.Value
	}
	return list
}
