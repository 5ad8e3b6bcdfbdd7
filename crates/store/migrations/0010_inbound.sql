-- Messages from handsets, whole.
create table inbound_message (
    id integer primary key,
    account integer not null,           -- 0: nobody's (yet)
    route integer not null,
    sender text not null,               -- who wrote: digits without a plus, as the carrier gave them
    recipient text not null,            -- the number or short code written to
    text text not null,
    at integer not null,
    pieces integer not null,            -- that it was sent in
    missing integer not null,           -- of them that never came
    todo integer not null,              -- 1 to be looked at, 2 an answer is owed, 0 nothing
    message integer not null,           -- ours that it answers; 0: none is known
    effect integer not null,            -- 1 its sender opted out by it, 2 in again, 0 neither
    answer integer not null             -- our answer to it; 0: none
) strict;

insert into inbound_message (account, route, sender, recipient, text, at, pieces, missing, todo, message, effect, answer)
    select 0, route, sender, recipient, text, at, coalesce(total, 1), coalesce(total, 1) - 1, 0, 0, 0, 0 from inbound;
drop table inbound;
alter table inbound_message rename to inbound;
create index inbound_by_account on inbound (account, id);
create index inbound_todo on inbound (todo, id) where todo > 0;
create index inbound_unowned on inbound (recipient, id) where account = 0;

-- Pieces of long ones: until all have come, and for a while after, so that one that comes twice is known.
create table inbound_piece (
    route integer not null,
    sender text not null,
    recipient text not null,
    naming integer not null,            -- 0 header of 8 bits, 1 of 16 bits, 2 parameters
    reference integer not null,
    total integer not null,
    number integer not null,
    alphabet integer not null,
    octets blob not null,
    at integer not null,
    joined integer not null,            -- 1: all have come
    primary key (route, sender, recipient, naming, reference, total, number)
) strict, without rowid;
create index inbound_piece_by_time on inbound_piece (joined, at);

-- Whose the numbers are that people write to.
create table inbound_number (
    number text not null,               -- digits
    route integer not null,             -- 0: by whatever route it comes
    account integer not null,
    primary key (number, route)
) strict, without rowid;

-- Words that opt out and in, beside the table that comes with pombo.
create table opt_out_word (
    account integer not null,           -- 0: all
    word text not null,                 -- folded
    rule integer not null,              -- 0 means nothing, 1 out alone, 2 out as first word, 3 in
    primary key (account, word)
) strict, without rowid;

-- What an account answers to them; empty: nothing.
create table opt_out_answer (
    account integer primary key,
    opted_out text not null,
    opted_in text not null
) strict;

-- Whom it has answered, so that nobody is answered again and again.
create table opt_out_answered (
    account integer not null,
    phone integer not null,
    at integer not null,
    primary key (account, phone)
) strict, without rowid;
create index opt_out_answered_by_time on opt_out_answered (at);

alter table sending add column unsubscribed integer not null default 0;
