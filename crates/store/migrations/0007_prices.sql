-- A file that was imported. Its rows count from when it is live; rows are added and never changed, so
-- that what held at any time can be told later.
create table price_import (
    id integer primary key,
    kind integer not null,              -- 0 what accounts pay, 1 what a route's carrier asks, 2 number prefixes
    route integer not null,             -- of kind 1, else 0
    currency text not null,             -- empty for kind 2
    since integer not null,             -- from when its rows hold; those of a price list may say otherwise
    at integer not null,
    rows integer not null,
    live integer not null               -- counts up by import in the order they came into force; 0: not yet
) strict;

create table price (
    import integer not null,
    country text not null,
    network integer not null,           -- mobile country code * 1000 + network code; 0: the country's default
    since integer not null,
    name text not null,
    price integer,                      -- micro-units a part; null: from then on there is none
    primary key (import, country, network, since)
) strict, without rowid;

create table number_range (
    import integer not null,
    prefix integer not null,
    network integer,                    -- null: from then on it is nobody's
    primary key (import, prefix)
) strict, without rowid;

-- What an account may spend a UTC day, and where to: null and empty are no limit.
alter table account add column spend_cap integer;
alter table account add column countries text not null default '';
alter table account_day add column spent integer not null default 0;
