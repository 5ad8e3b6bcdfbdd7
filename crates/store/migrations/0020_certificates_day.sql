-- For the days that have tables already; see day.sql.
create table if not exists chain_{day} (
    message integer not null,
    n integer not null,
    event integer not null,
    state integer not null,
    hash blob not null,
    primary key (message, n)
) strict, without rowid;
