package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish"
	"github.com/distbot/distbot/web"
)

func TestClientsAreToldTheKeysOfATag(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := &Server{Config: Config{ExternalURL: "https://hub.example"}, pool: pool}
	queuetest.Tag(t, pool, "plain", "x86_64")
	setKeys(t, pool, queuetest.Tag(t, pool, "signed", "x86_64"), `["y2027", "y2026"]`)
	for tag, want := range map[string]web.RepoSigning{
		"signed": {Packages: true, Metadata: true, Keys: []string{"https://hub.example/keys/y2027.asc", "https://hub.example/keys/y2026.asc"}},
		"plain":  {}, "nosuch": {},
	} {
		got, err := s.repoSigning(t.Context(), tag)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", tag, err, diff)
		}
	}
}

func setKeys(t *testing.T, pool *pgxpool.Pool, tag int64, keys string) {
	t.Helper()
	queuetest.Exec(t, pool, `with event as (insert into events (actor, what) values ('test', 'extra') returning id)
		insert into tag_extra (tag_id, key, value, create_event) select $1, $2, $3, event.id from event`, tag, repopublish.SigningKeysExtra, keys)
}
