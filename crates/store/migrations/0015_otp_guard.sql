-- How many one-time codes were made, where there are limits.
create table otp_count (
    account integer not null,
    scope integer not null,             -- 0 a recipient in an hour, 1 in a day, 2 a range in an hour, 3 the account in an hour
    name text not null,                 -- the recipient or the range
    since integer not null,
    until integer not null,
    n integer not null,
    primary key (account, scope, name, since)
) strict, without rowid;
create index otp_count_by_end on otp_count (until);
