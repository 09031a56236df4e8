// Command distbot builds RPM distributions from dist-git: pushes become
// packages, packages repositories, and every step a status on the commit.
//
// This package is wiring: flags, the configuration file, and which parts a
// role is made of. No rule of the domain is in it.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/distbot/distbot/internal/sandbox"
	"github.com/distbot/distbot/internal/tasklog"
)

// version is set when the binary is linked.
var version = "devel"

// The exit codes: the work was done, it failed, or it was asked for wrongly.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	// The sandbox runs this program again inside its namespaces.
	sandbox.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, terminal{args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv})
	stop()
	os.Exit(code)
}

// terminal is what a command may know of its surroundings.
type terminal struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// command is one verb of the command line.
type command struct {
	// name is one word, or one or two words of a group and a word.
	name string
	// args is what follows the name in help.
	args string
	help string
	// run does the work. A *usageError is the caller's mistake.
	run func(ctx context.Context, t terminal, flags *flag.FlagSet) error
	// flags defines flags beyond those that all commands have.
	flags func(flags *flag.FlagSet)
}

// commands is every verb, in the order of help.
func commands() []command {
	return slices.Concat(serveCommands(), demoCommands(), setupCommands(), planCommands(), deliveryCommands(), buildCommands(), taskCommands(), hostCommands(), builderCommands(),
		tagCommands(), targetCommands(), userCommands(), permCommands(), tokenCommands(), repoCommands(), signerCommands(), bootstrapCommands(), hookCommands())
}

// usageError is a mistake in how a command was called.
type usageError struct{ text string }

// Error implements error.
func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{text: fmt.Sprintf(format, args...)} }

// errFailed ends a command that has said already what failed.
var errFailed = errors.New("failed")

// run runs the command line and returns its exit code.
func run(ctx context.Context, t terminal) int {
	global, args := cutGlobal(t.args)
	t.args = args
	if len(t.args) == 0 {
		printHelp(t.stderr)
		return exitUsage
	}
	if first := t.args[0]; first == "help" || first == "--help" || first == "-h" {
		return help(t, t.args[1:])
	}
	if t.args[0] == "--version" || t.args[0] == "version" {
		fmt.Fprintln(t.stdout, "distbot", version)
		return exitDone
	}
	if last := len(t.args) - 1; last > 0 && (t.args[last] == "--help" || t.args[last] == "-h") {
		if _, rest, err := find(t.args[:last]); err != nil || len(rest) > 0 {
			if printGroupHelp(t.stdout, strings.Join(t.args[:last], " ")) {
				return exitDone
			}
		}
	}
	answer := &answer{Writer: t.stdout}
	t.stdout = answer
	cmd, rest, err := find(t.args)
	if err != nil {
		fmt.Fprintf(t.stderr, "distbot: %v\n", err)
		if slices.Contains(t.args, "--json") {
			refuseJSON(t, answer, &usageError{text: err.Error()}, "distbot COMMAND [ARGUMENTS]")
		}
		return exitUsage
	}
	flags := newFlags(cmd)
	if err := parseAnywhere(flags, append(global, rest...)); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			printCommandHelp(t.stdout, cmd, flags)
			return exitDone
		}
		fmt.Fprintf(t.stderr, "distbot %s: %v\nusage: %s\ndistbot %s --help tells of the flags\n", cmd.name, err, usageOf(cmd), cmd.name)
		if onlyJSON := flags.Lookup("json"); onlyJSON != nil && onlyJSON.DefValue == "false" && slices.Contains(rest, "--json") {
			refuseJSON(t, answer, &usageError{text: err.Error()}, usageOf(cmd))
		}
		return exitUsage
	}
	if cmd.args == "" || strings.HasPrefix(cmd.args, "[--") {
		if flags.NArg() > 0 {
			return exitCode(t, answer, cmd, flags, usage("unexpected argument %q", flags.Arg(0)))
		}
	}
	return exitCode(t, answer, cmd, flags, cmd.run(ctx, t, flags))
}

// answer is standard output, and whether a command has written to it.
type answer struct {
	io.Writer
	begun bool
}

// Write implements io.Writer.
func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	return a.Writer.Write(p)
}

// cutGlobal cuts off the flags that may stand before a command as well as after
// it: --config FILE and --debug. After the command they win.
func cutGlobal(args []string) (global, rest []string) {
	n := 0
	for n < len(args) {
		switch name, _, joined := strings.Cut(args[n], "="); name {
		case "--config", "-config":
			if n++; !joined {
				n++
			}
			continue
		case "--debug", "-debug":
			n++
			continue
		}
		break
	}
	n = min(n, len(args))
	return slices.Clone(args[:n]), args[n:]
}

// newFlags makes a command's flags. They print nothing themselves.
func newFlags(cmd command) *flag.FlagSet {
	flags := flag.NewFlagSet("distbot "+cmd.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	if cmd.flags != nil {
		cmd.flags(flags)
	}
	return flags
}

// exitCode reports a command's error on standard error and turns it into an exit
// code. With --json it is told on standard output as well, unless a command has
// answered there: what it wrote is one value.
func exitCode(t terminal, answer *answer, cmd command, flags *flag.FlagSet, err error) int {
	var misuse *usageError
	code := exitFailed
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.As(err, &misuse):
		code = exitUsage
		fmt.Fprintf(t.stderr, "distbot %s: %v\nusage: %s\n", cmd.name, misuse, usageOf(cmd))
	default:
		fmt.Fprintf(t.stderr, "distbot %s: %s\n", cmd.name, tasklog.Printable(forUsers(err)))
	}
	if wantsJSON(flags) {
		refuseJSON(t, answer, err, usageOf(cmd))
	}
	return code
}

// usageOf is how a command is called.
func usageOf(cmd command) string {
	return strings.TrimRight("distbot "+cmd.name+" "+cmd.args, " ")
}

// refuseJSON tells an error on standard output, unless something is there.
func refuseJSON(t terminal, answer *answer, err error, usage string) {
	if answer.begun {
		return
	}
	if err := printRefusal(t.stdout, err, usage); err != nil {
		fmt.Fprintf(t.stderr, "distbot: %v\n", err)
	}
}

// parseAnywhere parses flags wherever they stand among the arguments.
func parseAnywhere(flags *flag.FlagSet, args []string) error {
	var operands []string
	for {
		if err := flags.Parse(args); err != nil {
			return err
		}
		rest := flags.Args()
		parsed := args[:len(args)-len(rest)]
		if len(rest) == 0 || len(parsed) > 0 && parsed[len(parsed)-1] == "--" {
			operands = append(operands, rest...)
			break
		}
		operands = append(operands, rest[0])
		args = rest[1:]
	}
	return flags.Parse(append([]string{"--"}, operands...))
}

// find looks a command up by its one to three words.
func find(args []string) (command, []string, error) {
	all := commands()
	for n := min(3, len(args)); n > 0; n-- {
		name := strings.Join(args[:n], " ")
		for _, cmd := range all {
			if cmd.name == name {
				return cmd, args[n:], nil
			}
		}
	}
	for n := min(2, len(args)); n > 0; n-- {
		name := strings.Join(args[:n], " ")
		var group []string
		for _, cmd := range all {
			if verb, ok := strings.CutPrefix(cmd.name, name+" "); ok {
				group = append(group, verb)
			}
		}
		if len(group) > 0 {
			return command{}, nil, fmt.Errorf("%s needs one of: %s", name, strings.Join(group, ", "))
		}
	}
	return command{}, nil, fmt.Errorf("there is no command %q: distbot help lists them", args[0])
}

// help tells of a command, of a group or, without words, of all commands.
func help(t terminal, words []string) int {
	if len(words) == 0 {
		printHelp(t.stdout)
		return exitDone
	}
	if cmd, rest, err := find(words); err == nil && len(rest) == 0 {
		printCommandHelp(t.stdout, cmd, newFlags(cmd))
		return exitDone
	}
	if printGroupHelp(t.stdout, strings.Join(words, " ")) {
		return exitDone
	}
	fmt.Fprintf(t.stderr, "distbot: there is no command %q: distbot help lists them\n", strings.Join(words, " "))
	return exitUsage
}

func printHelp(w io.Writer) {
	fmt.Fprintln(w, "distbot builds RPM distributions from dist-git.\n\nusage: distbot COMMAND [ARGUMENTS]\n\ncommands:")
	for _, cmd := range commands() {
		fmt.Fprintf(w, "  %-25s %s\n", cmd.name, cmd.help)
	}
	fmt.Fprintln(w, "\n--config FILE and --debug may stand before the command or after it.\ndistbot COMMAND --help tells more. With --json, results and refusals are JSON.\nExit codes: 0 done, 1 the work failed, 2 wrong usage.")
}

// printGroupHelp lists the commands of a group and tells whether there is one.
func printGroupHelp(w io.Writer, group string) bool {
	found := false
	for _, cmd := range commands() {
		if strings.HasPrefix(cmd.name, group+" ") {
			found = true
			fmt.Fprintf(w, "  %-25s %s\n", cmd.name, cmd.help)
		}
	}
	return found
}

// printCommandHelp tells how a command is called, and what its flags mean.
func printCommandHelp(w io.Writer, cmd command, flags *flag.FlagSet) {
	fmt.Fprintf(w, "usage: %s\n\n%s\n", usageOf(cmd), cmd.help)
	heading := "\nflags:\n"
	flags.VisitAll(func(f *flag.Flag) {
		argument, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			text += " (default: " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "%s  %s\n        %s\n", heading, strings.TrimRight("--"+f.Name+" "+strings.ToUpper(argument), " "), text)
		heading = ""
	})
	var group bytes.Buffer
	if printGroupHelp(&group, cmd.name) {
		fmt.Fprintf(w, "\nand of the same name:\n%s", &group)
	}
}
