package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/tags"
)

// tagModuleCommands are the verbs for the module documents of tags.
func tagModuleCommands() []command {
	const names = "TAG NAME:STREAM[:VERSION[:CONTEXT[:ARCH]]]..."
	return []command{
		{
			name: "tag module add", args: "TAG FILE...", help: "give a tag the module documents of modules.yaml files", run: modulesAdd,
			flags: changeFlags,
		},
		{
			name: "tag module list", args: "TAG [--noinherit]", help: "list the module documents of a tag", run: modulesList,
			flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				flags.Bool("noinherit", false, "only what the tag itself has")
			},
		},
		{
			name: "tag module show", args: "TAG [NAME:STREAM[:VERSION[:CONTEXT[:ARCH]]]...] [--kind KIND]", run: modulesShow,
			help: "print module documents of a tag as they were given", flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				kindFlag(flags)
			},
		},
		{
			name: "tag module remove", args: names + " [--kind KIND]", help: "remove module documents from a tag itself", run: modulesRemove,
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				kindFlag(flags)
			},
		},
	}
}

func kindFlag(flags *flag.FlagSet) {
	flags.String("kind", tagview.ModuleStream, "the `kind` of documents that is named: stream, defaults, obsoletes or translations")
}

// moduleKind reads --kind.
func moduleKind(flags *flag.FlagSet) (string, error) {
	kind := value(flags, "kind")
	if !slices.Contains(tagview.ModuleKinds(), kind) {
		return "", usage("--kind: %q is none of %s", kind, strings.Join(tagview.ModuleKinds(), ", "))
	}
	return kind, nil
}

func modulesAdd(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 2, -1, "the name of a tag, then modules.yaml files")
	if err != nil {
		return err
	}
	var read []*modulemd.Index
	for _, name := range names[1:] {
		text, err := readDocument(name)
		if err != nil {
			return err
		}
		index, err := modulemd.Read(text, modulemd.ReadOptions{Source: name})
		if err != nil {
			return err
		}
		for _, f := range index.Findings {
			if f.Severity == modulemd.Warning {
				fmt.Fprintf(t.stderr, "%s\n", tasklog.Printable(f.String()))
			}
		}
		read = append(read, index)
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		var added []string
		for _, index := range read {
			more, err := e.AddModules(ctx, names[0], index)
			if err != nil {
				return "", err
			}
			added = append(added, more...)
		}
		return names[0] + ": added " + strings.Join(added, ", "), nil
	})
}

func modulesList(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one tag")
	if err != nil {
		return err
	}
	return lookAtTag(ctx, flags, names[0], func(r tagview.Reader, tag tagview.Tag) error {
		documents, err := r.Modules(ctx, tag.ID, !isSet(flags, "noinherit"))
		if err != nil {
			return err
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, documents)
		}
		var table [][]string
		for _, d := range documents {
			table = append(table, []string{d.Kind, d.Name, d.Tag, strconv.FormatInt(d.Size, 10), d.SHA256[:12]})
		}
		return writeTable(t.stdout, []string{"KIND", "DOCUMENT", "TAG", "BYTES", "SHA256"}, table)
	})
}

// moduleText is a module document for programs.
type moduleText struct {
	tagview.ModuleDocument
	Text string `json:"text"`
}

func modulesShow(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, -1, "the name of a tag, and those of documents")
	if err != nil {
		return err
	}
	kind, err := moduleKind(flags)
	if err != nil {
		return err
	}
	return lookAtTag(ctx, flags, names[0], func(r tagview.Reader, tag tagview.Tag) error {
		documents, err := r.Modules(ctx, tag.ID, true)
		if err != nil {
			return err
		}
		if documents, err = modulesNamed(documents, tag, kind, names[1:], given(flags, "kind")); err != nil {
			return err
		}
		texts, err := r.ModuleTexts(ctx, documents)
		if err != nil {
			return err
		}
		shown := make([]moduleText, len(documents))
		for i, d := range documents {
			shown[i] = moduleText{d, string(texts[i])}
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, shown)
		}
		for _, d := range shown {
			// Bytes are for files; a terminal gets nothing that it would obey.
			if _, err := fmt.Fprint(printable{t.stdout}, d.Text); err != nil {
				return err
			}
		}
		return nil
	})
}

// modulesNamed are the documents that are asked for: all without names, those of
// one kind if it is given.
func modulesNamed(all []tagview.ModuleDocument, tag tagview.Tag, kind string, names []string, ofKind bool) ([]tagview.ModuleDocument, error) {
	if len(names) == 0 {
		return slices.DeleteFunc(all, func(d tagview.ModuleDocument) bool { return ofKind && d.Kind != kind }), nil
	}
	var chosen []tagview.ModuleDocument
	for _, name := range names {
		found, err := tags.SelectModules(all, kind, name)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, &tags.RefusedError{Fault: tags.FaultGeneric, Text: fmt.Sprintf("tag %s has no module document %s %q", tag.Name, kind, name)}
		}
		chosen = append(chosen, found...)
	}
	return chosen, nil
}

func modulesRemove(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 2, -1, "the name of a tag, then those of documents")
	if err != nil {
		return err
	}
	kind, err := moduleKind(flags)
	if err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		removed, err := e.RemoveModules(ctx, names[0], kind, names[1:]...)
		if err != nil {
			return "", err
		}
		return names[0] + ": removed " + kind + " " + strings.Join(removed, ", "), nil
	})
}
