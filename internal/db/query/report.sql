-- name: GetReport :one
select rp.*, r.forge, r.forge_repo_id, r.full_name, r.clone_url
from reports rp join repositories r on r.id = rp.repository_id
where rp.id = @id;

-- name: MarkReportSending :execrows
-- Notes that seq is about to be sent, so that after a crash the outcome is
-- known to be unknown.
update reports set sending_seq = @seq where id = @id and seq = @seq and sent_seq < @seq;

-- name: LockReport :one
select seq, sent_seq from reports where id = @id for update;

-- name: MarkReportSent :one
update reports set sent_seq = greatest(sent_seq, @seq), sent_at = now(), failures = 0, last_error = ''
where id = @id returning seq, sent_seq;

-- name: MarkReportFailed :exec
update reports set failures = failures + 1, last_error = @last_error where id = @id;

-- name: AbandonReport :one
-- Gives up on a status the forge will never take.
update reports set sent_seq = greatest(sent_seq, @seq), last_error = @last_error where id = @id returning seq, sent_seq;

-- name: ReportsOfCommit :many
select * from reports where repository_id = @repository_id and commit_id = @commit_id order by context;
