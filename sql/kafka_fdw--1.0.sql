\echo Use "CREATE EXTENSION kafka_fdw" to load this file. \quit

-- Whoever owns the schema could put other tables in the place of ours, and the workers
-- would run what is written there.  Functions and operators that are there already could be
-- taken for PostgreSQL's own, in views that everybody reads.
DO $$
DECLARE
  schema_owner oid := (SELECT n.nspowner FROM pg_catalog.pg_namespace n
    WHERE n.nspname OPERATOR(pg_catalog.=) 'kafka');
BEGIN
  IF NOT (SELECT r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) current_user
      FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) schema_owner) THEN
    RAISE 'schema "kafka" is owned by role "%"', pg_catalog.pg_get_userbyid(schema_owner)
      USING ERRCODE = 'object_not_in_prerequisite_state',
      HINT = 'Drop the schema, or make it your own with ALTER SCHEMA ... OWNER TO.';
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) 'kafka'::pg_catalog.regnamespace
      UNION ALL SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace OPERATOR(pg_catalog.=) 'kafka'::pg_catalog.regnamespace) THEN
    RAISE 'schema "kafka" has functions or operators already'
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Drop the schema, or what is in it.';
  END IF;
END $$;

-- The wrapper ---------------------------------------------------------------

CREATE FUNCTION kafka_fdw_handler() RETURNS fdw_handler
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION kafka_fdw_handler IS 'handler of the foreign data wrapper kafka_fdw';

CREATE FUNCTION kafka_fdw_validator(text[], oid) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION kafka_fdw_validator IS 'checks options of the foreign data wrapper kafka_fdw';

CREATE FOREIGN DATA WRAPPER kafka_fdw
  HANDLER kafka_fdw_handler
  VALIDATOR kafka_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER kafka_fdw IS 'Kafka topics as foreign tables';

CREATE TYPE header AS (key text, value bytea);
COMMENT ON TYPE header IS 'header of a record; a record''s headers are an array of these, which keeps order and duplicates';

-- Roles ---------------------------------------------------------------------

-- In a dump it is its name, and goes where there is a role of that name, where regrole would
-- fail or keep a number.
CREATE TYPE role;

CREATE FUNCTION role_in(cstring) RETURNS role
AS 'MODULE_PATHNAME', 'kfdw_role_in' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION role_in IS 'I/O';

CREATE FUNCTION role_out(role) RETURNS cstring
AS 'MODULE_PATHNAME', 'kfdw_role_out' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION role_out IS 'I/O';

CREATE FUNCTION role_send(role) RETURNS bytea
AS 'oidsend' LANGUAGE internal IMMUTABLE STRICT;
COMMENT ON FUNCTION role_send IS 'I/O';

CREATE TYPE role (INPUT = role_in, OUTPUT = role_out, SEND = role_send, LIKE = oid);
COMMENT ON TYPE role IS 'role, by name; one that does not exist is nobody ('''')';
CREATE CAST (role AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (role AS regrole) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (oid AS role) WITHOUT FUNCTION AS ASSIGNMENT;

CREATE FUNCTION track_roles() RETURNS trigger
AS 'MODULE_PATHNAME', 'kfdw_track_roles' LANGUAGE C;
COMMENT ON FUNCTION track_roles IS 'trigger: makes each row a dependency on its owner, so that roles that own rows cannot be '
  'dropped';

-- On a table of somebody's own it would lock roles of others.
REVOKE EXECUTE ON FUNCTION track_roles FROM PUBLIC;

CREATE FUNCTION owned_dropped() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'kfdw_owned_dropped' LANGUAGE C;
COMMENT ON FUNCTION owned_dropped IS 'event trigger: DROP OWNED drops streams and groups too';

CREATE EVENT TRIGGER kafka_fdw_owned_dropped ON ddl_command_end
  WHEN TAG IN ('DROP OWNED')
  EXECUTE FUNCTION owned_dropped();
ALTER EVENT TRIGGER kafka_fdw_owned_dropped ENABLE ALWAYS;

-- Options -------------------------------------------------------------------

CREATE FUNCTION options("table" regclass DEFAULT NULL)
RETURNS TABLE (option text, value text, set_where text, allowed text, used_for text, valid_values text,
  default_value text, client_property text, kafka_default text, description text)
AS 'MODULE_PATHNAME', 'kfdw_options' LANGUAGE C STABLE ROWS 60;
COMMENT ON FUNCTION options IS 'options that a Kafka table has for the current user, and where they were set; without a '
  'table, all options that there are. Values of credentials are hidden';

-- Reading -------------------------------------------------------------------

CREATE FUNCTION stat_scans(OUT pid int, OUT leader_pid int, OUT role regrole, OUT "table" regclass,
  OUT records bigint, OUT bytes bigint, OUT share_done float8, OUT wait_event text, OUT started_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_stat_scans' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stat_scans IS 'rows of the view kafka.stat_scans';

CREATE VIEW stat_scans AS SELECT * FROM stat_scans();
COMMENT ON VIEW stat_scans IS 'scans of topic tables that run now in this database; what others'' do is shown to their roles '
  'and to members of pg_read_all_stats; needs the library in shared_preload_libraries';
COMMENT ON COLUMN stat_scans.leader_pid IS 'the leader, of a parallel worker; else NULL';
COMMENT ON COLUMN stat_scans.records IS 'read so far';
COMMENT ON COLUMN stat_scans.bytes IS 'of keys and values, read so far';
COMMENT ON COLUMN stat_scans.share_done IS 'of the offsets that it is to read, those that were fetched: 0 to 1; of a '
  'parallel worker, that of all of them';
COMMENT ON COLUMN stat_scans.wait_event IS 'what it waits for; NULL: nothing';
COMMENT ON COLUMN stat_scans.started_at IS 'time of its first fetch';
GRANT SELECT ON stat_scans TO PUBLIC;

CREATE FUNCTION tail(topic_table anyelement, records int DEFAULT 10) RETURNS SETOF anyelement
AS 'MODULE_PATHNAME', 'kfdw_tail' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION tail IS 'the newest records of each partition of a topic table, as its rows; the table is named by NULL '
  'of its type: tail(NULL::orders, 10). Moves no position';

-- Writing -------------------------------------------------------------------

CREATE FUNCTION produce("table" regclass, value text, key text DEFAULT NULL, headers header[] DEFAULT NULL,
  partition int DEFAULT NULL, "timestamp" timestamptz DEFAULT NULL,
  OUT _topic text, OUT _partition int, OUT _offset bigint, OUT _timestamp timestamptz)
AS 'MODULE_PATHNAME', 'kfdw_produce' LANGUAGE C;
COMMENT ON FUNCTION produce(regclass, text, text, header[], int, timestamptz) IS 'sends one record at once, as text in '
  'UTF-8, and waits until it is acknowledged, whatever becomes of the transaction; a value of NULL makes a tombstone, '
  'without partition the partitioner of the table chooses';

CREATE FUNCTION produce("table" regclass, value bytea, key bytea DEFAULT NULL, headers header[] DEFAULT NULL,
  partition int DEFAULT NULL, "timestamp" timestamptz DEFAULT NULL,
  OUT _topic text, OUT _partition int, OUT _offset bigint, OUT _timestamp timestamptz)
AS 'MODULE_PATHNAME', 'kfdw_produce' LANGUAGE C;
COMMENT ON FUNCTION produce(regclass, bytea, bytea, header[], int, timestamptz) IS 'sends one record at once, as the bytes '
  'that are given, and waits until it is acknowledged, whatever becomes of the transaction; a value of NULL makes a '
  'tombstone, without partition the partitioner of the table chooses';

CREATE FUNCTION flush(OUT _topic text, OUT _partition int, OUT key bytea, OUT error text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_flush' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION flush IS 'waits for the records that this session sent in the background (delivery ''async''), and '
  'returns those that were not delivered since its last call';

CREATE FUNCTION stat_producers(OUT "table" regclass, OUT records bigint, OUT batches bigint, OUT bytes bigint,
  OUT bytes_sent bigint, OUT in_flight bigint, OUT errors bigint, OUT orphans bigint, OUT since timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_stat_producers' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stat_producers IS 'counts of the view kafka.stat_producers';

CREATE VIEW stat_producers AS
  SELECT s.srvname AS server, p."table", p.records, p.batches, p.records::float8 / nullif(p.batches, 0) AS records_per_batch,
    p.bytes, p.bytes_sent, p.bytes::float8 / nullif(p.bytes_sent, 0) AS compression_ratio, p.in_flight, p.errors, p.orphans, p.since
  FROM stat_producers() p
    JOIN pg_catalog.pg_foreign_table t ON t.ftrelid OPERATOR(pg_catalog.=) p."table"
    JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) t.ftserver;
COMMENT ON VIEW stat_producers IS 'what was written to topic tables since the server started; sessions add to it at the end '
  'of each transaction, and outboxes are not in it; needs the library in shared_preload_libraries';
COMMENT ON COLUMN stat_producers.records IS 'that clients were given';
COMMENT ON COLUMN stat_producers.batches IS 'requests that were sent';
COMMENT ON COLUMN stat_producers.bytes IS 'of keys and values of these records';
COMMENT ON COLUMN stat_producers.bytes_sent IS 'size of the batches on the wire';
COMMENT ON COLUMN stat_producers.records_per_batch IS 'NULL: there was no batch yet';
COMMENT ON COLUMN stat_producers.compression_ratio IS 'bytes divided by bytes_sent; NULL: nothing was sent yet';
COMMENT ON COLUMN stat_producers.in_flight IS 'records neither acknowledged nor given up, as of the last look of each '
  'session';
COMMENT ON COLUMN stat_producers.errors IS 'records that were not delivered';
COMMENT ON COLUMN stat_producers.orphans IS 'records of transactional tables that Kafka had committed when PostgreSQL failed '
  'to';
GRANT SELECT ON stat_producers TO PUBLIC;

CREATE FUNCTION publish() RETURNS trigger
AS 'MODULE_PATHNAME', 'kfdw_publish' LANGUAGE C;
COMMENT ON FUNCTION publish IS 'trigger: writes what changes in a table to a topic; its arguments are the foreign table, '
  'with its schema, and the columns of the key, by default those of the primary key';

-- Rows go where the owner of their table may write, and the right to make triggers can be
-- another's: who may make these is granted.
REVOKE EXECUTE ON FUNCTION publish FROM PUBLIC;

CREATE FUNCTION check_publish(source regclass, target regclass, key_columns text[]) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_check_publish' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION check_publish IS 'an error if a trigger that publishes would fail for how the tables are defined';

CREATE FUNCTION publishing_triggers(source regclass, target regclass) RETURNS SETOF pg_trigger LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on SET quote_all_identifiers = off AS $$
  SELECT t FROM pg_trigger t
  WHERE t.tgrelid = source AND t.tgfoid = 'kafka.publish()'::regprocedure AND
    (target IS NULL OR substring(t.tgargs FOR greatest(position('\x00' IN t.tgargs) - 1, 0)) IN
      (SELECT convert_to(concat_ws('.', schema, name), getdatabaseencoding())
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
         unnest(ARRAY[quote_ident(n.nspname), '"' || replace(n.nspname, '"', '""') || '"']) schema,
         unnest(ARRAY[quote_ident(c.relname), '"' || replace(c.relname, '"', '""') || '"']) name
       WHERE c.oid = target))
$$;
COMMENT ON FUNCTION publishing_triggers IS 'the triggers that publish a table, to one target; NULL: to all';

CREATE FUNCTION publish_table(source regclass, target regclass, key_columns text[] DEFAULT '{}',
  for_each text DEFAULT 'row') RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
  place text;
  base text;
  name text;
  number int := 1;
  other record;
  arguments text;
  event text;
BEGIN
  IF source IS NULL OR target IS NULL OR key_columns IS NULL OR for_each IS NULL THEN
    RAISE 'no argument of kafka.publish_table() can be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  IF for_each NOT IN ('row', 'statement') THEN
    RAISE 'triggers are for each "row" or "statement", not "%"', for_each USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM kafka.check_publish(source, target, key_columns);
  SELECT format('%I.%I', n.nspname, c.relname), 'publish_to_' || c.relname INTO place, base
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target;
  WHILE octet_length(base) > 50 LOOP
    base := left(base, -1);
  END LOOP;
  -- what is written by the name of a table runs its triggers for each statement, those for each row are its partitions', too
  SELECT t.tgname AS name, r.relid AS relation INTO other
    FROM (SELECT source AS relid UNION SELECT p.relid FROM pg_partition_tree(source) p
      UNION SELECT a.relid FROM pg_partition_ancestors(source) a) r, kafka.publishing_triggers(r.relid, target) t
    WHERE t.tgparentid = 0 AND starts_with(t.tgname, base) AND (r.relid = source OR for_each = 'row' OR t.tgtype & 1 = 1)
    ORDER BY r.relid <> source, t.tgname LIMIT 1;
  IF FOUND THEN
    RAISE 'trigger "%" publishes table "%" to "%" already', other.name, other.relation, target
      USING ERRCODE = 'duplicate_object', HINT = 'End that with kafka.unpublish_table() first.';
  END IF;
  -- targets of several schemas may have one name
  name := base;
  WHILE EXISTS (SELECT FROM pg_trigger t
      WHERE (t.tgrelid = source OR t.tgrelid IN (SELECT p.relid FROM pg_partition_tree(source) p)) AND
        t.tgname IN (name, name || '_insert', name || '_update', name || '_delete')) LOOP
    number := number + 1;
    name := base || '_' || number;
  END LOOP;
  SELECT string_agg(quote_literal(argument), ', ') INTO arguments FROM unnest(place || key_columns) argument;
  IF for_each = 'row' THEN
    EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION kafka.publish(%s)',
      name, source, arguments);
    RETURN;
  END IF;
  FOREACH event IN ARRAY ARRAY['INSERT', 'UPDATE', 'DELETE'] LOOP
    EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s REFERENCING %s %s FOR EACH STATEMENT EXECUTE FUNCTION kafka.publish(%s)',
      name || '_' || lower(event), event, source, CASE WHEN event <> 'INSERT' THEN 'OLD TABLE AS old_rows' END,
      CASE WHEN event <> 'DELETE' THEN 'NEW TABLE AS new_rows' END, arguments);
  END LOOP;
END $$;
COMMENT ON FUNCTION publish_table IS 'makes triggers that write what changes in a table to a topic; the key is the primary '
  'key unless key_columns are given, for_each is ''row'' or ''statement''';

CREATE FUNCTION unpublish_table(source regclass, target regclass DEFAULT NULL) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text;
  dropped bool := false;
  parent regclass;
BEGIN
  IF source IS NULL THEN
    RAISE 'argument "source" of kafka.unpublish_table() cannot be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  FOR name IN
    SELECT t.tgname FROM kafka.publishing_triggers(source, target) t WHERE t.tgparentid = 0
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', name, source);
    dropped := true;
  END LOOP;
  IF dropped THEN
    RETURN;
  END IF;
  SELECT a.relid INTO parent
    FROM pg_partition_ancestors(source) a, kafka.publishing_triggers(a.relid, target) t
    WHERE t.tgparentid = 0 AND EXISTS (SELECT FROM kafka.publishing_triggers(source, target)) LIMIT 1;
  IF parent IS NOT NULL THEN
    RAISE 'table "%" is published as a partition of table "%"', source, parent
      USING ERRCODE = 'wrong_object_type', HINT = 'End that with kafka.unpublish_table() of that table.';
  END IF;
  RAISE 'table "%" has no trigger that publishes it', source USING ERRCODE = 'undefined_object';
END $$;
COMMENT ON FUNCTION unpublish_table IS 'drops the triggers of publish_table(), those to one target; NULL: to all';

-- Values --------------------------------------------------------------------

CREATE FUNCTION connect_decimal(value text, scale int) RETURNS numeric
AS 'MODULE_PATHNAME', 'kfdw_connect_decimal' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION connect_decimal IS 'number of Kafka Connect''s type Decimal, from its unscaled integer in base64 and its '
  'scale';

CREATE FUNCTION change_deletes(op text, tombstone bool) RETURNS bool
AS 'MODULE_PATHNAME', 'kfdw_change_deletes' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION change_deletes IS 'whether a change event of Debezium deletes its row; an error for TRUNCATE and what is '
  'no event';

-- Positions -----------------------------------------------------------------

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
COMMENT ON TABLE offsets IS 'positions of consumer groups and streams, written by the transactions that read';
COMMENT ON COLUMN offsets.group_id IS 'consumer group; of a stream, its name';
COMMENT ON COLUMN offsets.next_offset IS 'offset of the next record to read';
COMMENT ON COLUMN offsets.generation IS 'counts the moves that were not made by reading';
COMMENT ON COLUMN offsets.cluster_id IS 'Kafka cluster of the topic; NULL: not known';
COMMENT ON COLUMN offsets.topic_id IS 'tells a topic from one of its name that was made anew; NULL where the client library '
  'does not know it';

SELECT pg_catalog.pg_extension_config_dump('offsets', '');
GRANT SELECT ON offsets TO PUBLIC;

CREATE TABLE groups (
  server      text NOT NULL,
  group_id    text NOT NULL,
  owner       role NOT NULL,
  PRIMARY KEY (server, group_id)
);
COMMENT ON TABLE groups IS 'whose the groups of consuming tables are; a stream''s group is the stream''s';

SELECT pg_catalog.pg_extension_config_dump('groups', '');
GRANT SELECT ON groups TO PUBLIC;

-- Everything that it takes to work on a record again.  The table is there while this script runs.
CREATE TABLE stored_record (
  _topic      text NOT NULL,
  _partition  int NOT NULL,
  _offset     bigint NOT NULL,
  _timestamp  timestamptz,
  _timestamp_type text,
  key         bytea,
  value       bytea,
  headers     header[]
);

-- "inserted_by" names a role and no relay: a dump has none, and their numbers begin anew where
-- it is restored.
CREATE TABLE stored_dead_letters (
  stream      text,
  server      text NOT NULL,
  group_id    text NOT NULL,
  LIKE stored_record,
  stage       text NOT NULL,
  sqlstate    text NOT NULL,
  error       text NOT NULL,
  failed_at   timestamptz NOT NULL,
  inserted_by role CHECK ((inserted_by IS NOT NULL) OPERATOR(pg_catalog.=) (stage OPERATOR(pg_catalog.=) 'publish'))
);
COMMENT ON TABLE stored_dead_letters IS 'rows of the view kafka.dead_letters, written in the transaction that moves the '
  'position past the record';

ALTER TABLE stored_dead_letters REPLICA IDENTITY FULL;
CREATE INDEX dead_letters_position ON stored_dead_letters (group_id, _topic, _partition, _offset, failed_at);

SELECT pg_catalog.pg_extension_config_dump('stored_dead_letters', '');

CREATE FUNCTION seek("table" regclass, target text DEFAULT NULL, shift_by bigint DEFAULT NULL,
  partition int DEFAULT NULL, next_offset bigint DEFAULT NULL, topic text DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_seek' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION seek(regclass, text, bigint, int, bigint, text) IS 'moves the positions of a table''s group, in the '
  'current transaction: to ''earliest'', ''latest'' or ''committed'' (what an application of the group has committed in '
  'Kafka), by shift_by offsets, or to next_offset of one partition. Without partition or topic: in all';

CREATE FUNCTION seek("table" regclass, since timestamptz, partition int DEFAULT NULL,
  topic text DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_seek_time' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION seek(regclass, timestamptz, int, text) IS 'moves the positions of a table''s group, in the current '
  'transaction, to the first record of that time or later; without partition or topic: in all';

CREATE FUNCTION lag("table" regclass DEFAULT NULL, stream text DEFAULT NULL,
  OUT topic text, OUT partition int, OUT next_offset bigint, OUT low_watermark bigint, OUT high_watermark bigint,
  OUT last_stable_offset bigint, OUT lag bigint, OUT lag_seconds float8, OUT reported_offset bigint,
  OUT held_by int, OUT held_since timestamptz) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_lag' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION lag(regclass, text) IS 'how far the group of a table, or a stream, is behind in each partition: lag '
  'counts offsets to the end, gaps too, lag_seconds is the age of the first unread record, held_by the process that has '
  'it (0: a prepared transaction; NULL: none). What brokers do not tell is NULL';

CREATE PROCEDURE wait("table" regclass, timeout interval DEFAULT NULL)
AS 'MODULE_PATHNAME', 'kfdw_await' LANGUAGE C;
COMMENT ON PROCEDURE wait(regclass, interval) IS 'returns when a consuming table has something to read, or with a NOTICE '
  'when the time is up (NULL: never); ends the transaction first';

CREATE PROCEDURE wait("table" regclass, timeout interval, INOUT ready bool)
AS 'MODULE_PATHNAME', 'kfdw_await_ready' LANGUAGE C;
COMMENT ON PROCEDURE wait(regclass, interval, bool) IS 'returns when a consuming table has something to read (ready is '
  'true), or when the time is up (NULL: never); ends the transaction first';

CREATE FUNCTION stat_consumers(OUT server text, OUT group_id text, OUT "table" regclass, OUT records bigint,
  OUT bytes bigint, OUT commits bigint, OUT rollbacks bigint, OUT last_commit_at timestamptz, OUT stats_since timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_stat_consumers' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stat_consumers IS 'rows of the view kafka.stat_consumers';

CREATE VIEW stat_consumers AS SELECT * FROM stat_consumers();
COMMENT ON VIEW stat_consumers IS 'what consuming tables have read since the server started; needs the library in '
  'shared_preload_libraries';
COMMENT ON COLUMN stat_consumers.records IS 'of transactions that committed';
COMMENT ON COLUMN stat_consumers.bytes IS 'of keys and values, of transactions that committed';
COMMENT ON COLUMN stat_consumers.commits IS 'transactions that consumed and committed';
COMMENT ON COLUMN stat_consumers.rollbacks IS 'transactions that consumed and rolled back';
GRANT SELECT ON stat_consumers TO PUBLIC;

CREATE FUNCTION alter_group_owner(server text, group_id text, new_owner regrole) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_alter_group_owner' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION alter_group_owner IS 'gives the group of consuming tables to another role, as ALTER ... OWNER TO would';

CREATE FUNCTION server_renamed() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'kfdw_server_renamed' LANGUAGE C;
COMMENT ON FUNCTION server_renamed IS 'event trigger: a server that is renamed takes its positions along';

CREATE EVENT TRIGGER kafka_fdw_server_renamed ON ddl_command_end
  WHEN TAG IN ('ALTER SERVER')
  EXECUTE FUNCTION server_renamed();
ALTER EVENT TRIGGER kafka_fdw_server_renamed ENABLE ALWAYS;

-- The row is made by the first position or stream and dumped, so that a restored dump, a
-- copied database or an upgraded cluster does not match it.
CREATE TABLE instance (
  singleton         bool PRIMARY KEY DEFAULT true CHECK (singleton),
  id                uuid NOT NULL DEFAULT gen_random_uuid(),
  system_identifier bigint NOT NULL,
  database_oid      oid NOT NULL,
  table_oid         oid NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE instance IS 'the database in which streams run and positions move; in a copy of it they do not until '
  'kafka.adopt_instance()';
COMMENT ON COLUMN instance.table_oid IS 'of this table: another one once a dump is restored in its own database';

SELECT pg_catalog.pg_extension_config_dump('instance', '');
GRANT SELECT ON instance TO PUBLIC;
GRANT USAGE ON SCHEMA kafka TO PUBLIC;

-- Outbox --------------------------------------------------------------------

CREATE TABLE outbox_relays (
  id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  server      text NOT NULL,
  owner       role NOT NULL,
  resolution  text CHECK (resolution IN ('publish', 'skip')),
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (server, owner)
);
COMMENT ON TABLE outbox_relays IS 'relays: each publishes what a role inserts into the outbox tables of a server; made by '
  'the first such insert';
COMMENT ON COLUMN outbox_relays.resolution IS 'what was said by kafka.resolve_outbox(), until the relay has done it; else '
  'NULL';

-- Two parts are written to in turns, and emptied in turns; what is not published by then goes
-- to the third.
CREATE SEQUENCE outbox_sequence;

CREATE TABLE outbox (
  part        int NOT NULL,
  relay       int NOT NULL,
  seq         bigint NOT NULL,
  xid         xid8 NOT NULL,
  topic       text NOT NULL,
  records     int NOT NULL,
  stored_at   timestamptz NOT NULL,
  chunk       bytea NOT NULL
) PARTITION BY LIST (part);
COMMENT ON TABLE outbox IS 'what transactions have inserted with delivery ''outbox''; a row holds records of one transaction '
  'and topic';
ALTER TABLE outbox ALTER COLUMN chunk SET STORAGE EXTERNAL;

CREATE TABLE outbox_0 PARTITION OF outbox FOR VALUES IN (0) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
COMMENT ON TABLE outbox_0 IS 'part of kafka.outbox';
CREATE TABLE outbox_1 PARTITION OF outbox FOR VALUES IN (1) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
COMMENT ON TABLE outbox_1 IS 'part of kafka.outbox';
CREATE TABLE outbox_2 PARTITION OF outbox FOR VALUES IN (2);
COMMENT ON TABLE outbox_2 IS 'part of kafka.outbox';
ALTER TABLE outbox REPLICA IDENTITY FULL;
ALTER TABLE outbox_0 REPLICA IDENTITY FULL;
ALTER TABLE outbox_1 REPLICA IDENTITY FULL;
ALTER TABLE outbox_2 REPLICA IDENTITY FULL;
CREATE INDEX outbox_by_seq ON outbox (relay, seq);
CREATE INDEX outbox_by_xid ON outbox (relay, xid);

CREATE TABLE outbox_ticks (
  relay       int NOT NULL,
  tick        bigint NOT NULL,
  base        pg_snapshot NOT NULL,
  snapshot    pg_snapshot NOT NULL,
  after_seq   bigint NOT NULL,
  upto_seq    bigint NOT NULL,
  is_last     bool NOT NULL,
  topic       text NOT NULL,
  published   bool NOT NULL,
  PRIMARY KEY (relay, tick)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE outbox_ticks IS 'what each relay published last, or is about to: the rows that are visible in snapshot and '
  'not in base, with numbers after after_seq and up to upto_seq';

CREATE FUNCTION outbox_is_published(seq bigint, xid xid8, tick outbox_ticks) RETURNS bool
LANGUAGE sql STABLE
RETURN tick IS NOT NULL AND (
  pg_catalog.pg_visible_in_snapshot(xid, (tick).base) OR
  (pg_catalog.pg_visible_in_snapshot(xid, (tick).snapshot) AND
    (seq OPERATOR(pg_catalog.<=) (tick).after_seq OR
      ((tick).published AND (seq OPERATOR(pg_catalog.<=) (tick).upto_seq OR (tick).is_last)))));
COMMENT ON FUNCTION outbox_is_published IS 'whether the relay whose newest tick this is has published a row, for sure';

CREATE FUNCTION stat_relays(OUT id int, OUT state text, OUT pid int, OUT restarts bigint, OUT last_commit_at timestamptz,
  OUT last_error text, OUT last_error_at timestamptz, OUT hint text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_stat_relays' LANGUAGE C VOLATILE STRICT ROWS 10;
COMMENT ON FUNCTION stat_relays IS 'state of the relays, for the view kafka.stat_outbox';

-- A view of kafka.outbox would lock it until the end of the transaction.
CREATE FUNCTION stat_unsent(OUT relay int, OUT records bigint, OUT oldest timestamptz) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_stat_unsent' LANGUAGE C VOLATILE STRICT ROWS 10;
COMMENT ON FUNCTION stat_unsent IS 'what relays have still to publish, for the view kafka.stat_outbox';

CREATE VIEW stat_outbox AS
  SELECT r.server, r.owner::pg_catalog.regrole AS role, coalesce(u.records, 0) AS unsent, u.oldest, n.tick AS last_tick,
    s.state, s.pid, s.restarts, s.last_commit_at, s.last_error, s.last_error_at, s.hint
  FROM outbox_relays r LEFT JOIN stat_relays() s ON s.id = r.id LEFT JOIN stat_unsent() u ON u.relay = r.id
    LEFT JOIN LATERAL (SELECT t.tick FROM outbox_ticks t WHERE t.relay = r.id ORDER BY t.tick DESC LIMIT 1) n ON true;
COMMENT ON VIEW stat_outbox IS 'outboxes: a row for each server and role, with what is not published yet and the state of '
  'its relay; what errors say is shown to that role and to members of pg_read_all_stats';
COMMENT ON COLUMN stat_outbox.unsent IS 'records that are not published yet';
COMMENT ON COLUMN stat_outbox.oldest IS 'when the oldest of these was stored; NULL: there are none';
COMMENT ON COLUMN stat_outbox.last_tick IS 'number of what was published last, or is about to be; NULL: nothing was';
COMMENT ON COLUMN stat_outbox.state IS 'of the relay, as in kafka.stat_streams';
COMMENT ON COLUMN stat_outbox.pid IS 'the relay; NULL: it does not run';
COMMENT ON COLUMN stat_outbox.hint IS 'what can be done about the last error';
GRANT SELECT ON stat_outbox, outbox_relays TO PUBLIC;

CREATE FUNCTION resolve_outbox(server text, mode text, role regrole DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_resolve_outbox' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION resolve_outbox IS 'says what becomes of what a relay cannot decide on: ''publish'' it, perhaps again, or '
  '''skip'' it; ''discard'' deletes all that is not published. Without role: the outbox of the current user';

CREATE FUNCTION retry_outbox(server text, role regrole DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'kfdw_retry_outbox' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION retry_outbox IS 'publishes, with this transaction, what brokers refused and is in kafka.dead_letters; '
  'returns how many records that are. Without role: the outbox of the current user';

CREATE FUNCTION server_dropped() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'kfdw_server_dropped' LANGUAGE C;
COMMENT ON FUNCTION server_dropped IS 'event trigger: a server takes no unsent records along when it is dropped';

CREATE EVENT TRIGGER kafka_fdw_server_dropped ON sql_drop
  WHEN TAG IN ('DROP SERVER', 'DROP OWNED', 'DROP FOREIGN DATA WRAPPER')
  EXECUTE FUNCTION server_dropped();
ALTER EVENT TRIGGER kafka_fdw_server_dropped ENABLE ALWAYS;

-- Streams -------------------------------------------------------------------

CREATE TYPE relation;

CREATE FUNCTION relation_in(cstring) RETURNS relation
AS 'MODULE_PATHNAME', 'kfdw_relation_in' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION relation_in IS 'I/O';

CREATE FUNCTION relation_out(relation) RETURNS cstring
AS 'MODULE_PATHNAME', 'kfdw_relation_out' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION relation_out IS 'I/O';

CREATE FUNCTION relation_send(relation) RETURNS bytea
AS 'oidsend' LANGUAGE internal IMMUTABLE STRICT;
COMMENT ON FUNCTION relation_send IS 'I/O';

CREATE TYPE relation (INPUT = relation_in, OUTPUT = relation_out, SEND = relation_send, LIKE = oid);
COMMENT ON TYPE relation IS 'table, by name; one that does not exist is none ('''')';
CREATE CAST (relation AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (relation AS regclass) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (oid AS relation) WITHOUT FUNCTION AS ASSIGNMENT;

CREATE TABLE streams (
  name        text PRIMARY KEY,
  owner       role NOT NULL,
  statement   text NOT NULL,
  search_path text NOT NULL,
  source      relation NOT NULL,
  workers     int NOT NULL CHECK (workers > 0),
  settings    jsonb NOT NULL,
  parking     jsonb,
  enabled     bool NOT NULL DEFAULT true,
  created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE streams IS 'definitions of the streams, changed by the functions of this schema only, which also tell the '
  'workers';
COMMENT ON COLUMN streams.name IS 'also the consumer group';
COMMENT ON COLUMN streams.search_path IS 'under which the statement is read';
COMMENT ON COLUMN streams.source IS 'topic table that the statement reads';
COMMENT ON COLUMN streams.parking IS 'how records without a row wait for one; NULL: they do not';
COMMENT ON COLUMN streams.enabled IS 'false: it was paused';

SELECT pg_catalog.pg_extension_config_dump('streams', '');
GRANT SELECT ON streams TO PUBLIC;

CREATE FUNCTION create_stream(name text, statement text, workers int DEFAULT 1,
  max_poll_records int DEFAULT 100000, max_poll_bytes int DEFAULT 33554432, source regclass DEFAULT NULL,
  commit_interval interval DEFAULT '0', max_records_per_second int DEFAULT NULL,
  on_error text DEFAULT 'stop', reject_limit int DEFAULT NULL, wait_for text[] DEFAULT NULL,
  max_task_idle interval DEFAULT '1 s', replace bool DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_create_stream' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION create_stream IS 'creates a stream: a statement that background workers run on the new records of a '
  'topic table, a batch in one transaction, exactly once. A setting that is NULL is its default';

CREATE FUNCTION create_join(name text, source regclass, join_table regclass, join_on text, into_table regclass,
  kind text DEFAULT 'inner', unmatched text DEFAULT 'drop', park_timeout interval DEFAULT '1 hour',
  columns jsonb DEFAULT NULL, workers int DEFAULT 1,
  max_poll_records int DEFAULT 100000, max_poll_bytes int DEFAULT 33554432,
  commit_interval interval DEFAULT '0', max_records_per_second int DEFAULT NULL,
  on_error text DEFAULT 'stop', reject_limit int DEFAULT NULL, wait_for text[] DEFAULT NULL,
  max_task_idle interval DEFAULT '1 s', replace bool DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_create_join' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION create_join IS 'creates a stream that joins each record to a table; "columns" has expressions by the '
  'names of the target''s columns, of which the others are found by their names. A NOTICE shows the statement; settings '
  'are those of create_stream()';

CREATE TABLE stored_parked (
  stream      text NOT NULL,
  server      text NOT NULL,
  LIKE stored_record,
  parked_at   timestamptz NOT NULL
);
COMMENT ON TABLE stored_parked IS 'rows of the view kafka.parked, written in the transaction that moves the position past '
  'the record';
DROP TABLE stored_record;

ALTER TABLE stored_parked REPLICA IDENTITY FULL;
CREATE INDEX parked_position ON stored_parked (stream, _topic, _partition, _offset);

SELECT pg_catalog.pg_extension_config_dump('stored_parked', '');

-- What a record holds is for the owner of its stream only.
CREATE POLICY of_owner ON stored_parked USING (pg_catalog.pg_has_role(
  (SELECT s.owner::pg_catalog.oid FROM streams s WHERE s.name OPERATOR(pg_catalog.=) stream), 'USAGE'));
ALTER TABLE stored_parked ENABLE ROW LEVEL SECURITY;

-- The right to delete rows of a table is the right to lock all of it, and so to keep the workers
-- of others waiting: users have it on a view, whose rule deletes what they see in it.
CREATE VIEW parked WITH (security_invoker = true) AS SELECT * FROM stored_parked;
COMMENT ON VIEW parked IS 'records that wait for a row to join (create_join() with unmatched ''park''), of the streams for '
  'whose owners the user may act; deleting one gives it up';
COMMENT ON COLUMN parked._timestamp_type IS 'CreateTime or LogAppendTime';
COMMENT ON COLUMN parked.key IS 'bytes; NULL: none';
COMMENT ON COLUMN parked.value IS 'bytes; NULL: a tombstone';
COMMENT ON COLUMN parked.headers IS 'NULL: none';
COMMENT ON COLUMN parked.parked_at IS 'since when it waits';
CREATE RULE delete_stored AS ON DELETE TO parked DO INSTEAD
  DELETE FROM stored_parked p WHERE p.stream = OLD.stream AND p._topic = OLD._topic AND p._partition = OLD._partition
    AND p._offset = OLD._offset AND ROW(p.*) IS NOT DISTINCT FROM ROW(OLD.*)
  RETURNING p.*;
GRANT SELECT ON stored_parked TO PUBLIC;
GRANT SELECT, DELETE ON parked TO PUBLIC;

CREATE FUNCTION wake_streams() RETURNS trigger
AS 'MODULE_PATHNAME', 'kfdw_wake_streams' LANGUAGE C;
COMMENT ON FUNCTION wake_streams IS 'trigger: tells the streams that park records when a table changes';

CREATE FUNCTION materialize(name text, source regclass, into_table text, key_columns text[] DEFAULT NULL,
  workers int DEFAULT 1, max_poll_records int DEFAULT 100000, max_poll_bytes int DEFAULT 33554432,
  commit_interval interval DEFAULT '0', max_records_per_second int DEFAULT NULL,
  on_error text DEFAULT 'stop', reject_limit int DEFAULT NULL, wait_for text[] DEFAULT NULL,
  max_task_idle interval DEFAULT '1 s', replace bool DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_materialize' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION materialize IS 'creates a stream that keeps a table of the newest record of each key, and makes the '
  'table where it is missing; the key is that of the records, unless key_columns are given. Settings are those of '
  'create_stream()';

CREATE FUNCTION alter_stream(name text, statement text DEFAULT NULL, workers int DEFAULT NULL,
  max_poll_records int DEFAULT NULL, max_poll_bytes int DEFAULT NULL, source regclass DEFAULT NULL,
  commit_interval interval DEFAULT NULL, max_records_per_second int DEFAULT NULL,
  on_error text DEFAULT NULL, reject_limit int DEFAULT NULL, park_timeout interval DEFAULT NULL,
  wait_for text[] DEFAULT NULL, max_task_idle interval DEFAULT NULL, reset text[] DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_alter_stream' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION alter_stream IS 'changes statement, source or settings of a stream; what is NULL stays, and "reset" '
  'names settings that are to be what they are by default';

-- What a record holds is for the owner of its stream, group or outbox only.
CREATE POLICY of_owner ON stored_dead_letters USING (pg_catalog.pg_has_role(
  CASE WHEN stream IS NOT NULL
    THEN (SELECT s.owner::pg_catalog.oid FROM streams s WHERE s.name OPERATOR(pg_catalog.=) stream)
    WHEN inserted_by IS NOT NULL THEN inserted_by::pg_catalog.oid
    ELSE (SELECT g.owner::pg_catalog.oid FROM groups g
      WHERE g.server OPERATOR(pg_catalog.=) stored_dead_letters.server
        AND g.group_id OPERATOR(pg_catalog.=) stored_dead_letters.group_id)
  END, 'USAGE'));
ALTER TABLE stored_dead_letters ENABLE ROW LEVEL SECURITY;

-- As with parked.
CREATE VIEW dead_letters WITH (security_invoker = true) AS SELECT * FROM stored_dead_letters;
COMMENT ON VIEW dead_letters IS 'records that could not be worked on, and why, of the streams, groups and outboxes for whose '
  'owners the user may act; deleting one gives it up';
COMMENT ON COLUMN dead_letters.stream IS 'NULL: of a consuming table or an outbox';
COMMENT ON COLUMN dead_letters.group_id IS 'consumer group; of a stream, its name';
COMMENT ON COLUMN dead_letters._offset IS '-1 of an outbox, as the record is in no topic';
COMMENT ON COLUMN dead_letters._timestamp_type IS 'CreateTime or LogAppendTime';
COMMENT ON COLUMN dead_letters.key IS 'bytes; NULL: none';
COMMENT ON COLUMN dead_letters.value IS 'bytes; NULL: a tombstone';
COMMENT ON COLUMN dead_letters.headers IS 'NULL: none';
COMMENT ON COLUMN dead_letters.stage IS '''decode'', ''statement'', ''join'' (no row came) or ''publish'' (brokers refused '
  'it)';
COMMENT ON COLUMN dead_letters.inserted_by IS 'of an outbox, the role that inserted it; else NULL';
CREATE RULE delete_stored AS ON DELETE TO dead_letters DO INSTEAD
  DELETE FROM stored_dead_letters l WHERE l.group_id = OLD.group_id AND l._topic = OLD._topic AND l._partition = OLD._partition
    AND l._offset = OLD._offset AND l.failed_at = OLD.failed_at AND ROW(l.*) IS NOT DISTINCT FROM ROW(OLD.*)
  RETURNING l.*;
GRANT SELECT ON stored_dead_letters TO PUBLIC;
GRANT SELECT, DELETE ON dead_letters TO PUBLIC;

-- A stream is a process that never ends: who may start one is granted.
REVOKE EXECUTE ON FUNCTION create_stream, create_join, materialize FROM PUBLIC;

CREATE FUNCTION drop_stream(name text) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_drop_stream' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION drop_stream IS 'removes a stream with its positions, dead letters and parked records, when the batch '
  'that runs has ended';

CREATE FUNCTION pause_stream(name text) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_pause_stream' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION pause_stream IS 'stops the workers of a stream, when the batch that runs has ended; its position is kept';

CREATE FUNCTION resume_stream(name text) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_resume_stream' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION resume_stream IS 'starts the workers of a stream that was paused or has failed';

CREATE FUNCTION skip_record(stream text) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_skip_record' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION skip_record IS 'makes the record at which a stream failed a dead letter, and the stream goes on';

CREATE FUNCTION retry_dead_letters(stream text) RETURNS bigint
AS 'MODULE_PATHNAME', 'kfdw_retry_dead_letters' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION retry_dead_letters IS 'runs a stream''s dead letters again, in this transaction; returns how many are '
  'none any more';

CREATE FUNCTION reset_stream(name text, target text DEFAULT NULL, shift_by bigint DEFAULT NULL,
  partition int DEFAULT NULL, next_offset bigint DEFAULT NULL, topic text DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_reset_stream' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION reset_stream(text, text, bigint, int, bigint, text) IS 'moves the position of a stream, as kafka.seek() '
  'does that of a group; a batch that runs is waited for';

CREATE FUNCTION reset_stream(name text, since timestamptz, partition int DEFAULT NULL,
  topic text DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_reset_stream_time' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION reset_stream(text, timestamptz, int, text) IS 'moves the position of a stream to the first record of '
  'that time or later, as kafka.seek() does; a batch that runs is waited for';

CREATE FUNCTION alter_stream_owner(name text, new_owner regrole) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_alter_stream_owner' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION alter_stream_owner IS 'gives a stream to another role, as ALTER ... OWNER TO does';

CREATE FUNCTION adopt_instance(mode text) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_adopt_instance' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION adopt_instance IS 'lets streams run and positions move in this copy of a database: ''keep'', in place of '
  'the other one; ''new'', beside it';

REVOKE EXECUTE ON FUNCTION adopt_instance FROM PUBLIC;

CREATE FUNCTION stat_streams(OUT stream text, OUT worker int, OUT state text, OUT pid int,
  OUT partitions int, OUT batches bigint, OUT records_in bigint, OUT records_out bigint,
  OUT parked bigint, OUT dead_letters bigint, OUT bytes_in bigint, OUT lag bigint,
  OUT lag_seconds float8, OUT last_batch_ms float8, OUT last_commit_at timestamptz,
  OUT restarts bigint, OUT last_error text, OUT last_error_at timestamptz,
  OUT batch_since timestamptz, OUT wait_event text, OUT hint text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_stat_streams' LANGUAGE C VOLATILE STRICT ROWS 10;
COMMENT ON FUNCTION stat_streams IS 'rows of the view kafka.stat_streams';

CREATE VIEW stat_streams AS SELECT * FROM stat_streams();
COMMENT ON VIEW stat_streams IS 'workers of streams: a row for each, with counts since the server started or the stream was '
  'created; what errors say is shown to the stream''s owner and to members of pg_read_all_stats';
COMMENT ON COLUMN stat_streams.worker IS 'from 0 on';
COMMENT ON COLUMN stat_streams.state IS '''starting'', ''running'', ''idle'', ''paused'', ''stalled'' (it is tried again) or '
  '''failed'' (until kafka.resume_stream(), a change of the stream or a restart of the server)';
COMMENT ON COLUMN stat_streams.pid IS 'NULL: it does not run';
COMMENT ON COLUMN stat_streams.partitions IS 'how many it reads';
COMMENT ON COLUMN stat_streams.records_out IS 'rows that the statement wrote; 0 for a CALL';
COMMENT ON COLUMN stat_streams.parked IS 'records of its share that wait for a row, as of its last look; NULL: none has '
  'looked since the server started';
COMMENT ON COLUMN stat_streams.dead_letters IS 'records that were set aside';
COMMENT ON COLUMN stat_streams.bytes_in IS 'size of the records read';
COMMENT ON COLUMN stat_streams.lag IS 'records behind the end of the topic; NULL where no process looks';
COMMENT ON COLUMN stat_streams.lag_seconds IS 'age of the newest record done, or of the first one in hand while none is; 0: '
  'it is not behind; NULL: not known';
COMMENT ON COLUMN stat_streams.last_batch_ms IS 'duration of the last batch, in milliseconds';
COMMENT ON COLUMN stat_streams.batch_since IS 'when the batch that runs began; NULL: none runs';
COMMENT ON COLUMN stat_streams.wait_event IS 'what the batch that runs waits for: type and event as in pg_stat_activity, or '
  'a stream of its wait_for';
COMMENT ON COLUMN stat_streams.hint IS 'what can be done about the last error';
GRANT SELECT ON stat_streams TO PUBLIC;

CREATE FUNCTION hindrance(OUT state text, OUT problem text, OUT hint text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_hindrance' LANGUAGE C VOLATILE STRICT ROWS 1;
COMMENT ON FUNCTION hindrance IS 'why no worker of this database runs: a row, or none';

-- A hint comes with the error; what can be done about a state is said here.
CREATE VIEW status AS
  WITH letters AS (
    SELECT group_id, count(*) AS n, count(*) || CASE count(*) WHEN 1 THEN ' record is' ELSE ' records are' END || ' in kafka.dead_letters' AS problem,
      format('SELECT * FROM kafka.dead_letters WHERE group_id = %L;', group_id) AS look,
      max(format(' SELECT kafka.retry_outbox(%L, %L);', server, inserted_by::regrole)) FILTER (WHERE inserted_by IS NOT NULL) AS retry
    FROM stored_dead_letters GROUP BY group_id
  ), worst AS (
    SELECT DISTINCT ON (stream) *, sum(lag) OVER of_stream::bigint AS sum_lag, sum(parked) OVER of_stream::bigint AS sum_parked,
      bool_and(parked IS NOT NULL) OVER of_stream AS has_counted,
      max(lag_seconds) FILTER (WHERE lag > 0) OVER of_stream AS max_lag_seconds, max(last_commit_at) OVER of_stream AS max_commit_at
    FROM stat_streams WINDOW of_stream AS (PARTITION BY stream)
    ORDER BY stream, array_position('{failed,stalled,starting,running,idle,paused}', state), batch_since
  ), judged AS (
    SELECT w.*, w.state IN ('failed', 'stalled') AS has_error, s.enabled,
      w.state = 'running' AND (w.wait_event ~ '^Lock:' OR clock_timestamp() - w.batch_since > '1 minute') AS is_stuck
    FROM worst w JOIN streams s ON s.name = w.stream
  ), entries AS (
    SELECT 'server' AS kind, NULL AS name, h.state, NULL::bigint AS lag, NULL::float8 AS lag_seconds,
      NULL::bigint AS parked, NULL::timestamptz AS last_commit_at, h.problem, h.hint AS to_do
    FROM hindrance() h
    UNION ALL
    SELECT 'stream', j.stream, j.state, j.sum_lag, CASE j.sum_lag WHEN 0 THEN 0 ELSE j.max_lag_seconds END,
      CASE WHEN j.has_counted THEN j.sum_parked ELSE (SELECT count(*) FROM stored_parked p WHERE p.stream = j.stream) END, j.max_commit_at,
      nullif(concat_ws('; ',
        CASE WHEN j.has_error THEN coalesce(split_part(j.last_error, E'\n', 1), 'its owner, and pg_read_all_stats, may see why')
          WHEN NOT j.enabled THEN 'it was paused'
          WHEN j.is_stuck THEN format('a batch runs since %s', date_trunc('second', clock_timestamp() - j.batch_since)) ||
            coalesce(' and waits for ' || j.wait_event, '') END,
        l.problem), ''),
      nullif(concat_ws(' ',
        CASE WHEN j.has_error THEN j.hint END,
        CASE WHEN j.state = 'failed' THEN format('SELECT kafka.resume_stream(%L) tries again.', j.stream)
          WHEN NOT j.enabled THEN format('SELECT kafka.resume_stream(%L);', j.stream)
          WHEN j.is_stuck AND j.wait_event ~ '^Lock:'
            THEN format('SELECT * FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%s));', j.pid)
          WHEN j.is_stuck THEN format('SELECT kafka.explain_stream(%L);', j.stream) END,
        l.look || format(' SELECT kafka.retry_dead_letters(%L);', j.stream)), '')
    FROM judged j LEFT JOIN letters l ON l.group_id = j.stream
    UNION ALL
    SELECT 'outbox', format('%s of %s', o.server, o.role), o.state, o.unsent,
      CASE WHEN o.unsent > 0 THEN extract(epoch FROM clock_timestamp() - o.oldest)::float8 ELSE 0 END, NULL, o.last_commit_at,
      CASE WHEN o.state IN ('failed', 'stalled') THEN coalesce(split_part(o.last_error, E'\n', 1), 'its role, and pg_read_all_stats, may see why') END,
      CASE WHEN o.state IN ('failed', 'stalled') THEN o.hint END
    FROM stat_outbox o
    UNION ALL
    SELECT 'group', l.group_id, NULL, NULL, NULL, NULL, NULL, l.problem, concat(l.look, l.retry)
    FROM letters l WHERE NOT EXISTS (SELECT FROM streams s WHERE s.name = l.group_id)
  )
  SELECT * FROM entries ORDER BY kind <> 'server', problem IS NULL, kind, name;
COMMENT ON VIEW status IS 'one screen: what runs, how far behind it is, what is wrong and what to do. What is wrong comes '
  'first';
COMMENT ON COLUMN status.kind IS '''stream'' (all its workers), ''outbox'', ''group'' (that has dead letters) or ''server'' '
  '(why nothing runs)';
COMMENT ON COLUMN status.state IS 'of a stream, that of the worker that is worst off; NULL: of a group';
COMMENT ON COLUMN status.lag IS 'of a stream, records behind the end of the topic; of an outbox, records that are not '
  'published yet; NULL: not known';
COMMENT ON COLUMN status.lag_seconds IS 'of a stream, age of the newest record done; of an outbox, of the oldest record; 0: '
  'it is not behind';
COMMENT ON COLUMN status.parked IS 'records of a stream that wait for a row';
COMMENT ON COLUMN status.problem IS 'NULL: none';
COMMENT ON COLUMN status.to_do IS 'a sentence, or SQL to paste: read it first, as a hint may be from a function of the owner';
GRANT SELECT ON status TO PUBLIC;

CREATE FUNCTION explain_stream(name text) RETURNS SETOF text
AS 'MODULE_PATHNAME', 'kfdw_explain_stream' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION explain_stream IS 'plan of a stream''s last batch that was measured, with its times and rows; where '
  'there is none, the plan as it would be now';

CREATE FUNCTION stream_tables(name text, OUT stream text, OUT part text, OUT "table" regclass,
  OUT server text, OUT topic text, OUT note text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_stream_tables' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION stream_tables IS 'what streams read and write: a row for each topic and table; a note where that is not '
  'known, and of a stream that is waited for its name';

CREATE FUNCTION topology(name text DEFAULT NULL) RETURNS TABLE (stream text, source regclass, source_topics text[],
  reads regclass[], writes regclass[], target_topics text[], waits_for text[], note text)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  SELECT t.stream, (array_agg(t."table") FILTER (WHERE t.part = 'source'))[1], array_agg(t.topic) FILTER (WHERE t.part = 'source'),
    array_agg(t."table") FILTER (WHERE t.part = 'read'), array_agg(t."table") FILTER (WHERE t.part = 'write'),
    array_agg(t.topic) FILTER (WHERE t.part = 'write' AND t.topic IS NOT NULL),
    array_agg(t.note) FILTER (WHERE t.part = 'wait'), max(t.note) FILTER (WHERE t.part = 'note')
  FROM stream_tables(topology.name) t GROUP BY t.stream ORDER BY t.stream;
END;
COMMENT ON FUNCTION topology(text) IS 'what streams read, write and wait for: a row for each stream, or for the one that is '
  'named; the note says why something is not known';

-- A type of its own lets the first argument of topology() be the name of a stream where no
-- format is named.
CREATE TYPE topology_format AS ENUM ('mermaid');
COMMENT ON TYPE topology_format IS 'format of a drawing of kafka.topology()';

CREATE FUNCTION topology(format topology_format, name text DEFAULT NULL) RETURNS text
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  WITH tables AS (
    SELECT t.stream, t.part, CASE WHEN t.part = 'wait' THEN 'stream' WHEN t.topic IS NULL THEN 'table' ELSE 'topic' END AS kind,
      coalesce(t.server, '') AS server, coalesce(t.topic, t."table"::text, t.note) AS name, t.note
    FROM stream_tables(topology.name) t
  ), nodes AS (
    SELECT n.kind, n.server, n.name, 'n' || row_number() OVER () AS id
    FROM (SELECT t.kind, t.server, t.name FROM tables t WHERE t.part <> 'note'
      UNION SELECT 'stream', '', t.stream FROM tables t ORDER BY 1, 2, 3) n
  ), lines AS (
    SELECT 1 AS section, n.kind AS sorted_by, n.name AS and_by,
      format(CASE n.kind WHEN 'topic' THEN '%s(["%s"])' WHEN 'table' THEN '%s[("%s")]' ELSE '%s["%s"]' END, n.id,
        translate(replace(replace(replace(replace(n.name, '#', '#35;'), '"', '#quot;'), '<', '#lt;'), '>', '#gt;'), E'\n\r', '  ')) AS line
    FROM nodes n
    UNION ALL
    SELECT 2, t.stream, array_position('{source,read,write,wait}', t.part) || t.name,
      CASE t.part WHEN 'source' THEN format('%s --> %s', n.id, s.id) WHEN 'read' THEN format('%s -.-> %s', n.id, s.id)
        WHEN 'wait' THEN format('%s -. waits for .-> %s', s.id, n.id) ELSE format('%s --> %s', s.id, n.id) END
    FROM tables t JOIN nodes s ON s.kind = 'stream' AND s.name = t.stream
      JOIN nodes n ON (n.kind, n.server, n.name) = (t.kind, t.server, t.name)
    UNION ALL
    SELECT 3, t.stream, '', '%% ' || translate(format('%s: %s', t.stream, t.note), E'\n\r', '  ') FROM tables t WHERE t.part = 'note'
  )
  SELECT string_agg(l.line, E'\n  ' ORDER BY l.section, l.sorted_by, l.and_by) FROM (
    SELECT 0 AS section, '' AS sorted_by, '' AS and_by, 'flowchart LR' AS line UNION ALL SELECT * FROM lines) l;
END;
COMMENT ON FUNCTION topology(topology_format, text) IS 'topics, streams and tables as a flowchart, of all streams or of the '
  'one that is named';

-- Guards --------------------------------------------------------------------

CREATE FUNCTION guard_rows() RETURNS trigger
AS 'MODULE_PATHNAME', 'kfdw_guard_rows' LANGUAGE C;
COMMENT ON FUNCTION guard_rows IS 'trigger: what says who may do what is written by the owner of the table only, whatever '
  'was granted';

CREATE FUNCTION skip_applied() RETURNS trigger
AS 'MODULE_PATHNAME', 'kfdw_skip_applied' LANGUAGE C;
COMMENT ON FUNCTION skip_applied IS 'trigger: leaves out what logical replication brings of another database''s rows';

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY '{groups, instance, outbox_relays, streams}'::text[] LOOP
    EXECUTE pg_catalog.format('CREATE TRIGGER guard_rows BEFORE INSERT OR UPDATE OR DELETE ON %I
      FOR EACH ROW EXECUTE FUNCTION guard_rows()', name);
    EXECUTE pg_catalog.format('CREATE TRIGGER guard_table BEFORE TRUNCATE ON %I
      FOR EACH STATEMENT EXECUTE FUNCTION guard_rows()', name);
    EXECUTE pg_catalog.format('ALTER TABLE %I ENABLE ALWAYS TRIGGER guard_rows, ENABLE ALWAYS TRIGGER guard_table', name);
  END LOOP;
  FOR name IN SELECT c.relname FROM pg_catalog.pg_class c
    WHERE c.relnamespace OPERATOR(pg_catalog.=) 'kafka'::pg_catalog.regnamespace AND c.relkind OPERATOR(pg_catalog.=) 'r'
  LOOP
    EXECUTE pg_catalog.format('CREATE TRIGGER skip_applied BEFORE INSERT OR UPDATE OR DELETE ON %I
      FOR EACH ROW EXECUTE FUNCTION skip_applied()', name);
    EXECUTE pg_catalog.format('ALTER TABLE %I ENABLE REPLICA TRIGGER skip_applied', name);
  END LOOP;
  FOREACH name IN ARRAY '{groups, outbox_relays, streams}'::text[] LOOP
    EXECUTE pg_catalog.format('CREATE TRIGGER track_roles AFTER INSERT OR DELETE OR UPDATE OF owner ON %I
      FOR EACH ROW EXECUTE FUNCTION track_roles()', name);
    EXECUTE pg_catalog.format('CREATE TRIGGER track_no_roles AFTER TRUNCATE ON %I
      FOR EACH STATEMENT EXECUTE FUNCTION track_roles()', name);
    EXECUTE pg_catalog.format('ALTER TABLE %I ENABLE ALWAYS TRIGGER track_roles, ENABLE ALWAYS TRIGGER track_no_roles', name);
  END LOOP;
END $$;

-- Administration ------------------------------------------------------------

CREATE FUNCTION brokers(server text, OUT broker_id int, OUT host text, OUT port int, OUT is_controller bool)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_brokers' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION brokers IS 'brokers of the cluster of a server';

CREATE FUNCTION topics(server text, OUT topic text, OUT partitions int, OUT replication_factor int)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_topics' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION topics IS 'topics of the cluster of a server, Kafka''s own too';

CREATE FUNCTION partitions("table" regclass, OUT topic text, OUT partition int, OUT leader int,
  OUT replicas int[], OUT in_sync_replicas int[]) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'kfdw_partitions' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION partitions IS 'partitions of a table''s topics, and the brokers that have them; a partition whose leader '
  'is NULL cannot be read or written now';

CREATE FUNCTION check_copartitioned(a regclass, b regclass) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_check_copartitioned' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION check_copartitioned IS 'an error unless records of a key are in partitions of the same number in both '
  'tables';

CREATE FUNCTION create_topic(server text, name text, partitions int DEFAULT NULL, replication_factor int DEFAULT NULL,
  config jsonb DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_create_topic' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION create_topic IS 'makes a topic, at once: a ROLLBACK takes nothing back; without partitions and '
  'replication_factor the broker''s defaults hold, config has properties under Kafka''s names';

CREATE FUNCTION drop_topic(server text, name text) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_drop_topic' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION drop_topic IS 'deletes a topic, at once: a ROLLBACK takes nothing back';

CREATE FUNCTION add_partitions(server text, name text, total int) RETURNS void
AS 'MODULE_PATHNAME', 'kfdw_add_partitions' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION add_partitions IS 'raises the number of partitions of a topic to a total, at once: a ROLLBACK takes '
  'nothing back';

REVOKE EXECUTE ON FUNCTION create_topic, drop_topic, add_partitions FROM PUBLIC;

CREATE FUNCTION schema_imported() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'kfdw_schema_imported' LANGUAGE C;
COMMENT ON FUNCTION schema_imported IS 'event trigger: what IMPORT FOREIGN SCHEMA has to say of columns becomes comments';

CREATE EVENT TRIGGER kafka_fdw_schema_imported ON ddl_command_end
  WHEN TAG IN ('IMPORT FOREIGN SCHEMA')
  EXECUTE FUNCTION schema_imported();
ALTER EVENT TRIGGER kafka_fdw_schema_imported ENABLE ALWAYS;
