package hostdoor_test

import (
	"testing"

	"github.com/distbot/distbot/queue/hostdoor"
)

// TestTroubleOfTheHub: a host that believes that its certificate is refused ends
// for good. That the hub can't look is no such refusal.
func TestTroubleOfTheHub(t *testing.T) {
	t.Parallel()
	h := setup(t)
	host := h.enroll(t, "far")
	exec := func(sql string) {
		t.Helper()
		if _, err := h.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("alter table host_credentials rename to away")
	if err := host.Check(t.Context()); err == nil || hostdoor.Refused(err) {
		t.Errorf("Check() = %v, want an error that is no refusal", err)
	}
	if _, _, err := h.who(client(t, host)); err == nil || hostdoor.Refused(err) {
		t.Errorf("HTTP: %v, want an error that is no refusal", err)
	}
	exec("alter table away rename to host_credentials")
	if err := host.Check(t.Context()); err != nil {
		t.Errorf("Check() = %v once the hub can look again", err)
	}
}
