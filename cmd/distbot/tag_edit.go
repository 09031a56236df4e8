package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"slices"
	"strings"

	"github.com/distbot/distbot/tags"
)

func tagEditCommands() []command {
	return []command{
		{
			name: "tag add", args: "TAG [--parent TAG] [--arches ARCHES | --inherit-arches] [--perm NAME] [--locked] [--extra KEY=VALUE]", run: tagAdd,
			help: "make a tag",
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.String("parent", "", "inherit from this `tag`, with priority 0")
				flags.String("arches", "", "`architectures`, separated by blanks or commas; default: none, and none are inherited")
				flags.Bool("inherit-arches", false, "take the architectures from the parents")
				flags.String("perm", "", "the `permission` that tagging requires")
				flags.Bool("locked", false, "let nobody tag")
				flags.Var(&settings{}, "extra", "an extra setting `KEY=VALUE`; VALUE is JSON, or else a text; may be repeated")
			},
		},
		{
			name: "tag edit", args: "TAG [--rename TAG] [--arches ARCHES | --inherit-arches] [--perm NAME | --no-perm] [--lock | --unlock]\n" +
				"       [--extra KEY=VALUE] [--remove-extra KEY] [--block-extra KEY]", run: tagEdit,
			help: "change a tag's name or settings",
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.String("rename", "", "the new `name`, also in the past")
				flags.String("arches", "", "`architectures`, separated by blanks or commas")
				flags.Bool("inherit-arches", false, "take the architectures from the parents")
				flags.String("perm", "", "the `permission` that tagging requires")
				flags.Bool("no-perm", false, "require no permission")
				flags.Bool("lock", false, "let nobody tag")
				flags.Bool("unlock", false, "end the lock")
				flags.Var(&settings{}, "extra", "set an extra setting `KEY=VALUE`; VALUE is JSON, or else a text; may be repeated")
				flags.Var(&words{}, "remove-extra", "remove the tag's own extra setting `KEY`; may be repeated")
				flags.Var(&words{}, "block-extra", "hide the extra setting `KEY` of the parents; may be repeated")
			},
		},
		tagRemoveCommand(),
	}
}

// words is a flag that may be repeated.
type words []string

// String implements flag.Value.
func (w *words) String() string { return strings.Join(*w, " ") }

// Set implements flag.Value.
func (w *words) Set(word string) error {
	*w = append(*w, word)
	return nil
}

// allOf is what a flag that may be repeated was given.
func allOf(flags *flag.FlagSet, name string) []string {
	list, ok := flags.Lookup(name).Value.(*words)
	if !ok {
		return nil
	}
	return *list
}

// settings is a flag of extra settings, that may be repeated.
type settings map[string]json.RawMessage

// String implements flag.Value.
func (s *settings) String() string {
	var pairs []string
	for key, value := range *s {
		pairs = append(pairs, key+"="+string(value))
	}
	return strings.Join(pairs, " ")
}

// Set implements flag.Value: the last value of a key counts.
func (s *settings) Set(pair string) error {
	key, text, ok := strings.Cut(pair, "=")
	if !ok || key == "" {
		return errors.New("expected KEY=VALUE")
	}
	value := json.RawMessage(text)
	if !json.Valid(value) {
		quoted, err := json.Marshal(text)
		if err != nil {
			return err
		}
		value = quoted
	}
	(*s)[key] = value
	return nil
}

func extraOf(flags *flag.FlagSet) map[string]json.RawMessage {
	extra, ok := flags.Lookup("extra").Value.(*settings)
	if !ok {
		return nil
	}
	return *extra
}

// checkSettings refuses extra settings, and names of blocked ones, that no
// distro.yaml could say: the tag model itself keeps them, as Koji does, and
// tag export would fail.
func checkSettings(tag string, extra map[string]json.RawMessage, blocked []string) error {
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		if err := tags.CheckSetting(tag, key, extra[key]); err != nil {
			return err
		}
	}
	for _, key := range blocked {
		if err := tags.CheckSetting(tag, key, nil); err != nil {
			return err
		}
	}
	return nil
}

// archList is a list of architectures in the tag model's form: Koji's command
// line takes commas, too.
func archList(text string) string { return strings.ReplaceAll(text, ",", " ") }

func archesIfGiven(flags *flag.FlagSet) *string {
	arches := ifGiven(flags, "arches")
	if arches != nil {
		*arches = archList(*arches)
	}
	return arches
}

func tagAdd(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "exactly one name, that of the new tag")
	if err != nil {
		return err
	}
	if err := exclusive(flags, "arches", "inherit-arches"); err != nil {
		return err
	}
	var arches *string
	if !isSet(flags, "inherit-arches") {
		list := archList(value(flags, "arches"))
		arches = &list
	}
	tag := tags.NewTag{
		Name: names[0], Parent: value(flags, "parent"), Arches: arches, Perm: value(flags, "perm"), Locked: isSet(flags, "locked"), Extra: extraOf(flags),
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		if err := checkSettings(tag.Name, tag.Extra, nil); err != nil {
			return "", err
		}
		done := "tag " + tag.Name + " is made"
		if tag.Parent != "" && arches != nil && *arches == "" {
			done += " without architectures, those of " + tag.Parent + " are taken by tag edit --inherit-arches"
		}
		return done, e.AddTag(ctx, tag)
	})
}

// exclusive refuses flags that exclude one another.
func exclusive(flags *flag.FlagSet, a, b string) error {
	if given(flags, a) && given(flags, b) {
		return usage("--%s and --%s can't both be given", a, b)
	}
	return nil
}

func tagEdit(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one tag")
	if err != nil {
		return err
	}
	if err := errors.Join(exclusive(flags, "arches", "inherit-arches"), exclusive(flags, "perm", "no-perm"), exclusive(flags, "lock", "unlock")); err != nil {
		return err
	}
	c := tags.TagChange{
		Name: ifGiven(flags, "rename"), Perm: ifGiven(flags, "perm"), Arches: archesIfGiven(flags), InheritArches: isSet(flags, "inherit-arches"),
		Extra: extraOf(flags), RemoveExtra: allOf(flags, "remove-extra"), BlockExtra: allOf(flags, "block-extra"),
	}
	if isSet(flags, "no-perm") {
		none := ""
		c.Perm = &none
	}
	if lock := isSet(flags, "lock"); lock || isSet(flags, "unlock") {
		c.Locked = &lock
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		if err := checkSettings(names[0], c.Extra, c.BlockExtra); err != nil {
			return "", err
		}
		return "tag " + names[0] + " is changed", e.EditTag(ctx, names[0], c)
	})
}
