-- What the role of a host may do in this database. Run as a whole; names in
-- braces are filled in by Prepare.
revoke all on schema public from public;
revoke all on all tables in schema public from public, {group};
revoke all on all sequences in schema public from public, {group};
revoke all on all functions in schema public from public, {group};
alter default privileges in schema public revoke execute on functions from public;
grant usage on schema public to {group};

-- What River's worker does with a job: it fetches (state, attempt, attempted_at,
-- attempted_by), and notes how it went.
grant select on river_job to {group};
grant update (attempt, attempted_at, attempted_by, errors, finalized_at, metadata, scheduled_at, state) on river_job to {group};
-- It makes the row of its queue if that is not there, and looks for a pause.
grant select, insert, update (updated_at) on river_queue to {group};
-- A unique index on river_job calls it.
grant execute on function river_job_state_in_bitmask (bit, river_job_state) to {group};

-- The owner, which is the hub, is not bound by these.
alter table river_job enable row level security;
alter table river_queue enable row level security;
drop policy if exists own_jobs_seen on river_job;
create policy own_jobs_seen on river_job for select to {group} using (queue = {own});
drop policy if exists own_jobs_worked on river_job;
create policy own_jobs_worked on river_job for update to {group} using (queue = {own}) with check (queue = {own});
drop policy if exists own_queue on river_queue;
create policy own_queue on river_queue to {group} using (name = {own}) with check (name = {own});

-- The hub reads these rows: a host must not fill its memory with one.
alter table river_job drop constraint if exists bounded;
alter table river_job add constraint bounded check (
    octet_length(metadata::text) <= 65536
    and coalesce(octet_length(errors::text), 0) <= 262144
    and coalesce(octet_length(attempted_by::text), 0) <= 65536);
alter table river_queue drop constraint if exists bounded;
alter table river_queue add constraint bounded check (octet_length(metadata::text) <= 65536);
