-- name: InsertUpload :execrows
-- Notes a file that the host has sent, while the attempt is open and the host's:
-- the lock orders it before or after the attempt's end. None when it is not.
insert into task_uploads (task_id, attempt, name, sha256, size)
select t.id, t.attempt, @name, @sha256, @size
from (
    select o.id, o.attempt from tasks o
    where o.id = @task_id and o.attempt = @attempt and o.host_id = @host_id and o.client_id = @client_id::text and o.state = 'OPEN'
    for share
) t
on conflict (task_id, attempt, name) do update set size = excluded.size
where task_uploads.sha256 = excluded.sha256;

-- name: UploadsOfAttempt :many
select name, sha256, size from task_uploads where task_id = @task_id and attempt = @attempt order by name;

-- name: DropOldUploads :exec
-- Forgets the files of attempts that ended a while ago. Until then a host may
-- ask once more whether its results were taken.
delete from task_uploads u using tasks t
where t.id = u.task_id
  and (t.attempt <> u.attempt or t.state <> 'OPEN' and coalesce(t.finished_at, now()) < now() - interval '1 hour');

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
