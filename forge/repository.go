package forge

import (
	"errors"
	"strings"
)

// maxFullName bounds Repository.FullName in bytes, maxFullNameElements in path
// elements.
const (
	maxFullName         = 255
	maxFullNameElements = 8
)

// CheckFullName returns an error unless name is made of between min and max
// path elements that can be put into a URL or a path as they are: letters,
// digits and "-_.", none of them "." or "..", none beginning with a dash or
// ending in ".git".
func CheckFullName(name string, min, max int) error {
	if len(name) > maxFullName {
		return errors.New("is too long")
	}
	elements := strings.Split(name, "/")
	if len(elements) < min || len(elements) > max {
		return errors.New("has the wrong number of path elements")
	}
	for _, element := range elements {
		switch {
		case element == "" || element == "." || element == "..":
			return errors.New("has an empty or dot path element")
		case strings.HasPrefix(element, "-"):
			return errors.New("has a path element that begins with a dash")
		case strings.HasSuffix(strings.ToLower(element), ".git"):
			return errors.New("has a path element that ends in .git")
		case strings.ContainsFunc(element, func(r rune) bool { return !wordRune(r) }):
			return errors.New("has a character that is not a letter, a digit, a dash, a dot or an underscore")
		}
	}
	return nil
}

// SplitFullName splits OWNER/NAME and refuses everything else.
func SplitFullName(fullName string) (owner, name string, err error) {
	if err := CheckFullName(fullName, 2, 2); err != nil {
		return "", "", err
	}
	owner, name, _ = strings.Cut(fullName, "/")
	return owner, name, nil
}
