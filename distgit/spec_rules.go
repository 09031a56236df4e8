package distgit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What rpm and Koji allow in the parts of an NVR: rpm's ALLOWED_CHARS_NAME and
// ALLOWED_CHARS_VERREL, and of Koji's name pattern the part that rpm accepts.
var (
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+-]*$`)
	versionForm = regexp.MustCompile(`^[A-Za-z0-9._+~^]+$`)
)

// maxNameBytes bounds each part of an NVR, which become file names.
const maxNameBytes = 128

// onceTags are the tags that rpm refuses to see twice in a package.
var onceTags = map[string]string{
	"name": "Name", "version": "Version", "release": "Release", "epoch": "Epoch",
	"summary": "Summary", "license": "License", "url": "URL", "buildarch": "BuildArch",
}

// checkTag reports what is certainly wrong with a tag, and makes it not
// Evaluated then.
func (r *specReader) checkTag(tag *Tag) {
	name, isOnce := onceTags[tag.Name]
	if !isOnce || tag.Qualifier != "" {
		return
	}
	if !tag.Conditional {
		key := fmt.Sprint(r.at.pkg, tag.Name)
		if first := r.once[key]; first > 0 {
			r.problem(tag.Line, fmt.Sprintf("%s is given twice, first at line %d", name, first))
		} else {
			r.once[key] = tag.Line
		}
	}
	if !tag.Evaluated {
		return
	}
	wrong := wrongWith(tag.Name, tag.Text)
	if wrong == "" && r.at.pkg == 0 {
		wrong = wrongInNVR(tag.Name, tag.Text)
	}
	if wrong != "" {
		if !tag.Conditional {
			r.problem(tag.Line, name+" "+wrong)
		}
		tag.Text, tag.Evaluated, tag.Reason = "", false, name+" "+wrong
		return
	}
	if tag.Name == "epoch" {
		n, _ := strconv.ParseUint(tag.Text, 10, 32) // wrongWith parsed it before
		tag.Text = strconv.FormatUint(n, 10)
	}
}

// wrongInNVR says what rpm accepts and distbot does not, in the words that the
// source package is refused with where the spec's value was not known.
func wrongInNVR(tag, text string) string {
	if (tag == "version" || tag == "release") && strings.HasPrefix(text, ".") {
		return fmt.Sprintf("%.80q: version and release must not begin with a dot, they name directories", text)
	}
	return ""
}

// wrongWith says what is wrong with a tag's text; empty when nothing is.
func wrongWith(tag, text string) string {
	form, characters := versionForm, "letters, digits and ._+~^"
	switch tag {
	case "name":
		form, characters = nameForm, "letters, digits and ._+-"
		if strings.HasPrefix(text, "-") || strings.HasPrefix(text, ".") {
			return fmt.Sprintf("%.80q must begin with a letter, a digit or _", text)
		}
	case "version", "release":
	case "epoch":
		if _, err := strconv.ParseUint(text, 10, 32); err != nil {
			return fmt.Sprintf("%.80q is not a whole number below 2^32", text)
		}
		return ""
	default:
		if text == "" {
			return "is empty"
		}
		return ""
	}
	switch {
	case text == "":
		return "is empty"
	case len(text) > maxNameBytes:
		return fmt.Sprintf("has more than %d characters", maxNameBytes)
	case len(strings.Fields(text)) > 1:
		return fmt.Sprintf("%.80q is more than one word", text)
	case !form.MatchString(text):
		return fmt.Sprintf("%.80q has a character other than %s", text, characters)
	case strings.Contains(text, ".."):
		return fmt.Sprintf("%.80q has two dots in a row", text)
	}
	return ""
}
