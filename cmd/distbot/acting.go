package main

import (
	"context"
	"fmt"

	"github.com/distbot/distbot/tags"
)

// actAs reads the user on whose behalf the command changes something. One who is
// unknown or disabled is refused, and so is one without the permission that is
// needed; none is where perm is empty.
func (h *hub) actAs(ctx context.Context, perm string) (tags.User, error) {
	user, err := tags.ReadUser(ctx, h.pool, h.as)
	if err == nil && perm != "" && !user.Has(perm) {
		err = &tags.RefusedError{Fault: tags.FaultNotAllowed, Text: fmt.Sprintf("user %s does not have the permission %s", h.as, perm)}
	}
	return user, inUsersWords(err, h.as)
}

// actAsOwner is actAs for what belongs to somebody, by Koji's rule: its owner
// may, and an admin. owner is empty for what nobody asked for by hand.
func (h *hub) actAsOwner(ctx context.Context, what, owner string) (tags.User, error) {
	user, err := h.actAs(ctx, "")
	if err != nil || owner != "" && user.Name == owner || user.Has(tags.PermAdmin) {
		return user, err
	}
	text := what + " was not asked for by a user: only an admin may end it"
	if owner != "" {
		text = fmt.Sprintf("%s belongs to %s: only its owner or an admin may end it", what, owner)
	}
	return user, inUsersWords(&tags.RefusedError{Fault: tags.FaultNotAllowed, Text: text}, h.as)
}

// canceledBy is the reason of what a user cancels.
func canceledBy(user tags.User) string { return "canceled by " + user.Name + " from the command line" }
