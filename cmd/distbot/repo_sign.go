package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/repopublish"
)

func repoSignCommands() []command {
	return []command{{
		name: "repo sign", args: "--key KEY NVR...", help: "have all packages of builds signed", run: withHub(readSign, repoSign),
		flags: func(flags *flag.FlagSet) {
			jsonFlag(flags)
			flags.String("key", "", "the `name` of the key")
		},
	}}
}

// toSign is what is to be signed with what.
type toSign struct {
	key  string
	nvrs []string
}

func readSign(flags *flag.FlagSet) (toSign, error) {
	nvrs, err := operands(flags, 1, -1, "NVRs of builds")
	if err == nil && value(flags, "key") == "" {
		err = usage("--key is missing: the name of a key, see distbot repo key list")
	}
	return toSign{value(flags, "key"), nvrs}, err
}

// signedView is a signed package for programs.
type signedView struct {
	Build string `json:"build"`
	File  string `json:"file"`
	Key   string `json:"key"`
	// New says that it was not signed with the key before.
	New    bool   `json:"new"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

func repoSign(ctx context.Context, h *hub, asked toSign) error {
	artifacts, err := store.Open(filepath.Join(h.config.StateDir, "store"))
	if err != nil {
		return err
	}
	defer artifacts.Close()
	signing, q := h.signing(artifacts), db.New(h.pool)
	views, fresh := []signedView{}, false
	var rows [][]string
	for _, nvr := range asked.nvrs {
		build, err := q.NewestBuildByNVR(ctx, &nvr)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("there is no build %s", nvr)
		}
		if err != nil {
			return err
		}
		rpms, err := q.RPMsOfBuild(ctx, build)
		if err != nil {
			return err
		}
		if len(rpms) == 0 {
			return fmt.Errorf("the build %s has no packages", nvr)
		}
		ids := make([]int64, len(rpms))
		for i, rpm := range rpms {
			ids[i] = rpm.ID
		}
		missing, err := signing.MissingSignatures(ctx, []int64{build}, []string{asked.key})
		if err != nil {
			return err
		}
		unsigned := map[int64]bool{}
		for _, m := range missing {
			unsigned[m.RPMID], fresh = true, true
		}
		copies, err := signing.SignedCopies(ctx, ids, asked.key)
		if err != nil {
			return err
		}
		for _, rpm := range rpms {
			name := filepath.Base(rpm.Path)
			views = append(views, signedView{nvr, name, asked.key, unsigned[rpm.ID], copies[rpm.ID].SHA256, copies[rpm.ID].Size})
			state := "was signed"
			if unsigned[rpm.ID] {
				state = "signed"
			}
			rows = append(rows, []string{nvr, name, state, copies[rpm.ID].SHA256})
		}
	}
	if fresh {
		if err := repopublish.PublishSigned(ctx, h.pool, h.client); err != nil {
			return err
		}
	}
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"BUILD", "PACKAGE", "STATE", "SHA256 OF THE SIGNED COPY"}, rows)
}
