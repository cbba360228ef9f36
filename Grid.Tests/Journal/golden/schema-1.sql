PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
CREATE TABLE journal (
  ordering        INTEGER NOT NULL PRIMARY KEY,
  created         INTEGER NOT NULL,
  deleted         BIT NOT NULL,
  persistence_id  NVARCHAR(255) NOT NULL,
  sequence_number INTEGER NOT NULL,
  manifest        NVARCHAR(500),
  identifier      INTEGER,
  writer_uuid     NVARCHAR(128),
  message         VARBINARY NOT NULL);
CREATE UNIQUE INDEX journal_uq ON journal (persistence_id, sequence_number);
CREATE TABLE tags (
  ordering_id    INTEGER NOT NULL,
  tag            NVARCHAR(64) NOT NULL,
  sequence_nr    INTEGER NOT NULL,
  persistence_id NVARCHAR(255) NOT NULL,
  PRIMARY KEY (ordering_id, tag)) WITHOUT ROWID;
CREATE INDEX tags_persistence_id_sequence_nr_idx ON tags (persistence_id, sequence_nr);
CREATE TABLE journal_metadata (
  persistence_id  NVARCHAR(255) NOT NULL,
  sequence_number INTEGER NOT NULL,
  PRIMARY KEY (persistence_id, sequence_number)) WITHOUT ROWID;
