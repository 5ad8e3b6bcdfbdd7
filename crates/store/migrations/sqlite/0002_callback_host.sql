-- Each host has a queue of its own, so that a slow one's length delays no other.
alter table callback_due add column host text not null default '';

update callback_due set host = case instr(substr(url, 9), '/')
    when 0 then url
    else substr(url, 1, 7 + instr(substr(url, 9), '/'))
end;

drop index callback_due_by_time;
create index callback_due_by_host on callback_due (host, due);
