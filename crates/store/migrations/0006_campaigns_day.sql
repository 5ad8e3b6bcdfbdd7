-- For the days that have tables already; see day.sql.
alter table part_{day} add column tally integer not null default 0;
create index request_{day}_by_sending on request_{day} (sending);
