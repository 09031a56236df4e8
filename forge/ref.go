package forge

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

const branchPrefix = "refs/heads/"

// MaxBranch is the longest short branch name that is accepted, in bytes: what
// one path element of git's own files can hold.
const MaxBranch = 255

// BranchRef is the full ref of a short branch name.
func BranchRef(branch string) string { return branchPrefix + branch }

// Branch returns the short name of a full branch ref, and false when ref names
// something else: a tag, a note, a pull request.
func Branch(ref string) (string, bool) { return strings.CutPrefix(ref, branchPrefix) }

// CheckBranch returns an error that says what is wrong with a short branch
// name. The rules are those of git-check-ref-format(1) with --branch, so a
// name can't be taken for an option either; on top, a name is valid UTF-8
// without Unicode control characters and at most MaxBranch bytes long.
func CheckBranch(branch string) error {
	switch {
	case branch == "":
		return errors.New("is empty")
	case len(branch) > MaxBranch:
		return errors.New("is too long")
	case !utf8.ValidString(branch):
		return errors.New("is not UTF-8")
	case strings.ContainsFunc(branch, unicode.IsControl):
		return errors.New("has a control character")
	case strings.ContainsAny(branch, " ~^:?*[\\"):
		return errors.New("has a character git forbids")
	case strings.HasPrefix(branch, "-"):
		return errors.New("begins with a dash")
	case branch == "@" || branch == "HEAD":
		return errors.New("is a name git keeps for itself")
	case strings.Contains(branch, "..") || strings.Contains(branch, "@{"):
		return errors.New("has a sequence git forbids")
	case strings.HasSuffix(branch, "."):
		return errors.New("ends with a dot")
	}
	for element := range strings.SplitSeq(branch, "/") {
		if element == "" || strings.HasPrefix(element, ".") || strings.HasSuffix(element, ".lock") {
			return errors.New("has a path element git forbids")
		}
	}
	return nil
}

// CheckCommit returns an error unless id is a full object id in lowercase hex:
// 40 digits (SHA-1) or 64 (SHA-256), not all zero.
func CheckCommit(id string) error {
	if len(id) != 40 && len(id) != 64 {
		return errors.New("is not 40 or 64 hex digits")
	}
	zeros := true
	for _, r := range id {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return errors.New("is not lowercase hex")
		}
		zeros = zeros && r == '0'
	}
	if zeros {
		return errors.New("is all zeros")
	}
	return nil
}
