\echo Use "CREATE EXTENSION kafka_fdw" to load this file. \quit

-- The wrapper ---------------------------------------------------------------

CREATE FUNCTION kafka_fdw_handler() RETURNS fdw_handler
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE FUNCTION kafka_fdw_validator(text[], oid) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE FOREIGN DATA WRAPPER kafka_fdw
  HANDLER kafka_fdw_handler
  VALIDATOR kafka_fdw_validator;

-- A record's headers are an array of these: order and duplicates are kept.
CREATE TYPE header AS (key text, value bytea);

-- Positions -----------------------------------------------------------------

-- next_offset is the offset of the next record to read.  Rows are written by the
-- transaction that reads; generation counts the moves that were not made by reading.
CREATE TABLE offsets (
  server      text NOT NULL,
  group_id    text NOT NULL,
  topic       text NOT NULL,
  partition   int NOT NULL,
  next_offset bigint NOT NULL CHECK (next_offset >= 0),
  generation  bigint NOT NULL DEFAULT 0,
  cluster_id  text,
  topic_id    text,
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (server, group_id, topic, partition)
) WITH (fillfactor = 50);

SELECT pg_catalog.pg_extension_config_dump('offsets', '');
GRANT SELECT ON offsets TO PUBLIC;

-- The identity under which workers run.  The row is made by the first stream and
-- dumped, so that a restored dump, a copied database or an upgraded cluster, where
-- it does not match, stays quiet until kafka.adopt_instance().
CREATE TABLE instance (
  singleton         bool PRIMARY KEY DEFAULT true CHECK (singleton),
  id                uuid NOT NULL DEFAULT gen_random_uuid(),
  system_identifier bigint NOT NULL,
  database_oid      oid NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT now()
);

SELECT pg_catalog.pg_extension_config_dump('instance', '');
GRANT SELECT ON instance TO PUBLIC;
GRANT USAGE ON SCHEMA kafka TO PUBLIC;
