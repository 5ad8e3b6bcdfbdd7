-- What an account's short links begin with; null: this server's address.
alter table account add column link_url text;
