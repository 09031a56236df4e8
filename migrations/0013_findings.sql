-- Why a task, or an earlier attempt of it, failed, as its logs say: what
-- builders/diagnosis finds, in JSON. Null when it did not, or no log says why.
alter table tasks add column finding jsonb check (octet_length(finding::text) <= 131072);
alter table task_attempts add column finding jsonb check (octet_length(finding::text) <= 131072);
