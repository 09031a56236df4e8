-- What a host may take is decided at the hub: when it is enrolled, by what it
-- says when it connects for the first time, and by an administrator later. What
-- the host says afterwards can only narrow that, so that one that somebody has
-- taken over gets no other work than before.

-- Null, here as in channels_set and capacity_set, is anything: of a host that is
-- part of a hub, and until a remote one connects.
alter table hosts add column arches_set text[];

-- Hosts that have connected keep what they have.
update hosts set arches_set = arches, channels_set = coalesce(channels_set, channels), capacity_set = coalesce(capacity_set, capacity)
where remote and driver <> '';
update hosts set channels_set = coalesce(channels_set, '{default}') where remote;

-- The architectures that a host takes.
create function host_arches(said text[], allowed text[]) returns text[] language sql immutable as $$
    select case when allowed is null then said
                else array(select s from unnest(said) with ordinality as u (s, n) where s = any(allowed) order by n) end
$$;

-- The channels that a host takes. One that names none takes all that are allowed.
create function host_channels(said text[], allowed text[]) returns text[] language sql immutable as $$
    select case when said = '{}' then coalesce(allowed, '{default}') else host_arches(said, allowed) end
$$;

drop trigger hosts_wake on hosts;
create trigger hosts_wake after update of enabled, client_id, unready, capacity, capacity_set, channels, channels_set, arches, arches_set on hosts
    for each row when ((new.enabled, new.client_id, new.unready, new.capacity, new.capacity_set, new.channels, new.channels_set, new.arches, new.arches_set)
        is distinct from (old.enabled, old.client_id, old.unready, old.capacity, old.capacity_set, old.channels, old.channels_set, old.arches, old.arches_set))
    execute function wake_scheduler();
