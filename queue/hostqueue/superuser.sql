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
