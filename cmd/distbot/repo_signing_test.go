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

// TestClientsAreToldTheKeysOfAGeneration has generations made before, with and
// after a tag's keys.
func TestClientsAreToldTheKeysOfAGeneration(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := &Server{Config: Config{ExternalURL: "https://hub.example"}, pool: pool}
	signedBy := func(keys ...string) web.RepoSigning {
		signing := web.RepoSigning{Packages: true, Metadata: true}
		for _, key := range keys {
			signing.Keys = append(signing.Keys, "https://hub.example/keys/"+key+".asc")
		}
		return signing
	}
	check := func(what, tag string, generation int64, want web.RepoSigning) {
		t.Helper()
		got, err := s.repoSigning(t.Context(), tag, generation)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", what, err, diff)
		}
	}
	queuetest.Exec(t, pool, `insert into signing_keys (name, fingerprint, algorithm, user_id, public_key, own, created_at)
		select name, repeat(left(md5(name), 8), 5), 'rsa4096', name, '-', true, now() from unnest(array['y2026', 'y2027']) name`)
	queuetest.Tag(t, pool, "plain", "x86_64")
	tag := queuetest.Tag(t, pool, "f37", "x86_64")
	// publish makes a generation that keys have signed.
	publish := func(number int64, state string, keys ...string) {
		t.Helper()
		id := queuetest.Value[int64](t, pool, "insert into repo_generations (tag_id, number, rev, state) values ($1, $2, $2, $3) returning id", tag, number, state)
		for _, arch := range []string{"x86_64", "aarch64"} {
			queuetest.Exec(t, pool, "insert into repomd_records (generation_id, arch, sha256) values ($1, $2, '')", id, arch)
			queuetest.Exec(t, pool, `insert into repomd_signatures (generation_id, arch, key_id, signature, signed_at, audit_seq, audit_hash)
				select $1, $2, id, '', now(), 1, '' from signing_keys where name = any ($3)`, id, arch, keys)
		}
	}
	check("a tag that nobody has", "nosuch", 0, web.RepoSigning{})
	check("a tag without keys", "plain", 0, web.RepoSigning{})

	publish(1, "published")
	setKeys(t, pool, tag, `["y2027", "y2026"]`)
	check("before the first one with the keys", "f37", 0, web.RepoSigning{})
	check("one made before there were keys", "f37", 1, web.RepoSigning{})
	publish(2, "published", "y2026")
	publish(3, "published", "y2026", "y2027")
	publish(4, "building")
	check("one by the key of then", "f37", 2, signedBy("y2026"))
	check("the newest one", "f37", 0, signedBy("y2026", "y2027"))
	queuetest.Exec(t, pool, "delete from tag_extra where tag_id = $1", tag)
	check("the newest one, after the keys are gone from the tag", "f37", 0, signedBy("y2026", "y2027"))
	check("a pinned one, after the keys are gone from the tag", "f37", 3, signedBy("y2026", "y2027"))
	publish(5, "published")
	check("the newest one, which is not signed", "f37", 0, web.RepoSigning{})
	check("one that is being made", "f37", 4, web.RepoSigning{})

	fresh := queuetest.Tag(t, pool, "f38", "x86_64")
	setKeys(t, pool, fresh, `"y2027"`)
	check("a tag that has published nothing yet", "f38", 0, signedBy("y2027"))
}

func setKeys(t *testing.T, pool *pgxpool.Pool, tag int64, keys string) {
	t.Helper()
	queuetest.Exec(t, pool, `with event as (insert into events (actor, what) values ('test', 'extra') returning id)
		insert into tag_extra (tag_id, key, value, create_event) select $1, $2, $3, event.id from event`, tag, repopublish.SigningKeysExtra, keys)
}
