-- A package stays what it is, and stays there: whoever could remove it and insert
-- it again, or move it to another build, could give its name other bytes. Nothing
-- in the program does. The owner of the table can still disable the triggers.
create or replace function keep_rpm_record() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        raise exception 'what a package is never changes (%-%-%.%)', old.name, old.version, old.release, old.arch;
    end if;
    raise exception 'packages that are recorded stay';
end
$$;
drop trigger rpms_keep_record on rpms;
create trigger rpms_keep_record before update of build_id, name, epoch, version, release, arch, source, sha256, size, recorded_at on rpms for each row
    when ((old.build_id, old.name, old.epoch, old.version, old.release, old.arch, old.source, old.sha256, old.size, old.recorded_at)
        is distinct from (new.build_id, new.name, new.epoch, new.version, new.release, new.arch, new.source, new.sha256, new.size, new.recorded_at))
    execute function keep_rpm_record();
create trigger rpms_keep_rows before delete or truncate on rpms for each statement execute function keep_rpm_record();
