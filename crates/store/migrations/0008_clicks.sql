-- How often links of a sending's messages were followed, and by how many messages' recipients.
alter table sending add column clicked integer not null default 0;
alter table sending add column clicked_unique integer not null default 0;
