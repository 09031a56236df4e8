-- What a status says besides its line, for forges that show more: finer refines
-- the state (queued, skipped, neutral, canceled), detail is a summary in
-- Markdown and annotations of files. Empty and null when there is nothing.
alter table reports add column finer text not null default '' check (finer in ('', 'queued', 'skipped', 'neutral', 'canceled'));
alter table reports add column detail jsonb check (octet_length(detail::text) <= 131072);
