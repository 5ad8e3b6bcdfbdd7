-- What an account says of its recipients, and what is added to its marketing.
alter table account add column ages_verified integer not null default 0;
alter table account add column opt_out_text text; -- null: nothing; empty: marketing without a way out is refused
