package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/distbot/distbot/internal/tasklog"
)

// jsonFlag defines --json beside --config.
func jsonFlag(flags *flag.FlagSet) {
	configFlag(flags)
	onlyJSONFlag(flags)
}

// onlyJSONFlag defines --json for commands without an installation.
func onlyJSONFlag(flags *flag.FlagSet) {
	flags.Bool("json", false, "print JSON, also of what is refused")
}

func wantsJSON(flags *flag.FlagSet) bool {
	f := flags.Lookup("json")
	// The demo's is the name of a file.
	return f != nil && f.Value.String() == "true" && f.DefValue == "false"
}

// writeJSON prints a value for programs.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// writeTable prints rows under a heading. What came from outside is made safe
// for a terminal.
func writeTable(w io.Writer, heading []string, rows [][]string) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "nothing found")
		return err
	}
	// What follows the last column is nothing but blanks.
	var padded bytes.Buffer
	table := tabwriter.NewWriter(&padded, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = strings.NewReplacer("\n", " ", "\t", " ").Replace(tasklog.Printable(cell))
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(padded.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// when prints a time for people.
func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func whenOrDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return when(*t)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// cut shortens a text for a table's cell.
func cut(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}
