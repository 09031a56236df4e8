package tags

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
	// given is true when the file says the priority, which may be 0.
	given bool
	line  int
}

// UnmarshalYAML accepts a bare name and a mapping.
func (p *Parent) UnmarshalYAML(node *yaml.Node) error {
	p.line = node.Line
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&p.Parent)
	}
	type plain Parent
	if err := decodeKnown(node, (*plain)(p)); err != nil {
		return err
	}
	for key, value := range pairs(node) {
		p.given = p.given || key.Value == "priority" && !isNull(value)
	}
	return nil
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
	for key := range pairs(node) {
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
	// Who applies an empty file by mistake would lose all targets.
	if len(tree.Content) == 0 || isNull(tree.Content[0]) {
		return nil, errors.New("tags: distro.yaml is empty")
	}
	if line := emptyItem(&tree); line > 0 {
		return nil, fmt.Errorf("tags: distro.yaml: line %d: an item of the list is empty", line)
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
	d.findLines(tree.Content[0])
	if problems := d.check(); len(problems) > 0 {
		return nil, fmt.Errorf("tags: distro.yaml: %s", strings.Join(problems, "; "))
	}
	return &d, nil
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
	if p.given {
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
