-- {day} is the number of the UTC day since 1970-01-01.

-- One row a request. The id is its first message's; the others follow it without a gap.
create table if not exists request_{day} (
    id integer primary key,
    messages integer not null,
    parts integer not null,             -- parts of each message; of personal ones: of the longest
    account integer not null,
    created integer not null,
    sender text not null,
    text text not null,                 -- as sent: normalised, transliterated where asked; or a template
    encoding integer not null,
    flags integer not null,             -- 1 split, 2 flash, 4 marketing, 8 bulk lane, 16 a callback URL per message,
                                        -- 32 a text per message, 64 an answer to who opts out or in, 128 certified
    concat_ref integer not null,        -- of the first message; the others count up, modulo 65536
    due integer not null,
    expires integer,
    windows text not null,              -- availableTimes, empty: none
    campaign integer not null,
    named integer not null,             -- whether the request named the campaign
    sending integer not null,
    reserved integer not null,          -- micro-units
    callback text not null,             -- URL template, empty: none
    otp text not null default ''        -- what its texts' one-time codes are like, empty: they have none
) strict;
create index if not exists request_{day}_by_sending on request_{day} (sending);

-- One row a part: id = message << 4 | index.
create table if not exists part_{day} (
    id integer primary key,
    recipient integer not null,         -- E.164 digits
    route integer not null,
    state integer not null,
    price integer not null,             -- micro-units
    event integer not null default 0,   -- the newest event; events are a list through event.prev
    tally integer not null default 0,   -- whose totals it moves: sending << 4 | parts of its message; 0: nobody's; 1 << 62: certified
    refund integer not null default 0   -- of its price where it is not delivered: 0 nothing, 1 promised, 2 given back
) strict;

create table if not exists callback_{day} (
    message integer primary key,
    url text not null
) strict;

-- The final texts of a request whose messages have each its own.
create table if not exists text_{day} (
    message integer primary key,
    text text not null
) strict;

-- Short links. The day is the code's own, which the text was made on.
create table if not exists link_{day} (
    code integer primary key,           -- the 60 bits of chance of its code
    message integer not null,
    target text not null,
    clicks integer not null default 0   -- that were kept
) strict;

-- The append-only log. The id tells the time and the order.
create table if not exists event_{day} (
    id integer primary key,
    part integer not null,
    kind integer not null,
    route integer not null,
    at integer not null,
    prev integer not null,              -- the part's event before this one, 0: none
    word text not null,                 -- %s of a callback
    code text not null,                 -- %j of a callback
    detail text not null                -- the carrier's id or words
) strict;

-- Which part a carrier's id means.
create table if not exists carrier_{day} (
    route integer not null,
    hash integer not null,
    part integer not null,
    carrier_id text not null,
    primary key (route, hash, part)
) strict, without rowid;

-- What binds the events of certified messages to one another, and to what was accepted (n = 0).
create table if not exists chain_{day} (
    message integer not null,
    n integer not null,                 -- counts up
    event integer not null,             -- 0 where n is
    state integer not null,             -- where its part stood then
    hash blob not null,                 -- of all this, and of the hash before
    primary key (message, n)
) strict, without rowid;
