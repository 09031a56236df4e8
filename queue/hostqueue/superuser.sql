-- What PostgreSQL lets everybody do in every database and no River worker does:
-- only a superuser, as in a private PostgreSQL, can take it away.
do $$
declare f regprocedure;
begin
    for f in select p.oid::regprocedure from pg_proc p
             where p.pronamespace = 'pg_catalog'::regnamespace
               and (p.proname ~ '^(lo_|loread$|lowrite$|pg_advisory_|pg_try_advisory_|pg_sleep)'
                    or p.proname in ('pg_notify', 'pg_export_snapshot', 'pg_logical_emit_message'))
    loop
        execute format('revoke execute on function %s from public', f);
    end loop;
end $$;
-- What hosts may write to the server's disk by sorting: they have nothing to
-- sort. Only superusers can change the limit, also in a session. The database's
-- owner, which is the hub, makes indexes anew and is not bound by it.
do $$
declare
    database text := current_database();
    owner    text := (select pg_get_userbyid(datdba) from pg_database where datname = current_database());
begin
    execute format('alter database %I set temp_file_limit = ''16MB''', database);
    execute format('alter role %I in database %I set temp_file_limit = -1', owner, database);
end $$;
