-- 1: it waits for the time that its owner named, and was never due.
alter table queue add column scheduled integer not null default 0;

update queue set scheduled = 1 where tries = 0 and due > unixepoch() * 1000000;

-- What owners can still move and withdraw, in the order in which it was accepted; and the ranges among it.
create index queue_scheduled on queue (account, first, route, due) where scheduled = 1;
create index queue_scheduled_range on queue (account, first) where scheduled = 1 and last > first;
