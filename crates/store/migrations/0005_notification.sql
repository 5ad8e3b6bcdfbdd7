-- Where an account's events are told, and how.
create table notification (
    account integer primary key,
    url text not null,                  -- empty: nowhere
    format integer not null,            -- 0 form, 1 JSON
    events text not null,               -- names of the events of our own that are told too, with commas
    secret text not null,
    old_secret text not null,           -- signs too, until:
    old_until integer not null,
    disabled integer,                   -- since when nothing is told; null: it is
    reason text not null,               -- why
    replay integer                      -- told up to this event of the log; null: with everybody else
) strict;

-- Notifications that no try delivered.
create table dead_letter (
    account integer not null,
    event integer not null,
    at integer not null,                -- the last try
    tries integer not null,
    failure text not null,
    primary key (account, event)
) strict, without rowid;

-- Of one event a callback and a notification may wait; notifications in the order of their message.
create table callback_waiting (
    event integer not null,
    target integer not null,            -- 0 the callback, 1 the notification
    due integer not null,
    tries integer not null,
    url text not null,                  -- of a callback
    failure text not null,
    account integer not null,
    endpoint text not null,
    message integer not null,           -- of a notification
    primary key (event, target)
) strict, without rowid;

insert into callback_waiting (event, target, due, tries, url, failure, account, endpoint, message)
select event, 0, due, tries, url, failure, account, endpoint, 0 from callback_due;
drop table callback_due;
alter table callback_waiting rename to callback_due;
create index callback_due_by_endpoint on callback_due (account, endpoint, due);
create index callback_due_by_message on callback_due (message, event) where target = 1;
