-- How each route did lately, for the commands that run beside the server.
create table route_health (
    route integer not null,
    country text not null,              -- empty: all together
    at integer not null,                -- when it was written
    answered integer not null,
    taken integer not null,
    answer_ms integer not null,
    ended integer not null,
    delivered integer not null,
    delivery_ms integer not null,
    below integer not null,             -- 1: below the floor that it must deliver
    primary key (route, country)
) strict, without rowid;
