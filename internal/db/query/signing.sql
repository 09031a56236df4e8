-- name: SignableRPM :one
-- For the signer's role, which may read nothing else than this and the next.
select sha256, size, recorded_at from signable_rpms where sha256 = @sha256;

-- name: SignableRepomd :one
select sha256, recorded_at from signable_repomds where sha256 = @sha256;

-- name: SaveSigningKey :one
-- Makes a key known, or notes that it is retired: one of the signer's stays so,
-- one of somebody else counts again once it is trusted again. Another key of the
-- name, or the same under another name, is an error of a unique index or no row;
-- so is to trust, as somebody else's, one that is the signer's.
insert into signing_keys (name, fingerprint, algorithm, user_id, public_key, own, created_at, expires_at, retired_at)
values (@name, @fingerprint, @algorithm, @user_id, @public_key, @own, @created_at, @expires_at, @retired_at)
on conflict (name) do update set public_key = excluded.public_key, own = excluded.own, expires_at = excluded.expires_at,
    retired_at = case when signing_keys.own then coalesce(signing_keys.retired_at, excluded.retired_at) else excluded.retired_at end
where signing_keys.fingerprint = excluded.fingerprint and (excluded.own or not signing_keys.own)
returning id;

-- name: RetireTrustedKey :execrows
-- A key of somebody else: those of the signer are retired there.
update signing_keys set retired_at = coalesce(retired_at, @retired_at) where name = @name and not own;

-- name: ListSigningKeys :many
select * from signing_keys order by name;

-- name: SigningKeysByName :many
select * from signing_keys where name = any (@names::text[]) order by name;

-- name: RPMSignature :one
select s.*, k.name, k.fingerprint from rpm_signatures s join signing_keys k on k.id = s.key_id
where s.rpm_id = @rpm_id and k.name = @key_name;

-- name: SaveRPMSignature :execrows
-- The first record of a package and a key stays.
insert into rpm_signatures (rpm_id, key_id, header, sha256, size, signed_at, audit_seq, audit_hash)
values (@rpm_id, @key_id, @header, @sha256, @size, @signed_at, @audit_seq, @audit_hash)
on conflict (rpm_id, key_id) do nothing;

-- name: SignaturesOfRPMs :many
select s.rpm_id, s.sha256, s.size, s.signed_at, k.name, k.fingerprint
from rpm_signatures s join signing_keys k on k.id = s.key_id
where s.rpm_id = any (@rpm_ids::bigint[]) order by s.rpm_id, k.name;

-- name: MissingSignatures :many
-- Packages of builds that lack the signature of one of the keys, which are named
-- or told by fingerprint.
select r.id, r.build_id, r.name, r.epoch, r.version, r.release, r.arch, r.source, wanted.name::text as key
from unnest(@keys::text[]) with ordinality as wanted (name, position)
cross join rpms r
where r.build_id = any (@build_ids::bigint[])
  and not exists (select from rpm_signatures s join signing_keys k on k.id = s.key_id
                  where s.rpm_id = r.id and (k.name = wanted.name or k.fingerprint = wanted.name))
order by r.build_id, r.source desc, r.name, r.arch, r.id, wanted.position;

-- name: SignaturesOfBuilds :many
-- The binary packages of builds with their signatures, one row of empty texts for
-- those that have none.
select r.id, r.build_id, b.package_id, r.name, r.version, r.release, r.arch,
       coalesce(k.name, '')::text as key, coalesce(k.fingerprint, '')::text as fingerprint, coalesce(s.sha256, '')::text as sha256, coalesce(s.size, 0)::bigint as size
from rpms r join builds b on b.id = r.build_id
left join rpm_signatures s on s.rpm_id = r.id left join signing_keys k on k.id = s.key_id
where r.build_id = any (@build_ids::bigint[]) and not r.source order by r.build_id, r.name, r.arch, r.id, k.name;

-- name: NVRsOfBuilds :many
select id, coalesce(nvr, '')::text as nvr from builds where id = any (@ids::bigint[]);

-- name: RPMForSigning :one
select id, sha256, size, path from rpms where id = @id;

-- name: RPMsToRecord :many
-- Packages of a build that no signature which they came with is recorded of.
select id, sha256, size, path from rpms r where build_id = @build_id
  and not exists (select from rpm_signatures s where s.rpm_id = r.id and s.header is null)
order by id;

-- name: RPMsWithoutSignature :many
-- Packages that are part of the distribution and have no signature of a key.
select r.id, r.sha256, r.size, r.path from rpms r join builds b on b.id = r.build_id
where r.id > @after and b.state = 'COMPLETE' and not b.scratch
  and not exists (select from rpm_signatures s where s.rpm_id = r.id and s.key_id = @key_id)
order by r.id limit @max;

-- name: RecordRepomd :execrows
-- The digest of a generation's repomd.xml is recorded once; another one for the
-- same generation changes no row.
insert into repomd_records (generation_id, arch, sha256) values (@generation_id, @arch, @sha256)
on conflict (generation_id, arch) do update set sha256 = excluded.sha256 where repomd_records.sha256 = excluded.sha256;

-- name: SaveRepomdSignature :exec
insert into repomd_signatures (generation_id, arch, key_id, signature, signed_at, audit_seq, audit_hash)
values (@generation_id, @arch, @key_id, @signature, @signed_at, @audit_seq, @audit_hash)
on conflict (generation_id, arch, key_id) do nothing;

-- name: PublishedGeneration :one
-- A published generation of a tag, or its newest one where the number is 0.
select id from repo_generations where tag_id = @tag_id and state = 'published' and (@number::bigint = 0 or number = @number)
order by number desc limit 1;

-- name: KeysOfGeneration :many
-- The keys that signed a generation's repomd.xml, the one of its packages among
-- them.
select name from signing_keys where id in (select key_id from repomd_signatures where generation_id = @generation_id) order by name;

-- name: SigningReceipts :many
-- The lines of the signer's log that signatures were made with.
select audit_seq::bigint as audit_seq, audit_hash::text as audit_hash from rpm_signatures where audit_seq is not null
union all select audit_seq, audit_hash from repomd_signatures
order by 1;

-- name: TagsWithExtra :many
-- Tags that have an extra setting of their own.
select t.id from tag_extra x join tags t on t.id = x.tag_id
where x.key = @key and x.value is not null and x.revoke_event is null and t.revoke_event is null order by t.id;
