package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/tags"
)

// changeFlags defines the flags of every change of the tag model.
func changeFlags(flags *flag.FlagSet) {
	jsonFlag(flags)
	asFlag(flags)
}

// asFlag defines --as.
func asFlag(flags *flag.FlagSet) {
	flags.String("as", "admin", "the `user` who makes the change")
}

// forceFlag defines --force beside the flags of every change.
func forceFlag(flags *flag.FlagSet) {
	changeFlags(flags)
	flags.Bool("force", false, "override what an admin may override")
}

// maxWhat bounds what an event says of a change, in characters.
const maxWhat = 200

// change makes one change of the tag model, in one transaction, on behalf of
// --as. do returns what became of it, for people. It may be called again.
func change(ctx context.Context, t terminal, flags *flag.FlagSet, do func(e *tags.Edit) (done string, err error)) error {
	event, done, err := changeTags(ctx, flags, do)
	if err != nil {
		return err
	}
	switch {
	case wantsJSON(flags):
		return writeJSON(t.stdout, changeView{Event: event})
	case event == 0:
		_, err = fmt.Fprintln(t.stdout, "nothing changed: it is so already")
	default:
		_, err = fmt.Fprintf(t.stdout, "%s (event %d)\n", tasklog.Printable(done), event)
	}
	return err
}

// changeView is what programs are told of a change.
type changeView struct {
	// Event is 0 when there was nothing to change.
	Event int64 `json:"event"`
}

func changeTags(ctx context.Context, flags *flag.FlagSet, do func(e *tags.Edit) (string, error)) (event int64, done string, err error) {
	h, err := openHub(ctx, flags)
	if err != nil {
		return 0, "", err
	}
	defer h.close()
	as := value(flags, "as")
	editor := &tags.Editor{Pool: h.pool, Jobs: h.client}
	event, err = editor.Do(ctx, as, whatFor(flags), func(e *tags.Edit) (err error) {
		done, err = do(e)
		return err
	})
	return event, done, inUsersWords(err, as)
}

// whatFor is what the event of a command says: the command and its operands.
func whatFor(flags *flag.FlagSet) string {
	return cut(strings.Join(append([]string{strings.TrimPrefix(flags.Name(), "distbot ")}, flags.Args()...), " "), maxWhat)
}

// noSuch refuses a name that nothing has.
func noSuch(what, name string) error {
	return inUsersWords(&tags.RefusedError{Fault: tags.FaultGeneric, Text: fmt.Sprintf("no such %s: %q", what, name)}, "")
}

// inUsersWords adds to a refusal its class by Koji's name, and what would help
// the user as whom it was tried. Other errors stay as they are.
func inUsersWords(err error, as string) error {
	var done *refused
	if errors.As(err, &done) {
		return err
	}
	if errors.Is(err, tagview.ErrNoTag) || errors.Is(err, tagview.ErrNoSubject) {
		return &refused{Fault: tags.FaultGeneric, Class: classOf(tags.FaultGeneric), Text: tasklog.Printable(forUsers(err)), cause: err}
	}
	var refusal *tags.RefusedError
	if !errors.As(err, &refusal) {
		return err
	}
	return &refused{
		Fault: refusal.Fault, Class: classOf(refusal.Fault), Text: tasklog.Printable(refusal.Text), Help: whatHelps(refusal, as),
		cause: refusal.Err,
	}
}

// whatHelps says how to get on after a refusal, where that is not clear from its
// text.
func whatHelps(refusal *tags.RefusedError, as string) string {
	for _, kind := range []string{"tag", "user", "build", "target"} {
		if strings.HasPrefix(refusal.Text, "no such "+kind+":") {
			return "distbot " + kind + " list shows those there are"
		}
	}
	switch {
	case strings.HasPrefix(refusal.Text, "no such permission:"):
		return "distbot perm list shows those there are"
	case refusal.Fault == tags.FaultNotAllowed && strings.Contains(refusal.Text, "is locked"):
		return "an admin may override the lock by --force, distbot tag edit TAG --unlock ends it"
	case refusal.Fault == tags.FaultNotAllowed && strings.Contains(refusal.Text, "is disabled"):
		return "distbot user enable " + as + " lets the user work again, --as names another one"
	case refusal.Fault == tags.FaultNotAllowed && strings.Contains(refusal.Text, "requires the permission"):
		return "who has it may do this, or an admin by --force; distbot perm grant PERMISSION " + as + " gives it"
	case refusal.Fault == tags.FaultNotAllowed:
		return "distbot user show " + as + " lists what " + as + " may, distbot perm grant gives more, --as names another user"
	case refusal.Fault == tags.FaultTag && strings.Contains(refusal.Text, "is not listed in"):
		return "distbot tag add-pkg --owner USER TAG PACKAGE lists it, and an admin's --force does so along with tagging"
	case refusal.Fault == tags.FaultTag && strings.Contains(refusal.Text, "is blocked in"):
		return "distbot tag unblock-pkg TAG PACKAGE unblocks it, and an admin's --force does so along with tagging"
	case strings.Contains(refusal.Text, "is in use: with it would go"):
		return "--force removes it all the same"
	case strings.Contains(refusal.Text, "name its owner"):
		return "--owner USER names the owner"
	}
	return ""
}
