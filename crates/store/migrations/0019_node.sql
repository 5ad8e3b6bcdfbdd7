-- Those that serve from one store together, in the order in which they came; the embedded engine has
-- none. A node that ends takes its row away, or another does when its beat has stood still.
create table node (
    id integer primary key,
    seen integer not null,              -- the newest node by whose joining it acts
    beat integer not null,              -- rises as long as it lives
    up text not null                    -- the routes that it has a link of, with commas
) strict;
-- Whose it is: 0 where only one can serve.
alter table intent add column node integer not null default 0;
alter table staging add column node integer not null default 0;
