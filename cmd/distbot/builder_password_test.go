package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/remote"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/enroll"
	"github.com/distbot/distbot/queue/hostdoor"
	"github.com/distbot/distbot/queue/hostqueue"
)

// idleDriver is a driver that is asked for nothing but its name.
type idleDriver struct{ builders.Driver }

// Name implements builders.Driver.
func (idleDriver) Name() string { return "idle" }

// enrollAtDoor opens the door of a hub until the test ends, and enrols a host.
func enrollAtDoor(t *testing.T) hostdoor.HostConfig {
	t.Helper()
	url, dir, logger := dbtest.NewURL(t), t.TempDir(), slog.New(slog.DiscardHandler)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	jobs, err := hostqueue.OpenHub(t.Context(), hostqueue.HubConfig{URL: url, ClientID: "hub", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := jobs.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ca, err := pki.OpenCA(filepath.Join(dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	door, err := hostdoor.New(hostdoor.Config{Pool: pool, CA: ca, Names: []string{"127.0.0.1"}, Queue: jobs, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- door.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	answers := (&remote.Server{
		Stages: &builders.Stages{Pool: pool, Logger: logger}, Around: door.Identify, WorkDir: dir, Logger: logger,
		Identify: func(r *http.Request) (remote.Peer, bool) {
			identity, ok := hostdoor.IdentityOf(r.Context())
			return remote.Peer{HostID: identity.HostID, Name: identity.Host}, ok
		},
	}).HTTP()
	go func() { _ = answers.Serve(door.HTTP()) }() // closed with the door
	t.Cleanup(func() { _ = answers.Close() })
	desk := &enroll.Registrar{Pool: pool, Queue: jobs, CA: ca, HubURL: "https://" + listener.Addr().String()}
	out := filepath.Join(dir, "b1")
	if _, err := desk.Enroll(t.Context(), enroll.Request{Host: "b1", Dir: out, By: "test"}); err != nil {
		t.Fatal(err)
	}
	return hostdoor.HostConfig{
		Hub: desk.HubURL, CA: filepath.Join(out, enroll.FileCA), Certificate: filepath.Join(out, enroll.FileCertificate),
		Key: filepath.Join(out, enroll.FileKey), DatabasePassword: filepath.Join(out, enroll.FilePassword),
	}
}

func TestCheckOfABuilderRefusesAWrongPassword(t *testing.T) {
	t.Parallel()
	config := enrollAtDoor(t)
	check := func() (string, error) {
		door, err := hostdoor.NewHost(config)
		if err != nil {
			t.Fatal(err)
		}
		d := &buildDaemon{config: HostFile{HostConfig: config, Arches: []string{"x86_64"}, Capacity: 1}, driver: idleDriver{}, door: door}
		d.health.MaxLoad = 1e6
		var said bytes.Buffer
		err = d.check(t.Context(), terminal{stdout: &said, stderr: &said})
		return said.String(), err
	}
	if said, err := check(); err != nil || !strings.Contains(said, "accepts this host") {
		t.Fatalf("with the password of the enrolment: %v\n%s", err, said)
	}
	if err := os.WriteFile(config.DatabasePassword, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := check()
	if err == nil || !strings.Contains(err.Error(), "does not take the password in "+config.DatabasePassword) || strings.Contains(said, "accepts this host") {
		t.Errorf("with another: %v\n%s", err, said)
	}
}
