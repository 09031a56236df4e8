package tags

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// AddUser makes a user without any permission. Only an admin may; a name that
// is taken is refused, also that of a disabled user.
func (e *Edit) AddUser(ctx context.Context, name string) error {
	if err := e.requirePerm(PermAdmin); err != nil {
		return err
	}
	if err := checkName("user", name); err != nil {
		return err
	}
	n, err := e.q.AddUser(ctx, name)
	if err != nil {
		return fmt.Errorf("tags: add user %s: %w", name, err)
	}
	if n == 0 {
		return refuse(FaultGeneric, "a user with the name %q already exists", name)
	}
	_, err = e.write(ctx, 0)
	return err
}

// SetUserEnabled lets a user work or not. A disabled one keeps permissions and
// tokens, and none of them counts. Only an admin may. The installation itself
// and the last admin can't be disabled: nobody could undo it.
func (e *Edit) SetUserEnabled(ctx context.Context, name string, enabled bool) error {
	if err := e.requirePerm(PermAdmin); err != nil {
		return err
	}
	// Before the look, and by who enables as well: the last admin must not go
	// while another one seems to be there.
	if err := e.q.LockPermissions(ctx); err != nil {
		return fmt.Errorf("tags: lock permissions: %w", err)
	}
	user, err := e.account(ctx, name)
	if err != nil {
		return err
	}
	if !enabled {
		if err := e.requireOtherAdmin(ctx, user); err != nil {
			return err
		}
		if user.Name == System {
			return refuse(FaultGeneric, "user %s is the installation itself: without it no build would be tagged", name)
		}
	}
	n, err := e.q.SetUserEnabled(ctx, db.SetUserEnabledParams{ID: user.ID, Enabled: enabled})
	if err != nil {
		return fmt.Errorf("tags: enable or disable user %s: %w", name, err)
	}
	if n > 0 {
		_, err = e.write(ctx, 0)
	}
	return err
}

// account looks up a user who must exist, and may be disabled.
func (e *Edit) account(ctx context.Context, name string) (db.User, error) {
	user, err := e.q.UserByName(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.User{}, refuse(FaultGeneric, "no such user: %q", name)
	}
	if err != nil {
		return db.User{}, fmt.Errorf("tags: read user %s: %w", name, err)
	}
	return user, nil
}

// requireOtherAdmin refuses to take the last enabled admin away. The caller has
// locked the permissions.
func (e *Edit) requireOtherAdmin(ctx context.Context, user db.User) error {
	perms, err := e.q.PermsOfUser(ctx, user.ID)
	if err != nil {
		return fmt.Errorf("tags: read permissions of %s: %w", user.Name, err)
	}
	if !user.Enabled || !(User{Perms: perms}).holds(PermAdmin) {
		return nil
	}
	others, err := e.q.OtherHolders(ctx, db.OtherHoldersParams{Perm: PermAdmin, UserID: user.ID})
	if err != nil {
		return fmt.Errorf("tags: read admins: %w", err)
	}
	if others == 0 {
		return refuse(FaultGeneric, "user %s is the last admin: make another one first", user.Name)
	}
	return nil
}
