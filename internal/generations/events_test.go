package generations_test

import (
	"testing"

	"github.com/distbot/distbot/internal/generations"
)

func TestEventsText(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event, until int64
		rollback     bool
		text         string
		last         int64
	}{
		"several events":                          {event: 5, until: 8, text: "5-7", last: 7},
		"one event":                               {event: 5, until: 6, text: "5", last: 5},
		"all later ones":                          {event: 5, text: "5-"},
		"a change whose event is before":          {event: 7, until: 7, text: "7", last: 7},
		"what is not known":                       {until: 124, text: "-"},
		"older content, while it is what was":     {event: 3, rollback: true, text: "3"},
		"older content, when the tag was another": {event: 3, until: 9, rollback: true, text: "3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := generations.EventsText(test.event, test.until, test.rollback); got != test.text {
				t.Errorf("%q, want %q", got, test.text)
			}
			if got := generations.LastEvent(test.event, test.until, test.rollback); got != test.last {
				t.Errorf("the last is %d, want %d", got, test.last)
			}
		})
	}
}
