package main

import (
	"errors"
	"flag"
	"slices"

	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/tags"
)

// repoCommands are the verbs for repositories.
func repoCommands() []command {
	return slices.Concat([]command{
		repoCreateCommand(),
		repoClosureCommand(),
		repoSlimCommand(),
		repoVerifyCommand(),
		{name: "repo list", args: "TAG", help: "list the generations of a tag's repository, with the events they show", run: withHub(readRepoTag, repoList), flags: repoListFlags},
		{name: "repo diff", args: "TAG FROM TO", help: "what changed between two generations, and by which events", run: withHub(readRepoDiff, repoDiff), flags: jsonFlag},
		{
			name: "repo rollback", args: "TAG [GENERATION]", run: withHub(readRepoRollback, repoRollback),
			help: "publish what an older generation held, and keep it so: without GENERATION the one before the newest, or further back where it was rolled back already", flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.String("reason", "", "`text` that is shown to everybody who waits")
			},
		},
		{
			name: "repo publish", args: "TAG", run: withHub(readRepoPublish, repoPublish), flags: changeFlags,
			help: "publish what the tag says now; ends a rollback",
		},
	}, repoKeyCommands(), repoSignCommands())
}

// forRepo puts a refusal into users' words.
func forRepo(tag string, err error) error {
	var none *generations.MissingError
	switch {
	case errors.Is(err, generations.ErrNoTag):
		return noSuch("tag", tag)
	case errors.As(err, &none):
		return inUsersWords(&tags.RefusedError{Fault: tags.FaultGeneric, Text: forUsers(none) + "; distbot repo list " + tag + " shows those there are"}, "")
	}
	return err
}
