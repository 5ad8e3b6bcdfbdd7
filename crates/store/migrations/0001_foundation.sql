-- Times are microseconds since the epoch, money is micro-units, ids as DESIGN section 5.

create table account (
    id integer primary key,
    name text not null unique,
    password_hash text not null,        -- argon2id, PHC string
    balance integer not null,           -- what can still be spent: credit less reservations
    currency text not null,
    disabled integer not null default 0,
    category integer not null default 0, -- the law's kind where a request does not say: 0 transactional, 1 marketing
    rate_per_s integer,                 -- parts a second; null: no limit
    per_day integer,                    -- messages a UTC day; null: no limit
    allow text not null default '',     -- CIDRs, one a line; empty: every address
    created integer not null
) strict;

-- What changed a balance, append-only: balance = sum(amount).
create table ledger (
    id integer primary key,
    account integer not null,
    at integer not null,
    kind integer not null,              -- 0 credit by the operator, 1 reservation of a request, 2 release
    amount integer not null,
    request integer                     -- the first message's id, for reservations
) strict;

-- Messages accepted per account and UTC day, kept only for accounts with a daily limit.
create table account_day (
    account integer not null,
    day integer not null,
    messages integer not null,
    primary key (account, day)
) strict, without rowid;

create table route (
    id integer primary key,
    name text not null unique,
    paused integer not null default 0,
    link text not null default '',      -- how its links stood last, in words
    receipt_id integer                  -- learned spelling of receipt ids: 1 same, 2 hex to dec, 3 dec to hex
) strict;

create table campaign (
    id integer primary key,
    account integer not null,
    channel text not null,
    name text not null,
    tags text not null default '',      -- one a line
    sending integer not null,
    created integer not null,
    unique (account, channel, name)
) strict;

-- Sequences that must not depend on what retention left: the next free number.
create table sequence (
    name text primary key,
    next integer not null
) strict, without rowid;

insert into sequence (name, next) values ('campaign', 100000);

-- What waits to be sent: ranges of parts of one request. In order of due time per route, lane and account,
-- so that a claim is one seek and ten million scheduled messages cost nothing until they are due.
create table queue (
    route integer not null,
    lane integer not null,
    account integer not null,
    due integer not null,
    first integer not null,             -- first part id
    last integer not null,              -- last part id
    tries integer not null,             -- counted tries so far
    primary key (route, lane, account, due, first)
) strict, without rowid;

-- Parts whose bytes may be on their way. A row names every part that was handed to a link together;
-- one that goes back to the queue leaves the row in the same commit.
-- After a crash, whoever is still named here and still stands as queued is uncertain.
create table intent (
    id integer primary key,
    route integer not null,
    lane integer not null,
    account integer not null,
    tries integer not null,             -- counted tries, this one included
    at integer not null,
    parts blob not null                 -- part ids, eight octets each, big endian
) strict;

-- A large request on its way in: its parts are invisible until the request row exists.
create table staging (
    first integer primary key,          -- first part id
    last integer not null
) strict;

-- Parts in doubt, also those resent: never silent.
create table uncertain (
    part integer primary key,
    route integer not null,
    account integer not null,
    since integer not null,
    reason text not null,
    resolution integer not null         -- 0 open (hold), 1 resent, 2 waiting for a receipt, 3 matched, 4 dropped
) strict;
-- The few that still wait, among all that ever did.
create index uncertain_open on uncertain (route, part) where resolution in (0, 2);

-- Receipts that fit nothing (yet).
create table unmatched (
    id integer primary key,
    route integer not null,
    hash integer not null,
    carrier_id text not null,
    state integer not null,
    word text not null,
    error text not null,
    address_a text not null,
    address_b text not null,
    text_start text not null,
    at integer not null
) strict;
create index unmatched_by_id on unmatched (route, hash);

-- Messages from handsets, as they came; long ones still in pieces.
create table inbound (
    id integer primary key,
    route integer not null,
    sender text not null,
    recipient text not null,
    text text not null,
    reference integer,
    total integer,
    number integer,
    at integer not null
) strict;

create table idempotency (
    account integer not null,
    key text not null,
    body blob not null,                 -- SHA-256
    request integer not null,           -- the first message's id
    campaign integer not null,
    sending integer not null,
    at integer not null,
    primary key (account, key)
) strict, without rowid;
create index idempotency_by_time on idempotency (at);

-- How far the readers of the event log have come.
create table event_cursor (
    reader text primary key,
    event integer not null
) strict, without rowid;

-- Callbacks to be tried (again).
create table callback_due (
    event integer primary key,
    due integer not null,
    tries integer not null,
    url text not null,
    failure text not null
) strict;
create index callback_due_by_time on callback_due (due);
