package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/distbot/distbot/forge/plaingit"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/tags"
)

// ourPackages begin the texts of errors where a package hands them out. They
// tell a reader of the source where to look, and a user nothing.
var ourPackages = regexp.MustCompile(`(?m)(^|: |\()(?:(?:bootstrap|builders|closure|directory|distgit|enroll|forge|forgejo|github|hostdoor|hostqueue|identity|migrations|modulemd|pglocal|pgp|pki|plaingit|queue|` +
	`repomd|report|repopublish|rootfs|rpmfile|rpmsig|sandbox|scram|signer|slim|snapshot|solv|store|tags|tagview|tasklog|verify|web|webhooks): )+`)

// forUsers is an error's text without the names of packages.
func forUsers(err error) string { return ourPackages.ReplaceAllString(err.Error(), "$1") }

// notForBuild says why a build can't be canceled or retried: only one that is
// as can says so.
func notForBuild(id int64, can string, err error) error {
	var other *queue.NotBuildingError
	switch {
	case errors.Is(err, queue.ErrNoBuild):
		return noBuild(id)
	case errors.As(err, &other):
		return fmt.Errorf("build %d is %s: only %s", id, other.State, can)
	}
	return err
}

func noBuild(id int64) error { return fmt.Errorf("there is no build %d", id) }

// aboutDistro says which distribution file is wrong, and where; several mistakes
// have a line each. nil stays nil.
func aboutDistro(path string, err error) error {
	var wrong *tags.DistroError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && len(wrong.Problems) > 1:
		return fmt.Errorf("%s: %d mistakes:\n  %s", path, len(wrong.Problems), strings.Join(wrong.Problems, "\n  "))
	case wrong != nil:
		err = wrong
	}
	var refusal *refused
	if errors.As(err, &refusal) {
		return fmt.Errorf("%s: %w", path, refusal)
	}
	return fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "tags: distro.yaml: "))
}

func noDistro(path string) error {
	return fmt.Errorf("there is no %s: make one with distbot init, or name another with the key distro of distbot.yaml", path)
}

// aboutHook says what to do about a hook that could not be installed.
func aboutHook(err error) error {
	if errors.Is(err, plaingit.ErrForeignHook) {
		return fmt.Errorf("%w: --force replaces it and keeps it beside", err)
	}
	return err
}

// refused is a refusal of the tag model for people, and for programs as JSON.
type refused struct {
	Fault tags.Fault `json:"fault"`
	// Class is the fault's by Koji's name.
	Class string `json:"class"`
	Text  string `json:"text"`
	// Help says how to get on; it may be empty.
	Help string `json:"help,omitempty"`

	cause error
}

// Error implements error: the class and the text, and a line of help.
func (r *refused) Error() string {
	text := r.Class + ": " + r.Text
	if r.Help != "" {
		text += "\n" + r.Help
	}
	return text
}

// Unwrap returns the cause, nil where there is none.
func (r *refused) Unwrap() error { return r.cause }

// classOf is a fault's class by Koji's name.
func classOf(fault tags.Fault) string {
	switch fault {
	case tags.FaultTag:
		return "TagError"
	case tags.FaultNotAllowed:
		return "ActionNotAllowed"
	}
	return "GenericError"
}

// failure is any other error for programs.
type failure struct {
	Text string `json:"text"`
	// Usage is how the command is called, after a mistake in that.
	Usage string `json:"usage,omitempty"`
}

// printRefusal prints an error as JSON: a refusal of the tag model with what it
// consists of, another one as a text, and one in how a command was called with
// the right usage.
func printRefusal(w io.Writer, err error, usage string) error {
	var refusal *refused
	if errors.As(err, &refusal) {
		return writeJSON(w, map[string]*refused{"error": refusal})
	}
	told := failure{Text: tasklog.Printable(forUsers(err))}
	var misuse *usageError
	if errors.As(err, &misuse) {
		told.Usage = usage
	}
	return writeJSON(w, map[string]failure{"error": told})
}
