-- A campaign's one sending (more, when a campaign may have several), and its totals.
create table sending (
    id integer primary key,
    campaign integer not null,
    account integer not null,
    scheduled integer not null,         -- when its messages may leave; 0: at once, or not all at the same time; -1: it has none yet
    expires integer not null,           -- when they expire, in the same way
    messages integer not null default 0,
    waiting integer not null default 0,
    sent integer not null default 0,
    delivered integer not null default 0,
    undelivered integer not null default 0,
    expired integer not null default 0,
    rejected integer not null default 0,
    cancelled integer not null default 0,
    parts_sent integer not null default 0,
    cost integer not null default 0     -- micro-units
) strict;

insert into sending (id, campaign, account, scheduled, expires)
    select sending, id, account, 0, 0 from campaign;

create index campaign_by_account on campaign (account, id);

-- Sendings that their owner or an operator has stopped.
create table stopped (
    sending integer primary key,
    account integer not null,
    state integer not null,             -- 1 paused: what is due of it is held; 2 cancelled: it ends
    since integer not null,
    done integer not null               -- 1: of a cancelled one, nothing waits in a queue any more
) strict;

-- What was due of a paused sending: rows of the queue, as they stood there.
create table held (
    sending integer not null,
    route integer not null,
    lane integer not null,
    account integer not null,
    due integer not null,
    first integer not null,
    last integer not null,
    tries integer not null,
    expires integer,                    -- the request's
    primary key (sending, route, lane, account, due, first)
) strict, without rowid;
create index held_by_expiry on held (expires) where expires is not null;
create index held_by_route on held (route);
