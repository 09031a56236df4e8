-- name: HostByFingerprint :one
-- Whose certificate this is, if it counts.
select c.id, c.host_id, h.name, c.not_after,
       (c.last_used_at is null or c.last_used_at < now() - interval '1 minute')::boolean as unnoted
from host_credentials c join hosts h on h.id = c.host_id
where c.fingerprint = @fingerprint and c.revoked_at is null and c.not_after > now();

-- name: NoteCredentialUse :exec
-- Notes the use, and ends the credentials that this one was made to follow.
with used as (
    update host_credentials u set last_used_at = now() where u.id = @id and u.revoked_at is null returning u.id, u.host_id
)
update host_credentials c set revoked_at = now(), revoked_by = 'distbot', revoke_reason = 'renewed'
from used where c.host_id = used.host_id and c.id < used.id and c.revoked_at is null;

-- name: RevokedFingerprints :many
-- Which of these certificates do not count.
select f.fingerprint::bytea as fingerprint
from unnest(@fingerprints::bytea[]) as f (fingerprint)
where not exists (
    select from host_credentials c where c.fingerprint = f.fingerprint and c.revoked_at is null and c.not_after > now());

-- name: EnsureHost :exec
insert into hosts (name, remote) values (@name, true) on conflict (name) do nothing;

-- name: AllowHost :exec
-- What a host that is enrolled may take; null leaves it as it is.
update hosts set arches_set = coalesce(sqlc.narg(arches)::text[], arches_set),
                 channels_set = coalesce(sqlc.narg(channels)::text[], channels_set, '{default}'),
                 capacity_set = coalesce(sqlc.narg(capacity)::real, capacity_set)
where id = @id;

-- name: LockHost :one
select id, remote from hosts where name = @name for no key update;

-- name: CredentialsInForce :many
select id, fingerprint, not_after, created_at, created_by from host_credentials
where host_id = @host_id and revoked_at is null and not_after > now() order by id;

-- name: AddCredential :one
insert into host_credentials (host_id, fingerprint, not_after, created_by)
values (@host_id, @fingerprint, @not_after, @created_by) returning id;

-- name: RevokeCredentials :execrows
update host_credentials set revoked_at = now(), revoked_by = @revoked_by::text, revoke_reason = @reason::text
where host_id = @host_id and revoked_at is null;

-- name: AnnounceRevocation :exec
select pg_notify('distbot_host_credentials', @host_id::text);

-- name: ListCredentials :many
select c.id, c.host_id, h.name as host, c.fingerprint, c.not_after, c.created_at, c.created_by,
       c.revoked_at, c.revoked_by, c.revoke_reason, c.last_used_at, (c.not_after <= now())::boolean as expired
from host_credentials c join hosts h on h.id = c.host_id
where (sqlc.narg(host)::text is null or h.name = sqlc.narg(host))
order by h.name, c.id;

-- name: CredentialKnown :one
select exists (select from host_credentials where fingerprint = @fingerprint and revoked_at is null and not_after > now())::boolean;
