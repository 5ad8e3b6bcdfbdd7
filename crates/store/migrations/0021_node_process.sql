-- Which process a node is, of all of all machines: whoever starts on the same machine knows whether it is
-- gone, and need not wait until its beat has stood still. Empty: not known.
alter table node add column process text not null default '';
