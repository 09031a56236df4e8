-- name: InsertDelivery :one
-- Stores a delivery unless its id or its effect is known; then no row returns.
insert into deliveries (forge, delivery_id, event, repository, ref, effect, state, reason, headers, body, finished_at)
values (@forge, @delivery_id, @event, @repository, @ref, sqlc.narg(effect), @state, @reason, @headers, @body,
        case when @state::text = 'received' then null else now() end)
on conflict do nothing
returning id;

-- name: DeliveryByForgeID :one
select id, state from deliveries where forge = @forge and delivery_id = @delivery_id for update;

-- name: DeliveryByEffect :one
select id, state from deliveries
where forge = @forge and effect = @effect and state in ('received', 'planned', 'ignored')
for update;

-- name: InsertDuplicateDelivery :one
-- The same push under another id: kept for the record, never planned.
insert into deliveries (forge, delivery_id, event, repository, ref, effect, state, reason, headers, body, duplicate_of, finished_at)
values (@forge, @delivery_id, @event, @repository, @ref, sqlc.narg(effect), 'duplicate', @reason, @headers, @body, @duplicate_of, now())
on conflict do nothing
returning id;

-- name: ReceiveDeliveryAgain :exec
-- A failed delivery that arrives again, or is replayed by hand, starts over.
update deliveries set state = 'received', reason = '', finished_at = null where id = @id;

-- name: ListDeliveries :many
select id, forge, delivery_id, event, repository, ref, state, reason, duplicate_of, received_at, finished_at, length(body)::int as size
from deliveries
where (sqlc.narg(forge)::text is null or forge = sqlc.narg(forge))
  and (sqlc.narg(state)::text is null or state = sqlc.narg(state))
  and (sqlc.narg(before_id)::bigint is null or id < sqlc.narg(before_id))
order by id desc limit @max_rows;

-- name: GetDelivery :one
select * from deliveries where id = @id;

-- name: LockDelivery :one
select id, forge, effect, state, duplicate_of from deliveries where id = @id for update;
