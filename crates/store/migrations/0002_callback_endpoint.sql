-- Each endpoint of each account has a queue of its own, so that a slow one's length delays no other.
alter table callback_due add column account integer not null default 0;
alter table callback_due add column endpoint text not null default '';

update callback_due set endpoint = case instr(url, '?')
    when 0 then url
    else substr(url, 1, instr(url, '?') - 1)
end;

drop index callback_due_by_time;
create index callback_due_by_endpoint on callback_due (account, endpoint, due);
