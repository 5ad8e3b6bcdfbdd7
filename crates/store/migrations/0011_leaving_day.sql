-- Days whose history has begun to go: what is left of them is no ground for an audit.
create table leaving_day (
    day integer primary key             -- since 1970-01-01
) strict;
