-- Whom an account does not message any more, by channel.
create table opt_out (
    id integer primary key,
    account integer not null,
    channel integer not null,           -- 0 sms, 1 mailing
    address text not null,              -- E.164 digits, or an e-mail address in small letters
    at integer not null,
    source integer not null,            -- who: 0 the account by API, 1 an operator, 2 the recipient
    reason text not null,               -- in their words; may be empty
    unique (account, channel, address)
) strict;
create index opt_out_by_account on opt_out (account, id);

-- Those that were taken off again: that somebody once said no stays known.
create table opt_out_ended (
    id integer primary key,
    account integer not null,
    channel integer not null,
    address text not null,
    at integer not null,                -- on it since
    source integer not null,
    reason text not null,
    ended integer not null,
    ended_by integer not null,          -- as source
    ended_reason text not null
) strict;
create index opt_out_ended_by_account on opt_out_ended (account, id);
