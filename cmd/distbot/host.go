package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/tags"
)

func hostCommands() []command {
	return []command{
		{name: "host list", args: "[--state STATE]", help: "list build hosts, their load and why some take no work", run: withHub(readHostList, hostList), flags: func(flags *flag.FlagSet) {
			jsonFlag(flags)
			flags.String("state", "", "only in this `state`: "+strings.Join(hostStates(), ", "))
		}},
		{name: "host show", args: "NAME", help: "show a build host and what it works on", flags: jsonFlag, run: withHub(readHostName, hostShow)},
		{name: "host enable", args: "NAME [--comment TEXT]", help: "let a build host take work", run: withHub(readHostSwitch(true), hostSwitch), flags: commentFlag},
		{
			name: "host disable", args: "NAME [--comment TEXT]", help: "give a build host no more work; what it has it ends", run: withHub(readHostSwitch(false), hostSwitch),
			flags: commentFlag,
		},
		{
			name: "host set", args: "NAME [--arches LIST] [--channels LIST] [--capacity N]", help: "set what a build host may take; it may take less itself", run: withHub(readHostSet, hostSet),
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.String("arches", "", "architectures it may build for, `LIST` with commas; default is what it says when it connects next")
				flags.String("channels", "", "channels it may take tasks of, `LIST` with commas")
				flags.String("capacity", "", "what the weights of its tasks may add up to, `N`; default is what it says when it connects next")
			},
		},
	}
}

func commentFlag(flags *flag.FlagSet) {
	changeFlags(flags)
	flags.String("comment", "", "why, for others; without it the last `text` stays; at most 500 characters")
}

func hostStates() []string {
	return []string{queue.HostReady, queue.HostUnready, queue.HostDisabled, queue.HostSilent, queue.HostOffline, queue.HostRevoked}
}

// hostView is a build host for programs.
type hostView struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Remote  bool   `json:"remote"`
	State   string `json:"state"`
	Enabled bool   `json:"enabled"`
	Comment string `json:"comment"`
	Unready string `json:"unready"`
	// Load is what the weights of its tasks add up to. Capacity, arches, emulated
	// and channels are what it takes: of what it offers, what it is allowed.
	Load        float32        `json:"load"`
	Capacity    float32        `json:"capacity"`
	Tasks       int32          `json:"tasks"`
	Arches      []string       `json:"arches"`
	Emulated    []string       `json:"emulated"`
	Channels    []string       `json:"channels"`
	Driver      string         `json:"driver"`
	Version     string         `json:"version"`
	LoadAverage float32        `json:"load_average"`
	MemoryFree  int64          `json:"memory_free"`
	DiskFree    int64          `json:"disk_free"`
	Seen        *time.Time     `json:"seen_at"`
	Client      string         `json:"client"`
	Offers      hostTakes      `json:"offers"`
	Allowed     hostTakes      `json:"allowed"`
	Running     []hostTaskView `json:"running,omitempty"`
	Refused     []refusalView  `json:"refused,omitempty"`
}

// hostTakes is what a host says it takes, or may take. Of what it may take, null is
// what it says when it connects next; of what it says, no channels are all.
type hostTakes struct {
	Arches   []string `json:"arches"`
	Channels []string `json:"channels"`
	Capacity *float32 `json:"capacity"`
}

// text tells it in one line; unsaid stands for what nothing is said of.
func (h hostTakes) text(unsaid string) string {
	list := func(names []string) string { return cmp.Or(strings.Join(names, ","), unsaid) }
	capacity := unsaid
	if h.Capacity != nil {
		capacity = fmt.Sprintf("%.1f", *h.Capacity)
	}
	return fmt.Sprintf("arches %s; channels %s; capacity %s", list(h.Arches), list(h.Channels), capacity)
}

// hostTaskView is a task that a host has.
type hostTaskView struct {
	ID       int64      `json:"id"`
	Build    int64      `json:"build"`
	NVR      string     `json:"nvr"`
	Scratch  bool       `json:"scratch"`
	Method   string     `json:"method"`
	Arch     string     `json:"arch"`
	Attempt  int32      `json:"attempt"`
	State    string     `json:"state"`
	Phase    string     `json:"phase"`
	Weight   float32    `json:"weight"`
	Assigned *time.Time `json:"assigned_at"`
	Started  *time.Time `json:"started_at"`
}

// refusalView is a task that a host does not get again for a while.
type refusalView struct {
	Task   int64     `json:"task"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

func viewHost(h db.ListHostsRow) hostView {
	view := hostView{
		ID: h.ID, Name: h.Name, Remote: h.Remote, Enabled: h.Enabled, Comment: h.Comment, Unready: queue.WhyUnready(h), Load: h.Weight, Capacity: h.TakesCapacity,
		Tasks: h.Tasks, Arches: h.TakesArches, Emulated: h.Emulated, Channels: h.TakesChannels, Driver: h.Driver, Version: h.Version,
		LoadAverage: h.LoadAverage, MemoryFree: h.MemoryFree, DiskFree: h.DiskFree, Seen: h.SeenAt, Client: text(h.ClientID),
		Allowed: hostTakes{h.ArchesSet, h.ChannelsSet, h.CapacitySet},
	}
	if h.SeenAt != nil {
		view.Offers = hostTakes{h.Arches, h.Channels, &h.Capacity}
	}
	view.State = queue.HostState(h.Enabled, h.ClientID != nil, h.Revoked, view.Unready, unseen(h.UnseenSeconds))
	return view
}

// unseen is how long ago a host was seen.
func unseen(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func readHostList(flags *flag.FlagSet) (*string, error) {
	if _, err := operands(flags, 0, 0, "no argument"); err != nil {
		return nil, err
	}
	return stateOf(flags, hostStates())
}

func hostList(ctx context.Context, h *hub, state *string) error {
	rows, err := db.New(h.pool).ListHosts(ctx)
	if err != nil {
		return err
	}
	views := []hostView{}
	var table [][]string
	for _, row := range rows {
		v := viewHost(row)
		if state != nil && v.State != *state {
			continue
		}
		views = append(views, v)
		table = append(table, []string{
			v.Name, v.State, fmt.Sprintf("%.1f/%.1f", v.Load, v.Capacity), strconv.Itoa(int(v.Tasks)), arches(v), strings.Join(v.Channels, ","),
			freeBytes(v.DiskFree), freeBytes(v.MemoryFree), seen(v, row.UnseenSeconds), cut(cmp.Or(v.Unready, v.Comment), 60),
		})
	}
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"NAME", "STATE", "LOAD", "TASKS", "ARCHES", "CHANNELS", "DISK FREE", "MEMORY FREE", "SEEN", "WHY"}, table)
}

// arches tells a host's architectures; those in brackets are emulated.
func arches(v hostView) string {
	names := make([]string, len(v.Arches))
	for i, name := range v.Arches {
		names[i] = name
		if slices.Contains(v.Emulated, name) {
			names[i] = "(" + name + ")"
		}
	}
	return strings.Join(names, ",")
}

// freeBytes tells free space; of a host that does not say there is none to tell.
func freeBytes(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fG", float64(n)/(1<<30))
}

func seen(v hostView, seconds float64) string {
	if v.Seen == nil {
		return "never"
	}
	return fmt.Sprintf("%s ago", unseen(seconds).Round(time.Second))
}

func readHostName(flags *flag.FlagSet) (string, error) {
	names, err := operands(flags, 1, 1, "the name of one build host")
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// findHost reads a host by its name.
func findHost(ctx context.Context, h *hub, name string) (db.ListHostsRow, error) {
	rows, err := db.New(h.pool).ListHosts(ctx)
	if err != nil {
		return db.ListHostsRow{}, err
	}
	for _, row := range rows {
		if row.Name == name {
			return row, nil
		}
	}
	return db.ListHostsRow{}, errNoHost(name)
}

func errNoHost(name string) error {
	return fmt.Errorf("there is no build host %q: distbot host list shows them", name)
}

func hostShow(ctx context.Context, h *hub, name string) error {
	row, err := findHost(ctx, h, name)
	if err != nil {
		return err
	}
	v := viewHost(row)
	if err := v.readTasks(ctx, db.New(h.pool)); err != nil {
		return err
	}
	if h.json {
		return writeJSON(h.stdout, v)
	}
	kind := "part of a hub's process"
	if v.Remote {
		kind = "on a machine of its own"
	}
	fmt.Fprintf(h.stdout, "%s: %s%s, %s, seen %s%s\n", v.Name, v.State, suffix(": ", v.Unready), kind, seen(v, row.UnseenSeconds), suffix("; ", v.Comment))
	fmt.Fprintf(h.stdout, "driver %s, version %s, arches %s, channels %s\n", dash(v.Driver), dash(v.Version), dash(arches(v)), strings.Join(v.Channels, ","))
	fmt.Fprintf(h.stdout, "allowed: %s\n", v.Allowed.text(unsaidAllowed(v)))
	if v.Seen != nil {
		fmt.Fprintf(h.stdout, "offers: %s\n", v.Offers.text("all that are allowed"))
	}
	fmt.Fprintf(h.stdout, "load %.1f of %.1f by weight, load average %.2f, %s of memory and %s of disk are free\n",
		v.Load, v.Capacity, v.LoadAverage, freeBytes(v.MemoryFree), freeBytes(v.DiskFree))
	if len(v.Running) > 0 {
		table := [][]string{}
		for _, task := range v.Running {
			table = append(table, []string{
				strconv.FormatInt(task.ID, 10), task.NVR + scratchMark(task.Scratch), task.Method, dash(task.Arch), task.State, dash(task.Phase), strconv.Itoa(int(task.Attempt)),
				fmt.Sprintf("%.1f", task.Weight), whenOrDash(task.Started),
			})
		}
		fmt.Fprintln(h.stdout)
		if err := writeTable(h.stdout, []string{"TASK", "BUILD", "METHOD", "ARCH", "STATE", "PHASE", "ATTEMPT", "WEIGHT", "STARTED"}, table); err != nil {
			return err
		}
	}
	for _, refused := range v.Refused {
		fmt.Fprintf(h.stdout, "does not get task %d until %s: %s\n", refused.Task, when(refused.Until), refused.Reason)
	}
	return nil
}

// unsaidAllowed tells what a host may take where nobody has said so.
func unsaidAllowed(v hostView) string {
	if v.Remote {
		return "what it says when it connects next"
	}
	return "what it offers"
}

// readTasks reads what the host has, and what it gave back.
func (v *hostView) readTasks(ctx context.Context, q *db.Queries) error {
	tasks, err := q.TasksAtHosts(ctx, &v.ID)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		nvr := task.PlannedNvr
		if task.Nvr != nil {
			nvr = *task.Nvr
		}
		v.Running = append(v.Running, hostTaskView{
			ID: task.ID, Build: task.BuildID, NVR: nvr, Scratch: task.Scratch, Method: task.Method, Arch: cmp.Or(task.Arch, task.RootArch), Attempt: task.Attempt,
			State: task.State, Phase: task.Phase, Weight: task.Weight, Assigned: task.AssignedAt, Started: task.StartedAt,
		})
	}
	refusals, err := q.RefusalsOfHost(ctx, v.ID)
	if err != nil {
		return err
	}
	for _, r := range refusals {
		v.Refused = append(v.Refused, refusalView{Task: r.TaskID, Until: r.Until, Reason: r.Reason})
	}
	return nil
}

// maxComment bounds what is said of a host, in characters.
const maxComment = 500

// readHostSwitch reads what host enable and host disable are asked.
func readHostSwitch(enabled bool) func(*flag.FlagSet) (db.EnableHostParams, error) {
	return func(flags *flag.FlagSet) (db.EnableHostParams, error) {
		name, err := readHostName(flags)
		asked := db.EnableHostParams{Name: name, Enabled: enabled}
		if enabled {
			// Why it was disabled is over.
			asked.Comment = new(string)
		}
		if given(flags, "comment") {
			comment := queue.OneLine(value(flags, "comment"))
			if n := utf8.RuneCountInString(value(flags, "comment")); n > maxComment && err == nil {
				err = usage("--comment has %d characters: at most %d are for all to read", n, maxComment)
			}
			asked.Comment = &comment
		}
		return asked, err
	}
}

func hostSwitch(ctx context.Context, h *hub, asked db.EnableHostParams) error {
	if _, err := h.actAs(ctx, tags.PermHost); err != nil {
		return err
	}
	n, err := db.New(h.pool).EnableHost(ctx, asked)
	if err != nil {
		return err
	}
	if n == 0 {
		return errNoHost(asked.Name)
	}
	row, err := findHost(ctx, h, asked.Name)
	if err != nil {
		return err
	}
	if h.json {
		return writeJSON(h.stdout, viewHost(row))
	}
	what := "takes work"
	if !asked.Enabled {
		what = "is given no more work"
		if row.Tasks > 0 {
			what += fmt.Sprintf("; it ends the %d tasks that it has", row.Tasks)
		}
	}
	_, err = fmt.Fprintf(h.stdout, "%s %s\n", asked.Name, what)
	return err
}

func readHostSet(flags *flag.FlagSet) (db.SetHostParams, error) {
	name, err := readHostName(flags)
	if err != nil {
		return db.SetHostParams{}, err
	}
	asked := db.SetHostParams{Name: name, SetArches: given(flags, "arches"), SetChannels: given(flags, "channels"), SetCapacity: given(flags, "capacity")}
	if !asked.SetArches && !asked.SetCapacity && !asked.SetChannels {
		return asked, usage("nothing to set: give --arches, --channels or --capacity")
	}
	if value(flags, "arches") != unset {
		if asked.Arches, err = readNames(flags, "arches", "an architecture"); err != nil {
			return asked, err
		}
	}
	// The channel default is one like others: what a host takes of all channels, it
	// does not decide.
	if asked.Channels, err = readNames(flags, "channels", "a channel"); err != nil {
		return asked, err
	}
	if text := value(flags, "capacity"); asked.SetCapacity && text != unset {
		capacity, err := parseCapacity(text)
		if err != nil {
			return asked, err
		}
		asked.Capacity = &capacity
	}
	return asked, nil
}

// unset takes back what was set: the host's next word counts.
const unset = "default"

// readNames reads a list of names with commas; nil if there is none.
func readNames(flags *flag.FlagSet, name, what string) ([]string, error) {
	text := value(flags, name)
	if !given(flags, name) {
		return nil, nil
	}
	names := strings.Split(text, ",")
	for _, word := range names {
		if !hostWord.MatchString(word) {
			return nil, usage("--%s: %q is no name of %s", name, word, what)
		}
	}
	return names, nil
}

// parseCapacity reads a host's capacity.
func parseCapacity(text string) (float32, error) {
	n, err := strconv.ParseFloat(text, 32)
	if err != nil || !(n > 0 && n <= 1000) {
		return 0, usage("--capacity: %q is no number of more than 0 and at most 1000", text)
	}
	return float32(n), nil
}

func hostSet(ctx context.Context, h *hub, asked db.SetHostParams) error {
	if _, err := h.actAs(ctx, tags.PermHost); err != nil {
		return err
	}
	n, err := db.New(h.pool).SetHost(ctx, asked)
	if err != nil {
		return err
	}
	if n == 0 {
		return errNoHost(asked.Name)
	}
	row, err := findHost(ctx, h, asked.Name)
	if err != nil {
		return err
	}
	v := viewHost(row)
	if h.json {
		return writeJSON(h.stdout, v)
	}
	_, err = fmt.Fprintf(h.stdout, "%s is allowed: %s\n", v.Name, v.Allowed.text(unsaidAllowed(v)))
	return err
}
