package generations

import "strconv"

// LastEvent is the last event of its tag up to which what a generation shows is
// what the tag says: event is the one that it shows, 0 where none is known, until
// that of the change after which the tag was another, 0 while there is none. The
// result is 0 while the generation is good for every later event, where the event
// it shows is not known, and for one that brings older content back, which is none
// of the tag's own moments.
func LastEvent(event, until int64, rollback bool) int64 {
	if event == 0 || until == 0 || rollback {
		return 0
	}
	// Revisions and events may grow in different orders.
	return max(until-1, event)
}

// EventsText is the range of events in figures, see LastEvent: 5-7, 5 for one
// event, 5- while the generation is good for every later one, - where nothing is
// known. One that brings older content back has the event of that alone.
func EventsText(event, until int64, rollback bool) string {
	first, last := strconv.FormatInt(event, 10), LastEvent(event, until, rollback)
	switch {
	case event == 0:
		return "-"
	case rollback || last == event:
		return first
	case last == 0:
		return first + "-"
	}
	return first + "-" + strconv.FormatInt(last, 10)
}
