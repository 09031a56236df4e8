package tags

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// System is the user on whose behalf distbot tags what its targets built.
const System = "distbot"

// The permissions that rules speak of. A tag may require any other.
const (
	PermAdmin  = "admin"
	PermTag    = "tag"
	PermTarget = "target"
	PermHost   = "host"
)

// User is somebody who changes tags, with the permissions held now.
type User struct {
	ID    int64
	Name  string
	Perms []string
}

// Has reports whether the user may what the permission allows; an admin may
// everything (Koji's hasPerm).
func (u User) Has(perm string) bool { return u.holds(perm) || u.holds(PermAdmin) }

// holds reports whether the user was granted exactly this permission.
func (u User) holds(perm string) bool { return slices.Contains(u.Perms, perm) }

// ReadUser reads a user. An unknown or disabled one is refused.
func ReadUser(ctx context.Context, conn db.DBTX, name string) (User, error) {
	row, err := db.New(conn).UserWithPerms(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return User{}, refuse(FaultGeneric, "no such user: %q", name)
	}
	if err != nil {
		return User{}, fmt.Errorf("tags: read user %s: %w", name, err)
	}
	if !row.Enabled {
		return User{}, refuse(FaultNotAllowed, "user %s is disabled", name)
	}
	return User{ID: row.ID, Name: row.Name, Perms: row.Perms}, nil
}
