package web

// badge is a state as it is shown: by colour, by icon and in words.
type badge struct {
	State string // as in the database
	Class string // of the style: ok, bad, busy, idle or off
	Icon  string // id of a symbol of the layout
	Text  string
}

// badges is every state of builds, tasks, statuses, deliveries, generations
// and reports. No two of them share a name and differ in meaning.
var badges = map[string]badge{
	"BUILDING": {Class: "busy", Icon: "busy", Text: "building"},
	"COMPLETE": {Class: "ok", Icon: "ok", Text: "complete"},
	"DELETED":  {Class: "off", Icon: "off", Text: "deleted"},
	"FAILED":   {Class: "bad", Icon: "bad", Text: "failed"},
	"CANCELED": {Class: "off", Icon: "off", Text: "canceled"},

	"FREE":     {Class: "idle", Icon: "idle", Text: "waiting"},
	"ASSIGNED": {Class: "idle", Icon: "idle", Text: "assigned"},
	"OPEN":     {Class: "busy", Icon: "busy", Text: "running"},
	"CLOSED":   {Class: "ok", Icon: "ok", Text: "done"},

	"pending": {Class: "busy", Icon: "busy", Text: "pending"},
	"success": {Class: "ok", Icon: "ok", Text: "success"},
	"failure": {Class: "bad", Icon: "bad", Text: "failure"},
	"error":   {Class: "bad", Icon: "bad", Text: "error"},

	"received":  {Class: "busy", Icon: "busy", Text: "being planned"},
	"planned":   {Class: "ok", Icon: "ok", Text: "planned"},
	"ignored":   {Class: "off", Icon: "off", Text: "ignored"},
	"duplicate": {Class: "off", Icon: "off", Text: "duplicate"},
	"failed":    {Class: "bad", Icon: "bad", Text: "failed"},

	"build":   {Class: "ok", Icon: "ok", Text: "build"},
	"none":    {Class: "off", Icon: "off", Text: "no build"},
	"refused": {Class: "bad", Icon: "bad", Text: "refused"},

	"building":  {Class: "busy", Icon: "busy", Text: "being made"},
	"published": {Class: "off", Icon: "ok", Text: "kept"},
	"expired":   {Class: "off", Icon: "off", Text: "expired"},

	"sent":       {Class: "ok", Icon: "ok", Text: "sent"},
	"unsent":     {Class: "idle", Icon: "idle", Text: "to be sent"},
	"delayed":    {Class: "busy", Icon: "busy", Text: "will be sent again"},
	"unsendable": {Class: "bad", Icon: "bad", Text: "could not be sent"},

	"current": {Class: "ok", Icon: "ok", Text: "up to date"},
	"held":    {Class: "idle", Icon: "idle", Text: "held"},
	"latest":  {Class: "ok", Icon: "ok", Text: "latest"},
	"stale":   {Class: "busy", Icon: "busy", Text: "being updated"},
	"failing": {Class: "bad", Icon: "bad", Text: "can't be made"},
	"listed":  {Class: "ok", Icon: "ok", Text: "listed"},
	"blocked": {Class: "bad", Icon: "bad", Text: "blocked"},

	"winner":    {Class: "ok", Icon: "ok", Text: "wins"},
	"outdone":   {Class: "idle", Icon: "off", Text: "does not win"},
	"uncounted": {Class: "off", Icon: "off", Text: "does not count"},

	"ready":    {Class: "ok", Icon: "ok", Text: "ready"},
	"unready":  {Class: "idle", Icon: "idle", Text: "takes no work"},
	"disabled": {Class: "off", Icon: "off", Text: "disabled"},
	"silent":   {Class: "bad", Icon: "bad", Text: "silent"},
	"offline":  {Class: "off", Icon: "off", Text: "offline"},
	"revoked":  {Class: "bad", Icon: "off", Text: "revoked"},
}

// badgeOf is the badge of a state; one of its own for a state nobody knows.
func badgeOf(state string) badge {
	b, ok := badges[state]
	if !ok {
		b = badge{Class: "idle", Icon: "idle", Text: state}
	}
	b.State = state
	return b
}
