-- The journal's tables as the Grid's nodes make them themselves where they may; grid-node --print-schema prints this.
-- Run again, it changes nothing.
-- For nodes whose role may not make tables: run it in the Grid's database as its owner, e.g. psql -v ON_ERROR_STOP=1 -f postgresql-schema.sql.
BEGIN;
SELECT pg_advisory_xact_lock(7301);
CREATE TABLE IF NOT EXISTS journal (
  ordering        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  created         bigint NOT NULL,
  deleted         boolean NOT NULL,
  persistence_id  varchar(255) COLLATE "C" NOT NULL,
  sequence_number bigint NOT NULL,
  manifest        varchar(500),
  identifier      integer,
  writer_uuid     varchar(128),
  message         bytea NOT NULL);
ALTER TABLE journal ALTER COLUMN message SET STORAGE EXTERNAL;
ALTER TABLE journal SET (
  autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 500, vacuum_truncate = off,
  toast.autovacuum_vacuum_cost_delay = 0, toast.autovacuum_vacuum_scale_factor = 0.1, toast.autovacuum_vacuum_threshold = 8000, toast.vacuum_truncate = off);
CREATE UNIQUE INDEX IF NOT EXISTS journal_uq ON journal (persistence_id, sequence_number);
CREATE TABLE IF NOT EXISTS tags (
  ordering_id    bigint NOT NULL,
  tag            varchar(64) NOT NULL,
  sequence_nr    bigint NOT NULL,
  persistence_id varchar(255) COLLATE "C" NOT NULL,
  PRIMARY KEY (ordering_id, tag));
CREATE INDEX IF NOT EXISTS tags_persistence_id_sequence_nr_idx ON tags (persistence_id, sequence_nr);
CREATE TABLE IF NOT EXISTS journal_metadata (
  persistence_id  varchar(255) COLLATE "C" NOT NULL,
  sequence_number bigint NOT NULL,
  PRIMARY KEY (persistence_id, sequence_number));
COMMIT;
-- What the nodes' role needs, here called grid:
-- GRANT USAGE ON SCHEMA public TO grid;
-- GRANT SELECT, INSERT, UPDATE, DELETE ON journal, tags, journal_metadata TO grid;
