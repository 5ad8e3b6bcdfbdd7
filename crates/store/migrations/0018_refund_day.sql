-- For the days that have tables already; see day.sql.
alter table part_{day} add column refund integer not null default 0;
