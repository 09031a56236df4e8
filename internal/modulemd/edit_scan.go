package modulemd

// flow is what scanFlow finds.
type flow struct {
	commas []int // of the outermost list or mapping
	end    int   // the closing bracket, -1 if there is none
	// colon is the first colon behind a plain scalar and before a comma or
	// bracket, -1 if there is none.
	colon int
}

// scanFlow scans [a, b] or {a: b} from its opening bracket on.
func scanFlow(text []byte, open int) flow {
	f := flow{end: -1, colon: -1}
	depth := 0
	for at := open; at < len(text); {
		switch c := text[at]; c {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
			if depth == 0 {
				f.end = at
				return f
			}
		case ',':
			if depth == 1 {
				f.commas = append(f.commas, at)
			}
		case ' ', '\t', '\r', '\n', ':', '?':
		case '#':
			for at < len(text) && text[at] != '\n' {
				at++
			}
			continue
		default:
			at = scanScalar(text, at, true)
			if f.colon < 0 && c != '"' && c != '\'' && at+1 < len(text) && text[at] == ':' && isFlowIndicator(text[at+1]) {
				f.colon = at
			}
			continue
		}
		at++
	}
	return f
}

func isFlowIndicator(c byte) bool {
	return c == ',' || c == '?' || c == '[' || c == ']' || c == '{' || c == '}'
}

// scanScalar is where the scalar that begins at from ends: one in quotes after
// these, a plain one before what ends it on its line, or in a flow list. A plain
// one is at least one byte.
func scanScalar(text []byte, from int, flow bool) int {
	if from >= len(text) {
		return len(text)
	}
	switch text[from] {
	case '\'', '"':
		return scanQuoted(text, from)
	}
	at := from
	for at < len(text) {
		c := text[at]
		next := byte('\n')
		if at+1 < len(text) {
			next = text[at+1]
		}
		blankNext := next == ' ' || next == '\t' || next == '\r' || next == '\n'
		switch {
		case c == '\n' || c == '\r':
			return trimBlanks(text, from, at)
		case c == ':' && blankNext:
			return trimBlanks(text, from, at)
		case (c == ' ' || c == '\t') && next == '#':
			return trimBlanks(text, from, at)
		case flow && at > from && c != '?' && isFlowIndicator(c):
			return trimBlanks(text, from, at)
		case flow && c == ':' && isFlowIndicator(next):
			return trimBlanks(text, from, at)
		}
		at++
	}
	return trimBlanks(text, from, at)
}

// trimBlanks is to without the blanks before it, but more than from.
func trimBlanks(text []byte, from, to int) int {
	for to > from+1 && (text[to-1] == ' ' || text[to-1] == '\t') {
		to--
	}
	return max(to, from+1)
}

// scanQuoted is where the quotes that begin at from end.
func scanQuoted(text []byte, from int) int {
	quote := text[from]
	for at := from + 1; at < len(text); at++ {
		switch {
		case text[at] == '\\' && quote == '"':
			at++
		case text[at] == quote && quote == '\'' && at+1 < len(text) && text[at+1] == quote:
			at++
		case text[at] == quote:
			return at + 1
		}
	}
	return len(text)
}
