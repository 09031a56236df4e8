package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/distbot/distbot/forge/plaingit"
	"github.com/distbot/distbot/queue"
)

// ourPackages begin the texts of errors where a package hands them out. They
// tell a reader of the source where to look, and a user nothing.
var ourPackages = regexp.MustCompile(`(?m)(^|: |\()(?:(?:bootstrap|builders|distgit|forge|forgejo|github|migrations|pglocal|plaingit|queue|` +
	`report|repopublish|rootfs|sandbox|store|tags|tasklog|web|webhooks): )+`)

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

// aboutDistro says which distribution file is wrong, and where.
func aboutDistro(path string, err error) error {
	return fmt.Errorf("%s: %s", path, strings.TrimPrefix(inWords(err).Error(), "tags: distro.yaml: "))
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
