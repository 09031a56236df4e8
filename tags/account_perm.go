package tags

import (
	"context"
	"fmt"

	"github.com/distbot/distbot/internal/db"
)

// maxDescription bounds the description of a permission, in bytes.
const maxDescription = 1000

// AddPermission makes a permission that tags may require. Only an admin may.
func (e *Edit) AddPermission(ctx context.Context, name, description string) error {
	if err := e.requirePerm(PermAdmin); err != nil {
		return err
	}
	if err := checkName("permission", name); err != nil {
		return err
	}
	if len(description) > maxDescription {
		return refuse(FaultGeneric, "the description of a permission may have %d bytes, this one has %d", maxDescription, len(description))
	}
	n, err := e.q.AddPermission(ctx, db.AddPermissionParams{Name: name, Description: description})
	if err != nil {
		return fmt.Errorf("tags: add permission %s: %w", name, err)
	}
	if n == 0 {
		return refuse(FaultGeneric, "a permission with the name %q already exists", name)
	}
	_, err = e.write(ctx, 0)
	return err
}

// grant looks up the user and the permission of a grant, for an admin, and makes
// others wait who change grants.
func (e *Edit) grant(ctx context.Context, perm, userName string) (user db.User, permID int64, err error) {
	if err := e.requirePerm(PermAdmin); err != nil {
		return user, 0, err
	}
	if perm == "" {
		return user, 0, refuse(FaultGeneric, "no such permission: %q", perm)
	}
	id, err := e.perm(ctx, perm)
	if err != nil {
		return user, 0, err
	}
	// Before the look: who is enabled, and who is an admin, must not change after.
	if err := e.q.LockPermissions(ctx); err != nil {
		return user, 0, fmt.Errorf("tags: lock permissions: %w", err)
	}
	if user, err = e.account(ctx, userName); err != nil {
		return user, 0, err
	}
	return user, *id, nil
}

// GrantPermission gives a user a permission. Only an admin may; what the user
// has already is refused (Koji's rule).
func (e *Edit) GrantPermission(ctx context.Context, perm, userName string) error {
	user, permID, err := e.grant(ctx, perm, userName)
	if err != nil {
		return err
	}
	event, err := e.write(ctx, 0)
	if err != nil {
		return err
	}
	n, err := e.q.GrantPermission(ctx, db.GrantPermissionParams{UserID: user.ID, PermID: permID, CreateEvent: event})
	if err != nil {
		return fmt.Errorf("tags: grant %s to %s: %w", perm, userName, err)
	}
	if n == 0 {
		return refuse(FaultGeneric, "user %s already has the permission %s", userName, perm)
	}
	return nil
}

// RevokePermission takes a permission from a user. Only an admin may; what the
// user has not is refused (Koji's rule), and so is to take admin from the last
// who has it.
func (e *Edit) RevokePermission(ctx context.Context, perm, userName string) error {
	user, permID, err := e.grant(ctx, perm, userName)
	if err != nil {
		return err
	}
	if perm == PermAdmin {
		if err := e.requireOtherAdmin(ctx, user); err != nil {
			return err
		}
	}
	event, err := e.write(ctx, 0)
	if err != nil {
		return err
	}
	n, err := e.q.RevokePermission(ctx, db.RevokePermissionParams{UserID: user.ID, PermID: permID, RevokeEvent: &event})
	if err != nil {
		return fmt.Errorf("tags: revoke %s from %s: %w", perm, userName, err)
	}
	if n == 0 {
		return refuse(FaultGeneric, "user %s does not have the permission %s", userName, perm)
	}
	return nil
}
