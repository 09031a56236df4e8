package modulemd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// rejection says why a document cannot be used.
type rejection struct {
	severity Severity
	rule     Rule
	line     int // of the document's text, from 1; 0 is unknown
	message  string
}

func (r *rejection) Error() string { return r.message }

// reject says why the value at n cannot be used.
func reject(n *yaml.Node, rule Rule, format string, args ...any) error {
	line := 0
	if n != nil {
		line = n.Line
	}
	return &rejection{Error, rule, line, fmt.Sprintf(format, args...)}
}

// yamlLine is how yaml.v3 begins the message of a syntax error.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// parseNode reads the one YAML document of a chunk and checks what yaml.v3 does
// not: size, depth, aliases (which libmodulemd does not read, and which would
// make a small text a large tree), keys that are no scalars. Broken YAML is
// Fatal, as dnf aborts on it.
func parseNode(c chunk, limits Limits) (*yaml.Node, error) {
	text := c.text
	if len(text) > limits.DocumentBytes {
		return nil, &rejection{Error, RuleLimit, 1, fmt.Sprintf("document of %d bytes, at most %d", len(text), limits.DocumentBytes)}
	}
	if err := checkCharacters(c); err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &rejection{Fatal, RuleHeader, 1, "empty document"}
		}
		return nil, syntaxRejection(err)
	}
	var more yaml.Node
	switch err := decoder.Decode(&more); {
	case err == nil:
		// libyaml counts other characters than LF as line ends, too.
		return nil, &rejection{Fatal, RuleYAML, more.Line, "document marker after a line end that is not LF"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxRejection(err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, &rejection{Fatal, RuleHeader, 1, "empty document"}
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Value == "" {
		return nil, &rejection{Fatal, RuleHeader, 1, "empty document"}
	}
	if err := checkTree(root, limits.Depth); err != nil {
		return nil, err
	}
	return root, checkFlow(text, root)
}

// checkFlow refuses what yaml.v3 reads and libyaml does not: within brackets, a
// colon right behind a word and before another bracket or a comma, as in {a:}.
func checkFlow(text []byte, root *yaml.Node) error {
	if !bytes.ContainsAny(text, "[{") {
		return nil
	}
	return newEditor(text, root).checkFlow(root)
}

func (t *editor) checkFlow(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return nil
	}
	if n.Style&yaml.FlowStyle == 0 {
		for _, c := range n.Content {
			if err := t.checkFlow(c); err != nil {
				return err
			}
		}
		return nil
	}
	flow := scanFlow(t.text, t.offset(n))
	if flow.colon < 0 {
		return nil
	}
	line, _ := slices.BinarySearch(t.lines, flow.colon+1)
	return &rejection{Fatal, RuleYAML, line, "broken YAML: a colon before a bracket or comma; libyaml does not read it"}
}

func syntaxRejection(err error) error {
	line := 0
	message := err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1]) // no number: the line is unknown
		message = message[len(m[0]):]
	}
	return &rejection{Fatal, RuleYAML, line, "broken YAML: " + message}
}

// checkCharacters refuses what YAML does: bytes that are not UTF-8, control
// characters, a byte order mark at the beginning of any line but the first.
func checkCharacters(c chunk) error {
	text := c.text
	lineAt := func(i int) int { return 1 + bytes.Count(text[:i], []byte("\n")) }
	for i := 0; i < len(text); {
		b := text[i]
		if b < utf8.RuneSelf {
			if b < ' ' && b != '\n' && b != '\t' && b != '\r' || b == 0x7f {
				return &rejection{Fatal, RuleYAML, lineAt(i), fmt.Sprintf("broken YAML: control character %#02x", b)}
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == '\ufeff' && (i == 0 && c.line > 1 || i > 0 && text[i-1] == '\n') {
			return &rejection{Fatal, RuleYAML, lineAt(i), "broken YAML: byte order mark inside the text"}
		}
		if r == utf8.RuneError && size == 1 {
			return &rejection{Fatal, RuleYAML, lineAt(i), fmt.Sprintf("broken YAML: byte %#02x is not UTF-8", b)}
		}
		i += size
	}
	return nil
}

// checkTree refuses aliases and what is nested too deeply. Without aliases the
// tree is as large as the text, so walking it is bounded.
func checkTree(n *yaml.Node, depth int) error {
	if n.Kind == yaml.AliasNode {
		return reject(n, RuleAlias, "alias *%s: aliases are not read", n.Value)
	}
	if len(n.Content) > 0 && depth == 0 {
		return reject(n, RuleLimit, "nested too deeply")
	}
	for _, c := range n.Content {
		if err := checkTree(c, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// reader reads the nodes of one document and gathers what is remarkable.
type reader struct {
	strict  bool
	remarks []rejection
	unknown []UnknownField
}

func (r *reader) remark(severity Severity, n *yaml.Node, rule Rule, format string, args ...any) {
	line := 0
	if n != nil {
		line = n.Line
	}
	r.remarks = append(r.remarks, rejection{severity, rule, line, fmt.Sprintf(format, args...)})
}

// fieldFunc reads the value of one key. It returns false if there is no such
// key in the format.
type fieldFunc func(key string, value *yaml.Node) (known bool, err error)

// fields calls f for each key of the mapping n, in order. path names the
// mapping, such as "data.license". Unknown keys are errors if strict, else kept
// as they are. A key that occurs twice is remarked; both are read, as
// libmodulemd does, so that for most the last wins.
func (r *reader) fields(n *yaml.Node, path string, f fieldFunc) error {
	return r.pairs(n, path, func(key, value *yaml.Node) error {
		known, err := f(key.Value, value)
		if err != nil || known {
			return err
		}
		if r.strict {
			return reject(key, RuleUnknownKey, "unexpected key %q in %s", key.Value, path)
		}
		r.remark(Note, key, RuleUnknownKey, "key %q in %s is not one of the format and is ignored", key.Value, path)
		r.unknown = append(r.unknown, UnknownField{path + "." + key.Value, valueOf(value)})
		return nil
	})
}

// pairs calls f for each key and value of the mapping n, in order.
func (r *reader) pairs(n *yaml.Node, path string, f func(key, value *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return reject(n, RuleForm, "%s is not a mapping", path)
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			return reject(key, RuleForm, "a key of %s is not a scalar", path)
		}
		if seen[key.Value] {
			r.remark(Warning, key, RuleDuplicateKey, "key %q occurs twice in %s", key.Value, path)
		}
		seen[key.Value] = true
		if err := f(key, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) text(n *yaml.Node, path string) (string, error) {
	if n.Kind != yaml.ScalarNode {
		return "", reject(n, RuleForm, "%s is not a string", path)
	}
	return n.Value, nil
}

// setText reads a string into dst; for use in a fieldFunc.
func (r *reader) setText(dst *string, n *yaml.Node, path string) (bool, error) {
	s, err := r.text(n, path)
	if err == nil {
		*dst = s
	}
	return true, err
}

// boolean reads "true" or "false", quoted or not; nothing else is one.
func (r *reader) boolean(n *yaml.Node, path string) (bool, error) {
	s, err := r.text(n, path)
	if err != nil {
		return false, err
	}
	if s != "true" && s != "false" {
		return false, reject(n, RuleForm, `%s is %q, neither "true" nor "false"`, path, s)
	}
	return s == "true", nil
}

// number reads a decimal number that fits 64 bits without sign.
func (r *reader) number(n *yaml.Node, path string) (uint64, error) {
	s, err := r.text(n, path)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(trimNumber(s), 10, 64)
	if err != nil {
		return 0, reject(n, RuleNumber, "%s is %q, not a number from 0 to 18446744073709551615", path, s)
	}
	return v, nil
}

// signed reads a decimal number that fits 64 bits with sign.
func (r *reader) signed(n *yaml.Node, path string) (int64, error) {
	s, err := r.text(n, path)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseInt(trimNumber(s), 10, 64)
	if err != nil {
		return 0, reject(n, RuleNumber, "%s is %q, not a number of 64 bits with sign", path, s)
	}
	if v != int64(int32(v)) {
		r.remark(Warning, n, RuleNumber, "%s is %d; libmodulemd before 2.15 keeps 32 bits of it", path, v)
	}
	return v, nil
}

// trimNumber removes what C's strtoull allows before a number and Go does not.
func trimNumber(s string) string {
	for len(s) > 0 && (s[0] == ' ' || '\t' <= s[0] && s[0] <= '\r') {
		s = s[1:]
	}
	if len(s) > 1 && s[0] == '+' && '0' <= s[1] && s[1] <= '9' {
		s = s[1:]
	}
	return s
}

// set reads a list of strings as a set: sorted, each once. A single string is a
// list of one; an empty one is an empty list.
func (r *reader) set(n *yaml.Node, path string) ([]string, error) {
	if n.Kind == yaml.ScalarNode {
		if n.Value == "" {
			r.remark(Warning, n, RuleForm, "%s is empty; libmodulemd before 2.15 reads a list of one empty string", path)
			return nil, nil
		}
		return []string{n.Value}, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, reject(n, RuleForm, "%s is not a list", path)
	}
	items := make([]string, 0, len(n.Content))
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode {
			return nil, reject(c, RuleForm, "an entry of %s is not a string", path)
		}
		items = append(items, c.Value)
	}
	slices.Sort(items)
	return slices.Compact(items), nil
}

// setSet reads a set into dst; for use in a fieldFunc.
func (r *reader) setSet(dst *[]string, n *yaml.Node, path string) (bool, error) {
	s, err := r.set(n, path)
	if err == nil {
		*dst = s
	}
	return true, err
}

// rpmSet reads a mapping whose only key is "rpms", a set. Where there is none,
// as after a mere "api:", libmodulemd forgets that it met an error and accepts
// or refuses the document by what follows; that is refused here.
func (r *reader) rpmSet(dst *[]string, n *yaml.Node, path string) (bool, error) {
	var rpms []string
	err := r.fields(n, path, func(key string, value *yaml.Node) (bool, error) {
		if key != "rpms" {
			return false, nil
		}
		return r.setSet(&rpms, value, path+".rpms")
	})
	if err == nil {
		*dst = rpms
	}
	return true, err
}

// nestedSet reads a mapping of sets, such as the streams required of each
// module. libmodulemd refuses a key that occurs twice here.
func (r *reader) nestedSet(n *yaml.Node, path string) (map[string][]string, error) {
	sets := map[string][]string{}
	err := r.pairs(n, path, func(key, value *yaml.Node) error {
		if _, twice := sets[key.Value]; twice {
			return reject(key, RuleDuplicateKey, "key %q occurs twice in %s", key.Value, path)
		}
		set, err := r.set(value, path+"."+key.Value)
		sets[key.Value] = set
		return err
	})
	return sets, err
}
