package distgit

import (
	"strconv"
	"strings"
)

// truth is a yes, a no, or a don't know.
type truth int

const (
	unknown truth = iota
	no
	yes
)

// truthOf is yes or no.
func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// maxExpressionDepth bounds parentheses and signs inside one another.
const maxExpressionDepth = 64

// decide evaluates the expression of an %if whose macros are expanded already:
// whole numbers, quoted strings, + - * / ! && || ( ) and comparisons, as in
// rpm's rpmExpandExpr. Everything else, and everything rpm would refuse, is
// unknown.
func decide(text string) truth {
	e := expression{rest: text}
	v, ok := e.or()
	e.space()
	if !ok || e.rest != "" {
		return unknown
	}
	return truthOf(v.isTrue())
}

// operand is a number or a string.
type operand struct {
	number   int64
	text     string
	isString bool
}

func (o operand) isTrue() bool {
	if o.isString {
		return o.text != ""
	}
	return o.number != 0
}

func numberOf(b bool) operand {
	if b {
		return operand{number: 1}
	}
	return operand{}
}

// expression is the text that is not read yet.
type expression struct {
	rest  string
	depth int
}

func (e *expression) space() { e.rest = strings.TrimLeft(e.rest, " \t\r\n") }

// take consumes the first of tokens that comes next.
func (e *expression) take(tokens ...string) string {
	e.space()
	for _, token := range tokens {
		if strings.HasPrefix(e.rest, token) {
			e.rest = e.rest[len(token):]
			return token
		}
	}
	return ""
}

func (e *expression) or() (operand, bool) {
	left, ok := e.and()
	for ok && e.take("||") != "" {
		var right operand
		if right, ok = e.and(); ok {
			left = numberOf(left.isTrue() || right.isTrue())
		}
	}
	return left, ok
}

func (e *expression) and() (operand, bool) {
	left, ok := e.comparison()
	for ok && e.take("&&") != "" {
		var right operand
		if right, ok = e.comparison(); ok {
			left = numberOf(left.isTrue() && right.isTrue())
		}
	}
	return left, ok
}

func (e *expression) comparison() (operand, bool) {
	left, ok := e.sum()
	for ok {
		operator := e.take("==", "!=", "<=", ">=", "<", ">")
		if operator == "" {
			break
		}
		right, okRight := e.sum()
		if !okRight || left.isString != right.isString {
			return operand{}, false
		}
		order := strings.Compare(left.text, right.text)
		if !left.isString {
			order = compareNumbers(left.number, right.number)
		}
		left = numberOf(map[string]bool{
			"==": order == 0, "!=": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0,
		}[operator])
	}
	return left, ok
}

func compareNumbers(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (e *expression) sum() (operand, bool) {
	return e.arithmetic(e.product, "+", "-")
}

func (e *expression) product() (operand, bool) {
	return e.arithmetic(e.unary, "*", "/")
}

// arithmetic reads operands joined by operators of one rank. A result that
// rpm's int might not hold is unknown.
func (e *expression) arithmetic(next func() (operand, bool), operators ...string) (operand, bool) {
	left, ok := next()
	for ok {
		operator := e.take(operators...)
		if operator == "" {
			break
		}
		right, okRight := next()
		if !okRight || left.isString || right.isString || operator == "/" && right.number == 0 {
			return operand{}, false
		}
		switch operator {
		case "+":
			left.number += right.number
		case "-":
			left.number -= right.number
		case "*":
			left.number *= right.number
		case "/":
			left.number /= right.number
		}
		ok = left.number < 1<<31 && left.number >= -1<<31
	}
	return left, ok
}

func (e *expression) unary() (operand, bool) {
	if e.depth++; e.depth > maxExpressionDepth {
		return operand{}, false
	}
	defer func() { e.depth-- }()
	e.space()
	switch {
	case strings.HasPrefix(e.rest, "!="):
		return operand{}, false
	case e.take("!") != "":
		v, ok := e.unary()
		return numberOf(!v.isTrue()), ok
	case e.take("-") != "":
		v, ok := e.unary()
		return operand{number: -v.number}, ok && !v.isString
	case e.take("(") != "":
		v, ok := e.or()
		return v, ok && e.take(")") != ""
	case e.take(`"`) != "":
		text, rest, closed := strings.Cut(e.rest, `"`)
		e.rest = rest
		return operand{text: text, isString: true}, closed
	}
	return e.number()
}

// number reads decimal digits; rpm reads 08 as 8 too.
func (e *expression) number() (operand, bool) {
	digits := e.rest[:len(e.rest)-len(strings.TrimLeft(e.rest, "0123456789"))]
	e.rest = e.rest[len(digits):]
	if digits == "" || len(digits) > 9 || e.rest != "" && isNameByte(e.rest[0]) {
		return operand{}, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return operand{number: n}, err == nil
}
