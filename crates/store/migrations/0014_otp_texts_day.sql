-- For the days that have tables already; see day.sql.
alter table request_{day} add column otp text not null default '';
