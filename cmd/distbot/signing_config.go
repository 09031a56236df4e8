package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// SigningConfig says where the signer is: the process that holds the private
// keys. The hub reads where its socket is, the signer all of it.
type SigningConfig struct {
	Signer          string   `yaml:"signer"`
	Dir             string   `yaml:"dir"`
	Socket          string   `yaml:"socket"`
	SocketGroup     string   `yaml:"socket_group"`
	PassphraseFile  string   `yaml:"passphrase_file"`
	DatabaseURLFile string   `yaml:"database_url_file"`
	Allow           []string `yaml:"allow"`
}

// Where the signer runs.
const (
	noSigner       = "none"
	childSigner    = "child"
	externalSigner = "external"
)

// complete fills in what has a default that depends on the rest.
func (c *SigningConfig) complete(config Config) {
	if c.Dir = config.path(c.Dir); c.Dir == "" {
		c.Dir = filepath.Join(config.StateDir, "signer")
	}
	for _, file := range []struct {
		path *string
		name string
	}{{&c.Socket, "socket"}, {&c.PassphraseFile, "passphrase"}, {&c.DatabaseURLFile, "database.url"}} {
		if *file.path = config.path(*file.path); *file.path == "" {
			*file.path = filepath.Join(c.Dir, file.name)
		}
	}
}

// keyDir is where the private keys are.
func (c SigningConfig) keyDir() string { return filepath.Join(c.Dir, "keys") }

// maxSocketPath is the longest path that a socket may have (unix(7)), less what
// the signer appends while it makes it.
const maxSocketPath = 107 - len(".new")

// check notes what could not work.
func (c SigningConfig) check(file *settingsFile) {
	switch c.Signer {
	case noSigner, childSigner, externalSigner:
	default:
		file.add(at("signing", "signer"), "signing: signer must be none, child or external, not %q", c.Signer)
	}
	if c.Signer != noSigner && len(c.Socket) > maxSocketPath {
		file.add(at("signing", "socket"), "signing: the path of the socket has %d bytes, at most %d: set socket to a shorter one than %s", len(c.Socket), maxSocketPath, c.Socket)
	}
}

// allowed are the user ids of those who may use the signer: those of allow, or
// our own.
func (c SigningConfig) allowed() ([]uint32, error) {
	if len(c.Allow) == 0 {
		return []uint32{uint32(os.Geteuid())}, nil
	}
	var ids []uint32
	for _, name := range c.Allow {
		if id, err := strconv.ParseUint(name, 10, 32); err == nil {
			ids = append(ids, uint32(id))
			continue
		}
		account, err := user.Lookup(name)
		if err != nil {
			return nil, fmt.Errorf("signing: allow: %w", err)
		}
		id, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("signing: allow: %s has the uid %s", name, account.Uid)
		}
		ids = append(ids, uint32(id))
	}
	return ids, nil
}

// socketAccess is the mode of the socket, and its group, which is negative for
// none.
func (c SigningConfig) socketAccess() (os.FileMode, int, error) {
	if c.SocketGroup == "" {
		return 0o600, -1, nil
	}
	group, err := user.LookupGroup(c.SocketGroup)
	var unknown user.UnknownGroupError
	if errors.As(err, &unknown) {
		if id, err := strconv.ParseUint(c.SocketGroup, 10, 31); err == nil {
			return 0o660, int(id), nil
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("signing: socket_group: %w", err)
	}
	id, err := strconv.Atoi(group.Gid)
	if err != nil {
		return 0, 0, fmt.Errorf("signing: socket_group: %s has the gid %s", c.SocketGroup, group.Gid)
	}
	return 0o660, id, nil
}
