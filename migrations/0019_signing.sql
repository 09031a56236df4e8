-- When the digest of a package became part of the record: signatures are dated
-- by it.
alter table rpms add column recorded_at timestamptz not null default now();

-- A package keeps the bytes that were verified when it was imported. Whoever
-- could change its digest could have anything signed under its name.
create function keep_rpm_record() returns trigger language plpgsql as $$
begin
    raise exception 'the digest of a package never changes (%-%-%.%)', old.name, old.version, old.release, old.arch;
end
$$;
create trigger rpms_keep_record before update of sha256, size, recorded_at on rpms for each row
    when ((old.sha256, old.size, old.recorded_at) is distinct from (new.sha256, new.size, new.recorded_at))
    execute function keep_rpm_record();

-- The public halves of keys: those of the signer, and those of strangers whose
-- signatures on imported packages count.
create table signing_keys (
    id          bigint generated always as identity primary key,
    name        text not null unique,
    fingerprint text not null unique check (fingerprint ~ '^[0-9a-f]{40}$'),
    algorithm   text not null,
    user_id     text not null,
    public_key  text not null check (octet_length(public_key) <= 1048576),
    -- The signer has the private half.
    own         boolean not null,
    created_at  timestamptz not null,
    expires_at  timestamptz,
    -- Nothing is signed with it any more; signatures that were made count.
    retired_at  timestamptz
);

-- The signatures of packages' headers, apart from the packages: with it a signed
-- copy can be made again from the unsigned package.
create table rpm_signatures (
    rpm_id      bigint not null references rpms on delete cascade,
    key_id      bigint not null references signing_keys,
    -- The signature header of the signed copy, with its padding. Null where the
    -- package came with the signature: then it is its own signed copy.
    header      bytea,
    -- Those of the signed copy.
    sha256      text not null,
    size        bigint not null,
    signed_at   timestamptz not null,
    recorded_at timestamptz not null default now(),
    -- The line of the signer's log that tells of the signature.
    audit_seq   bigint,
    audit_hash  text,
    primary key (rpm_id, key_id),
    check ((header is null) = (audit_seq is null) and (header is null) = (audit_hash is null))
);

-- The digests of repomd.xml of generations, recorded before they are signed.
create table repomd_records (
    generation_id bigint not null references repo_generations on delete cascade,
    arch          text not null,
    sha256        text not null,
    recorded_at   timestamptz not null default now(),
    primary key (generation_id, arch)
);
create index repomd_records_sha256 on repomd_records (sha256);

create table repomd_signatures (
    generation_id bigint not null,
    arch          text not null,
    key_id        bigint not null references signing_keys,
    -- An OpenPGP packet.
    signature     bytea not null,
    signed_at     timestamptz not null,
    audit_seq     bigint not null,
    audit_hash    text not null,
    primary key (generation_id, arch, key_id),
    foreign key (generation_id, arch) references repomd_records on delete cascade
);

-- What the signer may sign, and all that its role may read. One digest is one
-- row, dated when it was first recorded.
create view signable_rpms with (security_barrier) as
    select r.sha256, min(r.size)::bigint as size, min(r.recorded_at)::timestamptz as recorded_at
    from rpms r join builds b on b.id = r.build_id
    where b.state = 'COMPLETE' and not b.scratch
    group by r.sha256;
create view signable_repomds with (security_barrier) as
    select p.sha256, min(p.recorded_at)::timestamptz as recorded_at
    from repomd_records p join repo_generations g on g.id = p.generation_id
    where g.state = 'building'
    group by p.sha256;
