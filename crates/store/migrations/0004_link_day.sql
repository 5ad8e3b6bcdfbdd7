-- For the days that have tables already; see day.sql.
create table if not exists text_{day} (
    message integer primary key,
    text text not null
) strict;

create table if not exists link_{day} (
    code integer primary key,
    message integer not null,
    target text not null,
    clicks integer not null default 0
) strict;
