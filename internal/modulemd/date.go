package modulemd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// date reads the day of a service level into dst as YYYY-MM-DD. libmodulemd
// reads numbers between hyphens, whatever else is there, and libmodulemd, dnf
// and everything else that uses it die of a day that no calendar has; so that
// one is Fatal.
func (r *reader) date(dst *string, n *yaml.Node, path string) error {
	s, err := r.text(n, path)
	if err != nil {
		return err
	}
	parts := strings.SplitN(s, "-", 4)
	if len(parts) < 3 {
		return reject(n, RuleDate, "%s is %q, not a day YYYY-MM-DD", path, s)
	}
	var ymd [3]int
	for i := range ymd {
		ymd[i] = leadingNumber(parts[i])
	}
	day := time.Date(ymd[0], time.Month(ymd[1]), ymd[2], 0, 0, 0, 0, time.UTC)
	if ymd[0] < 1 || ymd[0] > 9999 || day.Year() != ymd[0] || int(day.Month()) != ymd[1] || day.Day() != ymd[2] {
		return fatal(reject(n, RuleDate, "%s is %q, a day that no calendar has; dnf dies of it", path, s))
	}
	*dst = fmt.Sprintf("%04d-%02d-%02d", ymd[0], ymd[1], ymd[2])
	if s != *dst {
		r.remark(Warning, n, RuleDate, "%s is %q, read as %s", path, s, *dst)
	}
	return nil
}

// leadingNumber is the number s begins with, and -1 if it begins with none or
// with one too large for a date.
func leadingNumber(s string) int {
	s = trimNumber(s)
	end := 0
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	v, err := strconv.ParseUint(s[:end], 10, 16)
	if err != nil {
		return -1
	}
	return int(v)
}

// minute reads a time of obsoletes documents, YYYY-MM-DDTHH:MMZ, as the number
// YYYYMMDDHHMM.
func (r *reader) minute(n *yaml.Node, path string) (uint64, error) {
	s, err := r.text(n, path)
	if err != nil {
		return 0, err
	}
	t, err := time.Parse("2006-01-02T15:04Z", s)
	if err != nil {
		return 0, reject(n, RuleDate, "%s is %q, not a time YYYY-MM-DDTHH:MMZ", path, s)
	}
	return minuteNumber(t), nil
}

// minuteNumber is the moment as YYYYMMDDHHMM in UTC, the form that modification
// times of all documents have.
func minuteNumber(t time.Time) uint64 {
	t = t.UTC()
	return uint64(t.Year())*1_00_00_00_00 + uint64(t.Month())*1_00_00_00 + uint64(t.Day())*1_00_00 +
		uint64(t.Hour())*1_00 + uint64(t.Minute())
}

// formatMinute is a number YYYYMMDDHHMM as YYYY-MM-DDTHH:MMZ.
func formatMinute(v uint64) string {
	return fmt.Sprintf("%04d-%02d-%02dT%02d:%02dZ", v/1_00_00_00_00, v/1_00_00_00%100, v/1_00_00%100, v/1_00%100, v%100)
}
