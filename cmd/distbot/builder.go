package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/enroll"
	"github.com/distbot/distbot/queue/hostqueue"
)

func builderCommands() []command {
	return []command{
		daemonCommand(),
		{
			name: "builder enroll", args: "NAME --out DIR [--arches LIST] [--channels LIST] [--capacity N] [--validity 365d] [--renew | --force]",
			help: "make the credentials of a build host, on the hub", run: withRegistrar(readEnroll, builderEnroll),
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("out", "", "the `directory` that the host's files are written to; bring it to the host and keep no copy")
				flags.String("arches", "", "what the host may build for, `list` with commas (default: what it says when it first connects)")
				flags.String("channels", "", "whose tasks it may take, `list` with commas (default: channel default)")
				flags.String("capacity", "", "what the weights of its tasks may add up to, `N` (default: what it says when it first connects)")
				flags.String("validity", "365d", "how `long` the certificate counts: 365d, 12h")
				flags.Bool("renew", false, "a new certificate beside the one in force, which counts until the new one is used")
				flags.Bool("force", false, "revoke the certificates that the host has, and replace files")
			},
		},
		{
			name: "builder revoke", args: "NAME [--reason TEXT]", help: "end all access of a build host, at once", run: withRegistrar(readRevoke, builderRevoke),
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("reason", "", "why, for the record")
			},
		},
		{
			name: "builder list-credentials", args: "[--host NAME]", help: "list build hosts' certificates", run: withRegistrar(readListCredentials, builderCredentials),
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("host", "", "only those of this `host`")
			},
		},
	}
}

// registry is the hub with what enrolling needs.
type registry struct {
	*hub
	*enroll.Registrar
}

// withRegistrar is withHub for commands about build hosts' credentials.
func withRegistrar[A any](read func(*flag.FlagSet) (A, error), work func(context.Context, registry, A) error) func(context.Context, terminal, *flag.FlagSet) error {
	return withHub(read, func(ctx context.Context, h *hub, asked A) error {
		ca, err := h.config.authority()
		if err != nil {
			return err
		}
		process, err := queue.ThisProcess()
		if err != nil {
			return err
		}
		jobs, err := hostqueue.OpenHub(ctx, hostqueue.HubConfig{
			URL: h.pool.Config().ConnString(), ClientID: queue.NewClientID(process), Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		// It was not started, so there is nothing that could fail to stop.
		defer func() { _ = jobs.Close(context.WithoutCancel(ctx)) }()
		return work(ctx, registry{h, &enroll.Registrar{Pool: h.pool, Queue: jobs, CA: ca}}, asked)
	})
}

// account is who runs the command, for the record.
func account() string {
	if me, err := user.Current(); err == nil {
		return me.Username
	}
	return "unknown"
}

func readEnroll(flags *flag.FlagSet) (enroll.Request, error) {
	names, err := operands(flags, 1, 1, "the name of one build host")
	if err != nil {
		return enroll.Request{}, err
	}
	request := enroll.Request{
		Host: names[0], Dir: value(flags, "out"), By: account(), Renew: isSet(flags, "renew"), Force: isSet(flags, "force"),
	}
	if request.Dir == "" {
		return request, usage("--out is missing: the directory for the host's files")
	}
	if request.Renew && request.Force {
		return request, usage("--renew keeps the old certificate, --force revokes it: give one of them")
	}
	if arches := value(flags, "arches"); arches != "" {
		request.Arches = strings.Split(arches, ",")
	}
	if channels := value(flags, "channels"); channels != "" {
		request.Channels = strings.Split(channels, ",")
	}
	if text := value(flags, "capacity"); text != "" {
		if request.Capacity, err = parseCapacity(text); err != nil {
			return request, err
		}
	}
	if request.Validity, err = parseLifetime(value(flags, "validity")); err != nil || request.Validity == 0 {
		return request, usage("--validity: %q is no time such as 365d or 12h", value(flags, "validity"))
	}
	request.Dir, err = filepath.Abs(request.Dir)
	return request, err
}

func builderEnroll(ctx context.Context, r registry, request enroll.Request) error {
	address, err := r.config.builderURL()
	if err != nil {
		return err
	}
	r.HubURL = address.String()
	done, err := r.Enroll(ctx, request)
	if err != nil {
		return err
	}
	if r.json {
		return writeJSON(r.stdout, struct {
			Host        string    `json:"host"`
			HostID      int64     `json:"host_id"`
			Dir         string    `json:"dir"`
			Fingerprint string    `json:"fingerprint"`
			NotAfter    time.Time `json:"not_after"`
			Replaced    int64     `json:"replaced"`
			NewPassword bool      `json:"new_password"`
		}{request.Host, done.HostID, request.Dir, done.Fingerprint.String(), done.NotAfter, done.Replaced, done.Password})
	}
	fmt.Fprintf(r.stdout, "%s may build for %s until %s\n", request.Host, r.HubURL, when(done.NotAfter))
	if done.Replaced > 0 {
		fmt.Fprintf(r.stdout, "what it had before counts no more: %d\n", done.Replaced)
	}
	what := "all files of " + request.Dir
	if request.Renew && !done.Password {
		what = fmt.Sprintf("%s and %s of %s", enroll.FileCertificate, enroll.FileKey, request.Dir)
	}
	_, err = fmt.Fprintf(r.stdout, "bring %s to the host, over a connection you trust, and keep no copy\n", what)
	return err
}

// revocation is what revoking was asked for.
type revocation struct{ host, reason string }

func readRevoke(flags *flag.FlagSet) (revocation, error) {
	names, err := operands(flags, 1, 1, "the name of one build host")
	if err != nil {
		return revocation{}, err
	}
	return revocation{names[0], value(flags, "reason")}, nil
}

func builderRevoke(ctx context.Context, r registry, asked revocation) error {
	done, err := r.Revoke(ctx, asked.host, account(), asked.reason)
	if err != nil {
		return err
	}
	if r.json {
		return writeJSON(r.stdout, struct {
			Host         string `json:"host"`
			HostID       int64  `json:"host_id"`
			Certificates int64  `json:"certificates"`
		}{asked.host, done.HostID, done.Certificates})
	}
	_, err = fmt.Fprintf(r.stdout, "%s has no access any more; certificates revoked: %d\n", asked.host, done.Certificates)
	return err
}

func readListCredentials(flags *flag.FlagSet) (string, error) {
	_, err := operands(flags, 0, 0, "no argument")
	return value(flags, "host"), err
}

// credentialView is a certificate for programs.
type credentialView struct {
	Host        string     `json:"host"`
	HostID      int64      `json:"host_id"`
	Fingerprint string     `json:"fingerprint"`
	State       string     `json:"state"`
	Created     time.Time  `json:"created_at"`
	CreatedBy   string     `json:"created_by"`
	NotAfter    time.Time  `json:"not_after"`
	LastUsed    *time.Time `json:"last_used_at"`
	Revoked     *time.Time `json:"revoked_at"`
	RevokedBy   string     `json:"revoked_by,omitempty"`
	Reason      string     `json:"revoke_reason,omitempty"`
}

func newCredentialView(c enroll.Credential) credentialView {
	v := credentialView{
		Host: c.Host, HostID: c.HostID, Fingerprint: c.Fingerprint.String(), State: "in force", Created: c.Created, CreatedBy: c.CreatedBy,
		NotAfter: c.NotAfter, LastUsed: c.LastUsed, Revoked: c.Revoked, RevokedBy: c.RevokedBy, Reason: c.Reason,
	}
	switch {
	case c.Revoked != nil:
		v.State = "revoked"
	case c.Expired:
		v.State = "expired"
	}
	return v
}

func builderCredentials(ctx context.Context, r registry, host string) error {
	all, err := r.Credentials(ctx, host)
	if err != nil {
		return err
	}
	views := make([]credentialView, len(all))
	table := make([][]string, len(all))
	for i, c := range all {
		v := newCredentialView(c)
		views[i] = v
		table[i] = []string{v.Host, v.State, v.Fingerprint[:16], when(v.Created), when(v.NotAfter), whenOrDash(v.LastUsed), dash(v.Reason)}
	}
	if r.json {
		return writeJSON(r.stdout, views)
	}
	return writeTable(r.stdout, []string{"HOST", "STATE", "FINGERPRINT", "CREATED", "ENDS", "LAST USED", "WHY REVOKED"}, table)
}
