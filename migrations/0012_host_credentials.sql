-- The certificates by which build hosts are known. Who shows one that is not
-- here, is revoked or is past not_after is nobody, whatever its text says.
create table host_credentials (
    id            bigint generated always as identity primary key,
    host_id       bigint not null references hosts on delete cascade,
    -- SHA-256 of the certificate's DER.
    fingerprint   bytea not null unique check (octet_length(fingerprint) = 32),
    not_after     timestamptz not null,
    created_at    timestamptz not null default now(),
    -- The system's account that ran the command.
    created_by    text not null,
    revoked_at    timestamptz,
    revoked_by    text,
    revoke_reason text,
    -- Noted at most once a minute.
    last_used_at  timestamptz,
    check ((revoked_at is null) = (revoked_by is null) and (revoked_at is null) = (revoke_reason is null))
);
create index host_credentials_host on host_credentials (host_id);
