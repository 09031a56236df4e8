-- name: LockOpenAttempt :execrows
-- Orders those who announce files of an attempt, one after the other and before or
-- after its end. None when it is not open, or not the host's.
select from tasks o
where o.id = @task_id and o.attempt = @attempt and o.host_id = @host_id and o.client_id = @client_id::text and o.state = 'OPEN'
for no key update;

-- name: AnnouncedUploads :one
-- What was announced for the attempt besides a name, and what is stored of the
-- name; sha256 is empty when nothing is.
select count(*) filter (where name <> @name) as files,
       coalesce(sum(size) filter (where name <> @name), 0)::bigint as bytes,
       coalesce(max(sha256) filter (where name = @name and stored), '')::text as sha256,
       coalesce(max(size) filter (where name = @name and stored), 0)::bigint as size
from task_uploads where task_id = @task_id and attempt = @attempt;

-- name: ReserveUpload :exec
-- Notes that a file will be sent. One that was announced and never arrived gives
-- way.
insert into task_uploads (task_id, attempt, name, sha256, size, stored)
values (@task_id, @attempt, @name, @sha256, @size, false)
on conflict (task_id, attempt, name) do update set sha256 = excluded.sha256, size = excluded.size
where not task_uploads.stored;

-- name: GiveUploadBack :exec
-- Forgets a file that was announced and did not arrive.
delete from task_uploads where task_id = @task_id and attempt = @attempt and name = @name and sha256 = @sha256 and not stored;

-- name: StoreUpload :execrows
-- Notes that a file has arrived, while the attempt is open and the host's: the
-- lock orders it before or after the attempt's end. None when it is not.
update task_uploads u set stored = true
from (
    select o.id, o.attempt from tasks o
    where o.id = @task_id and o.attempt = @attempt and o.host_id = @host_id and o.client_id = @client_id::text and o.state = 'OPEN'
    for share
) t
where u.task_id = t.id and u.attempt = t.attempt and u.name = @name and u.sha256 = @sha256 and u.size = @size;

-- name: UploadsOfAttempt :many
-- The files that have arrived.
select name, sha256, size from task_uploads where task_id = @task_id and attempt = @attempt and stored order by name;

-- name: DropOldUploads :execrows
-- Forgets the files of attempts that ended a while ago. Until then a host may
-- ask once more whether its results were taken.
delete from task_uploads u using tasks t
where t.id = u.task_id
  and (t.attempt <> u.attempt or t.state <> 'OPEN' and coalesce(t.finished_at, now()) < now() - interval '1 hour');

-- name: UnusedBlobs :many
-- Those of some SHA-256 that no package, no result and no file that is announced
-- has.
select s.sha256::text from unnest(@sha256s::text[]) s (sha256)
where not exists (select from rpms r where r.sha256 = s.sha256)
  and not exists (select from task_artifacts a where a.sha256 = s.sha256)
  and not exists (select from task_uploads u where u.sha256 = s.sha256);

-- name: EndedAttempt :one
-- How the attempt of a host ended, if it is the task's last.
select state, token_digest from tasks
where id = @id and attempt = @attempt and host_id = @host_id and client_id = @client_id::text and state in ('CLOSED', 'FAILED');

-- name: SetTaskRepos :exec
with earlier as (
    delete from task_repos where task_id = @task_id and attempt <> @attempt
)
insert into task_repos (task_id, attempt, place, dir)
select @task_id, @attempt, unnest(@places::int[]), unnest(@dirs::text[])
on conflict (task_id, attempt, place) do update set dir = excluded.dir;

-- name: TaskRepo :one
select dir from task_repos where task_id = @task_id and attempt = @attempt and place = @place;
