package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// pageRows is how many rows a page lists.
	pageRows = 50
	// maxRows is the most that the API lists at a time.
	maxRows = 500
	// maxText bounds a text that is looked for: names of tags and packages have
	// at most 256 characters, an NVR has more than a name.
	maxText = 512
)

// pathID reads a number of the path. What is no number names nothing.
func pathID(r *http.Request, name string) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || id < 1 {
		return 0, errNotFound
	}
	return id, nil
}

// pathName reads a name of the path that the database can be asked for.
func pathName(r *http.Request, name string) (string, error) {
	value := r.PathValue(name)
	if !isText(value) {
		return "", errNotFound
	}
	return value, nil
}

// isText tells whether PostgreSQL takes a text.
func isText(value string) bool {
	return utf8.ValidString(value) && !strings.ContainsRune(value, 0) && len(value) <= maxText
}

// query reads the parameters of a request. The first that makes no sense is
// the error of all.
type query struct {
	values url.Values
	err    error
}

func queryOf(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.err = badRequest("The part of the address behind “?” can't be read.")
	}
	return q
}

// text is a parameter, nil if it is empty or missing.
func (q *query) text(name string) *string {
	value := strings.TrimSpace(q.values.Get(name))
	if value == "" {
		return nil
	}
	if !isText(value) && q.err == nil {
		q.err = badRequest("“" + name + "” is no text, or too long.")
	}
	return &value
}

// oneOf is text that must be one of a few.
func (q *query) oneOf(name string, allowed []string) *string {
	value := q.text(name)
	if value != nil && !slices.Contains(allowed, *value) && q.err == nil {
		q.err = badRequest("“" + name + "” must be one of " + strings.Join(allowed, ", ") + ".")
	}
	return value
}

// number is a number from least to most, nil if it is missing.
func (q *query) number(name string, least, most int64) *int64 {
	value := q.values.Get(name)
	if value == "" {
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if (err != nil || n < least || n > most) && q.err == nil {
		q.err = badRequest("“" + name + "” must be a number from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10) + ".")
	}
	return &n
}

// orEmpty is a text that may be missing.
func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// older is the address of the next page: the same question with another
// beginning.
func older(path string, values url.Values, parameter, value string) string {
	next := cleaned(values)
	next.Set(parameter, value)
	return path + "?" + next.Encode()
}

// newest is the address of the first page of the same question.
func newest(path string, values url.Values, parameter string) string {
	first := cleaned(values)
	first.Del(parameter)
	if len(first) == 0 {
		return path
	}
	return path + "?" + first.Encode()
}

// cleaned is a question without what says nothing.
func cleaned(values url.Values) url.Values {
	said := url.Values{}
	for name, v := range values {
		if len(v) > 0 && v[0] != "" {
			said.Set(name, v[0])
		}
	}
	return said
}
