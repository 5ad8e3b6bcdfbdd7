-- Secrets of this store's servers, made when the first of them starts.
create table server_key (
    name text primary key,
    secret blob not null,
    created integer not null
) strict, without rowid;

-- One-time codes; the codes themselves are not here, they are made of the key and a row.
create table otp (
    id integer primary key,
    account integer not null,
    app text not null,
    recipient text not null,            -- E.164 digits, or an e-mail address in small letters
    message integer not null,           -- the message that carries it; 0: none
    salt blob not null,                 -- chance, where none does
    alpha integer not null,
    length integer not null,
    attempts integer not null,          -- checks that were compared
    attempts_max integer not null,
    validity integer not null,          -- seconds
    created integer not null,
    updated integer not null,
    expires integer not null,
    used integer not null,
    unique (account, app, recipient)
) strict;
create index otp_by_end on otp (expires);
