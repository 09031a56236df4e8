package rpmfile

import (
	"cmp"
	"strings"
)

// CompareEVR orders a and b by epoch, version and release, as rpm decides
// which of two packages of one name is newer: -1 when a is older, 0, or 1 when
// a is newer. Name and architecture play no part.
func CompareEVR(a, b NEVRA) int {
	return cmp.Or(
		cmp.Compare(a.Epoch, b.Epoch),
		CompareVersion(a.Version, b.Version),
		CompareVersion(a.Release, b.Release),
	)
}

// CompareVersion orders two version strings, or two release strings, as rpm
// 4.18's rpmvercmp does, including '~' (sorts before everything, even the end)
// and '^' (sorts after the end, before everything else). The result is -1, 0
// or 1. Characters that are neither letters, digits, '~' nor '^' separate
// segments and are otherwise ignored, so "1.0" and "1_0" are equal.
func CompareVersion(a, b string) int {
	if a == b {
		return 0
	}
	for a != "" || b != "" {
		a = strings.TrimLeftFunc(a, isSeparator)
		b = strings.TrimLeftFunc(b, isSeparator)

		if at, bt := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~"); at || bt {
			if at != bt {
				return before(at)
			}
			a, b = a[1:], b[1:]
			continue
		}
		if ac, bc := strings.HasPrefix(a, "^"), strings.HasPrefix(b, "^"); ac || bc {
			switch {
			case a == "":
				return -1
			case b == "":
				return 1
			case ac != bc:
				return before(ac)
			}
			a, b = a[1:], b[1:]
			continue
		}
		if a == "" || b == "" {
			break
		}
		var c int
		if c, a, b = compareSegment(a, b); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), 0) - cmp.Compare(len(b), 0)
}

// compareSegment compares the runs of digits, or of letters, that both strings
// start with; the kind of a's run decides. It returns what follows the runs.
func compareSegment(a, b string) (c int, restA, restB string) {
	kind, numeric := isAlpha, false
	if isDigit(a[0]) {
		kind, numeric = isDigit, true
	}
	segA, restA := cutRun(a, kind)
	segB, restB := cutRun(b, kind)
	if segB == "" { // different kinds: numbers are newer than letters
		if numeric {
			return 1, restA, restB
		}
		return -1, restA, restB
	}
	if numeric {
		segA = strings.TrimLeft(segA, "0")
		segB = strings.TrimLeft(segB, "0")
		if c := cmp.Compare(len(segA), len(segB)); c != 0 {
			return c, restA, restB
		}
	}
	return strings.Compare(segA, segB), restA, restB
}

func cutRun(s string, in func(byte) bool) (run, rest string) {
	i := 0
	for i < len(s) && in(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isSeparator(r rune) bool {
	return r >= 0x80 || !isAlnum(byte(r)) && r != '~' && r != '^'
}

func before(first bool) int {
	if first {
		return -1
	}
	return 1
}
