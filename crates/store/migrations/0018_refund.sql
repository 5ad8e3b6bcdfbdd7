-- Whether a price is given back where a part is not delivered: 1 it is.
alter table price add column refund integer not null default 0;
