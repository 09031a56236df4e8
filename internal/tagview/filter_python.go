package tagview

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// fromPython writes a pattern of Python's re for the engine, whose syntax is
// .NET's, anchored at the beginning. The two differ in how groups are named and
// numbered, in \Z, in {,n}, and in brackets inside of brackets. What Python does
// not know is refused, look-behind without a fixed width included, and so is what
// the engine can't do: the flags a, L and x, conditional groups, and possessive
// repetition.
func fromPython(pattern string) (string, error) {
	t := pythonPattern{rest: pattern, names: map[string]int{}, widths: map[int]width{}, nests: []nest{{known: -1}}}
	t.out.WriteString(`\A(?:`)
	if err := t.flagsAtStart(); err != nil {
		return "", err
	}
	for t.rest != "" {
		if err := t.next(); err != nil {
			return "", err
		}
	}
	if len(t.nests) > 1 {
		return "", errors.New("a parenthesis is not closed")
	}
	t.out.WriteString(")")
	return t.out.String(), nil
}

type pythonPattern struct {
	rest   string
	out    strings.Builder
	nests  []nest         // the whole and the open parentheses in it
	groups int            // capturing groups so far
	names  map[string]int // their numbers
	widths map[int]width  // of those that are closed
}

// take writes and removes the first n bytes.
func (t *pythonPattern) take(n int) {
	t.out.WriteString(t.rest[:n])
	t.rest = t.rest[n:]
}

// flagsAtStart handles flags for the whole pattern, which Python takes only at
// its beginning.
func (t *pythonPattern) flagsAtStart() error {
	for strings.HasPrefix(t.rest, "(?") {
		end := strings.IndexByte(t.rest, ')')
		if end < 3 || strings.Trim(t.rest[2:end], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return nil
		}
		flags, err := engineFlags(t.rest[2:end])
		if err != nil {
			return err
		}
		if flags != "" {
			t.out.WriteString("(?" + flags + ")")
		}
		t.rest = t.rest[end+1:]
	}
	return nil
}

// engineFlags are Python's flags without those that are always on.
func engineFlags(flags string) (string, error) {
	for _, flag := range flags {
		if !strings.ContainsRune("imsu-", flag) {
			return "", fmt.Errorf("the flag %c is not supported, i, m and s are", flag)
		}
	}
	return strings.ReplaceAll(flags, "u", ""), nil
}

func (t *pythonPattern) next() error {
	switch t.rest[0] {
	case '\\':
		t.escaped()
		return t.escape(false)
	case '[':
		t.part(width{1, 1})
		return t.class()
	case '(':
		return t.open()
	case ')':
		t.take(1)
		return t.end()
	case '|':
		t.take(1)
		t.alternative()
		return nil
	case '^', '$':
		t.anchor()
		t.take(1)
		return nil
	case '*', '+', '?', '{':
		if ok, err := t.repetition(); ok {
			return err
		}
	}
	t.part(width{1, 1})
	t.take(utf8Len(t.rest))
	return nil
}

// escaped notes the part that a backslash begins, unless it is a reference.
func (t *pythonPattern) escaped() {
	switch c := t.rest[min(1, len(t.rest)-1)]; {
	case c >= '1' && c <= '9':
	case strings.IndexByte("AZbB", c) >= 0:
		t.anchor()
	default:
		t.part(width{1, 1})
	}
}

func utf8Len(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// open handles what begins with a parenthesis.
func (t *pythonPattern) open() error {
	if !strings.HasPrefix(t.rest, "(?") {
		t.rest = t.rest[1:]
		t.group("")
		return nil
	}
	for _, plain := range []string{"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"} {
		if strings.HasPrefix(t.rest, plain) {
			t.take(len(plain))
			t.begin(nest{looks: strings.ContainsAny(plain, "=!"), behind: strings.Contains(plain, "<")})
			return nil
		}
	}
	switch {
	case strings.HasPrefix(t.rest, "(?P<"):
		name, rest, ok := strings.Cut(t.rest[len("(?P<"):], ">")
		if !ok || !isIdentifier(name) {
			return fmt.Errorf("%q is no name for a group", name)
		}
		if t.names[name] != 0 {
			return fmt.Errorf("two groups have the name %s", name)
		}
		t.rest = rest
		t.group(name)
		return nil
	case strings.HasPrefix(t.rest, "(?P="):
		name, rest, ok := strings.Cut(t.rest[len("(?P="):], ")")
		if !ok || t.names[name] == 0 {
			return fmt.Errorf("there is no group %q before the reference to it", name)
		}
		t.rest = rest
		return t.refer(t.names[name])
	case strings.HasPrefix(t.rest, "(?#"):
		_, rest, ok := strings.Cut(t.rest, ")")
		if !ok {
			return errors.New("a comment is not closed")
		}
		t.rest = rest
		return nil
	}
	return t.openFlags()
}

// openFlags handles a group with flags of its own.
func (t *pythonPattern) openFlags() error {
	end := strings.IndexByte(t.rest, ':')
	if end < 3 || strings.Trim(t.rest[2:end], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return fmt.Errorf("the extension %q is not known, or flags are not at the beginning", t.rest[:min(len(t.rest), 4)])
	}
	flags, err := engineFlags(t.rest[2:end])
	if err != nil {
		return err
	}
	t.out.WriteString("(?" + flags + ":")
	t.begin(nest{})
	t.rest = t.rest[end+1:]
	return nil
}

// group begins a capturing group. The engine counts named groups after the
// others: so that references keep their meaning, all groups get names.
func (t *pythonPattern) group(name string) {
	t.groups++
	if name != "" {
		t.names[name] = t.groups
	}
	fmt.Fprintf(&t.out, "(?<g%d>", t.groups)
	t.begin(nest{group: t.groups})
}

// refer refers to a group. Python knows it when it is closed, and in look-behind
// when it is not part of that.
func (t *pythonPattern) refer(group int) error {
	w, closed := t.widths[group]
	if !closed {
		return fmt.Errorf("the group %d is referred to inside of itself", group)
	}
	if known := t.top().known; known >= 0 && group > known {
		return fmt.Errorf("the group %d is referred to in the look-behind it is part of", group)
	}
	fmt.Fprintf(&t.out, `\k<g%d>`, group)
	t.part(w)
	return nil
}

func isIdentifier(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && (name[0] < '0' || name[0] > '9')
}

// escape handles a backslash, in a class or outside.
func (t *pythonPattern) escape(inClass bool) error {
	if len(t.rest) < 2 {
		return errors.New("it ends with a backslash")
	}
	c := t.rest[1]
	isLetter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	switch {
	case c >= '1' && c <= '9' && !inClass:
		return t.reference()
	case c == '0' || c >= '1' && c <= '9':
		return t.octal()
	case c == 'Z' && !inClass:
		t.out.WriteString(`\z`)
		t.rest = t.rest[2:]
	case c == 'x':
		return t.hex(2)
	case c == 'u':
		return t.hex(4)
	case c == 'U':
		return t.hex(8)
	case isLetter && !strings.ContainsRune(`dDsSwWafnrtvb`, rune(c)) && (inClass || c != 'A' && c != 'B'):
		return fmt.Errorf(`there is no \%c`, c)
	default:
		t.take(1 + utf8Len(t.rest[1:]))
	}
	return nil
}

// reference handles a reference to a group by its number.
func (t *pythonPattern) reference() error {
	n := 2
	if len(t.rest) > 2 && t.rest[2] >= '0' && t.rest[2] <= '9' {
		n = 3
	}
	if n == 3 && len(t.rest) > 3 && isOctal(t.rest[1:4]) {
		t.part(width{1, 1})
		return t.octal()
	}
	number, err := strconv.Atoi(t.rest[1:n])
	if err != nil || number > t.groups {
		return fmt.Errorf("there is no group %d before the reference to it", number)
	}
	t.rest = t.rest[n:]
	return t.refer(number)
}

func isOctal(s string) bool { return strings.Trim(s, "01234567") == "" }

// octal handles a character by its octal number: \0 and up to two digits, or
// three digits.
func (t *pythonPattern) octal() error {
	n := 1
	for n < len(t.rest) && n < 4 && isOctal(t.rest[n:n+1]) {
		n++
	}
	code, err := strconv.ParseInt(t.rest[1:n], 8, 32)
	if err != nil || t.rest[1] != '0' && n != 4 || code > 0o377 {
		return fmt.Errorf("%s is no character", t.rest[:max(n, 2)])
	}
	t.character(rune(code), n)
	return nil
}

// hex handles a character by its hexadecimal number.
func (t *pythonPattern) hex(digits int) error {
	if len(t.rest) < 2+digits {
		return fmt.Errorf(`\%c needs %d hexadecimal digits`, t.rest[1], digits)
	}
	code, err := strconv.ParseUint(t.rest[2:2+digits], 16, 32)
	if err != nil || code > utf8.MaxRune {
		return fmt.Errorf(`\%c needs %d hexadecimal digits`, t.rest[1], digits)
	}
	t.character(rune(code), 2+digits)
	return nil
}

// character writes one in place of n bytes.
func (t *pythonPattern) character(c rune, n int) {
	if c < utf8.RuneSelf {
		fmt.Fprintf(&t.out, `\x%02x`, c)
	} else {
		t.out.WriteRune(c)
	}
	t.rest = t.rest[n:]
}

// class handles a set of characters. A bracket in one is a character.
func (t *pythonPattern) class() error {
	t.take(1)
	if strings.HasPrefix(t.rest, "^") {
		t.take(1)
	}
	for first := true; ; first = false {
		switch {
		case t.rest == "":
			return errors.New("a bracket is not closed")
		case t.rest[0] == ']' && !first:
			t.take(1)
			return nil
		case t.rest[0] == '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		case t.rest[0] == '[' || t.rest[0] == ']':
			t.out.WriteByte('\\')
			t.take(1)
		default:
			t.take(utf8Len(t.rest))
		}
	}
}
