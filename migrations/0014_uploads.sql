-- A file that a remote host sends is noted before its bytes are read: what is
-- announced counts, however many files are sent at a time, and no bytes lie in
-- the store that nobody knows of.
alter table task_uploads add column stored boolean not null default true;
alter table task_uploads alter column stored drop default;

-- For finding blobs that nobody refers to.
create index task_uploads_sha256 on task_uploads (sha256);
create index task_artifacts_sha256 on task_artifacts (sha256);
