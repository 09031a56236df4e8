package web

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/tasklog"
)

// functions are what templates may call.
func (s *server) functions() template.FuncMap {
	return template.FuncMap{
		"badge":   badgeOf,
		"clean":   tasklog.Printable,
		"explain": asOf{}.ExplainURL,
		"fields":  strings.Fields,
		"file":    fileURL,
		"lag":     lag,
		"is":      func(flag *bool) bool { return flag != nil && *flag },
		"repo":    repoURL,
		"seg":     url.PathEscape,
		"short":   short,
		"size":    size,
		"text":    orEmpty,
		"took":    s.took,
		"when":    s.when,
	}
}

// moment is a time for people, and for their machines.
type moment struct {
	RFC  string // RFC 3339, UTC
	Full string
	Ago  string
}

// when tells a time, nil for none.
func (s *server) when(at any) *moment {
	t := timeOf(at)
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &moment{RFC: utc.Format(time.RFC3339), Full: utc.Format("2006-01-02 15:04:05 UTC"), Ago: ago(s.Now().Sub(utc))}
}

// ago tells how long something is past in one unit.
func ago(age time.Duration) string {
	if age < 5*time.Second {
		return "just now"
	}
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{
		{365 * 24 * time.Hour, "year"},
		{30 * 24 * time.Hour, "month"},
		{24 * time.Hour, "day"},
		{time.Hour, "hour"},
		{time.Minute, "minute"},
		{time.Second, "second"},
	} {
		switch n := age / unit.length; {
		case n == 1:
			return "1 " + unit.name + " ago"
		case n > 1:
			return strconv.FormatInt(int64(n), 10) + " " + unit.name + "s ago"
		}
	}
	return "just now"
}

// span is how long something took, or how long it has been running.
type span struct {
	Text string
	// Seconds is how long it has been running, for the script to count on;
	// nil when it is over.
	Seconds *int64
}

// took tells the time between two moments, of which the second may be now (nil);
// nothing for what never began.
func (s *server) took(start, end any) span {
	begin, ended := timeOf(start), timeOf(end)
	switch {
	case begin == nil:
		return span{}
	case ended == nil:
		elapsed := max(s.Now().Sub(*begin), 0)
		seconds := int64(elapsed / time.Second)
		return span{Text: duration(elapsed), Seconds: &seconds}
	}
	return span{Text: duration(ended.Sub(*begin))}
}

// timeOf is the time in a column, nil where there is none.
func timeOf(at any) *time.Time {
	switch at := at.(type) {
	case time.Time:
		return &at
	case *time.Time:
		return at
	}
	return nil
}

// duration tells a duration in its two largest units.
func duration(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
}

// lag tells seconds as they are written in distro.yaml: 10m.
func lag(seconds int64) string {
	text := (time.Duration(seconds) * time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// size tells bytes in powers of 1024.
func size(bytes any) string {
	var value float64
	switch bytes := bytes.(type) {
	case int64:
		value = float64(bytes)
	case int32:
		value = float64(bytes)
	}
	unit := "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, larger
	}
	if unit == "B" || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// short is how a commit is called among people.
func short(commit string) string { return commit[:min(len(commit), 10)] }
