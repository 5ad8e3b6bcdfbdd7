-- Senders that accounts asked for, and what the operator decided.
create table sender (
    id integer primary key,
    account integer not null,
    sender text not null,
    country text not null,              -- where to: two letters; empty: everywhere
    standing integer not null,          -- 0 pending, 1 approved, 2 rejected
    asked integer not null,
    decided integer,                    -- null while it is pending
    reason text not null,               -- of the decision, in the operator's words; may be empty
    unique (account, sender, country)
) strict;
create index sender_by_standing on sender (standing, id);

-- The last number given: one that was withdrawn is nobody else's, whatever an operator still reads.
insert into sequence (name, next) values ('sender', 0);

-- Whether an account's messages may only show senders that were approved.
alter table account add column approved_senders integer not null default 0;
