-- name: UnsentReports :many
-- What a commit's forge does not have yet, in the order in which it was asked
-- for.
select rp.*, r.forge, r.forge_repo_id, r.full_name, r.clone_url
from reports rp join repositories r on r.id = rp.repository_id
where rp.repository_id = @repository_id and rp.commit_id = @commit_id and rp.sent_seq < rp.seq
order by rp.updated_at, rp.id;

-- name: HasUnsentReports :one
select exists (select 1 from reports where repository_id = @repository_id and commit_id = @commit_id and sent_seq < seq);

-- name: MarkReportSending :execrows
-- Notes that seq is about to be sent, so that after a crash the outcome is
-- known to be unknown.
update reports set sending_seq = @seq where id = @id and seq = @seq and sent_seq < @seq;

-- name: RecordReports :exec
-- Records what became of statuses: settled ones are sent, or the forge will
-- never take them for the reason given; the others are to be tried again. Rows
-- are locked in the order in which statuses are asked for.
with locked as (
    select id from reports where id = any (@ids::bigint[]) order by context collate "C" for update
)
update reports r set
    sent_seq = case when o.settled then greatest(r.sent_seq, o.seq) else r.sent_seq end,
    sent_at = case when o.settled and o.error = '' then now() else r.sent_at end,
    failures = case when o.error = '' then 0 when o.settled then r.failures else r.failures + 1 end,
    last_error = o.error
from locked l join (select unnest(@ids::bigint[]) as id, unnest(@seqs::bigint[]) as seq, unnest(@settled::boolean[]) as settled,
                           unnest(@errors::text[]) as error) o on o.id = l.id
where r.id = l.id;

-- name: ReportsOfCommit :many
select * from reports where repository_id = @repository_id and commit_id = @commit_id order by context;
