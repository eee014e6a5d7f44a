-- Brokers and topics: what there is, and changing it; what the extension says of its own objects.
\getenv servers KAFKA_BOOTSTRAP_SERVERS
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;
CREATE SERVER administration_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers :'servers');
CREATE SERVER administration_nowhere FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '127.0.0.1:1', request_timeout_ms '1000');
CREATE FOREIGN DATA WRAPPER administration_other;
CREATE SERVER administration_other FOREIGN DATA WRAPPER administration_other;

SELECT count(*) > 0 AS some, count(*) FILTER (WHERE host = '127.0.0.1' AND port > 0) = count(*) AS here,
  count(*) FILTER (WHERE is_controller) AS controllers FROM kafka.brokers('administration_test');
SET client_min_messages = error;
DO $$ BEGIN PERFORM kafka.drop_topic('administration_test', 'administration'); EXCEPTION WHEN OTHERS THEN NULL; END $$;
RESET client_min_messages;

-- At once, and to be used at once.
BEGIN;
SELECT kafka.create_topic('administration_test', 'administration', partitions => 2, replication_factor => 1,
  config => '{"cleanup.policy": "compact", "max.message.bytes": 2000, "preallocate": false}');
ROLLBACK;
CREATE FOREIGN TABLE written (v text, p int OPTIONS (metadata 'partition'), k text OPTIONS (metadata 'key'))
  SERVER administration_test OPTIONS (topic 'administration', format 'text');
INSERT INTO written VALUES ('a', 0, 'k'), ('b', 1, 'k');
SELECT v FROM written ORDER BY v;
INSERT INTO written VALUES (repeat('x', 3000), 0, 'k');
SELECT * FROM kafka.topics('administration_test') WHERE topic = 'administration';
SELECT topic, partition, leader IS NOT NULL AS leader, leader = ANY (replicas) AS among, replicas = in_sync_replicas AS in_sync
  FROM kafka.partitions('written') ORDER BY partition;
-- Also where nobody would ever give up.
ALTER SERVER administration_test OPTIONS (ADD request_timeout_ms '2147483647');
SELECT kafka.add_partitions('administration_test', 'administration', 3);
ALTER SERVER administration_test OPTIONS (DROP request_timeout_ms);
INSERT INTO written VALUES ('c', 2, 'k');
SELECT v FROM written ORDER BY v;

-- What the broker has against it.
SELECT kafka.create_topic('administration_test', 'administration');
SELECT kafka.add_partitions('administration_test', 'administration', 2);
SELECT kafka.create_topic('administration_test', 'administration_big', replication_factor => 77);
SELECT kafka.create_topic('administration_test', 'administration_bad', config => '{"no.such": "property"}');
SELECT kafka.add_partitions('administration_test', 'administration_nowhere', 2);
SELECT kafka.drop_topic('administration_test', 'administration_nowhere');
-- What is wrong before it is asked.
SELECT kafka.create_topic('administration_test', 'administration_bad', partitions => 0);
SELECT kafka.create_topic('administration_test', NULL);
SELECT kafka.create_topic('administration_test', 'bad name');
SELECT kafka.create_topic('administration_test', '');
-- Lengths that a request has no room for, and that would be those of something else.
SELECT kafka.create_topic('administration_test', 'administration' || repeat('x', 65536));
SELECT kafka.add_partitions('administration_test', 'administration' || repeat('x', 65536), 9);
SELECT kafka.drop_topic('administration_test', 'administration' || repeat('x', 65536));
SELECT kafka.drop_topic('administration_test', repeat('x', 250));
SELECT kafka.create_topic('administration_test', 'administration_bad', config => jsonb_build_object('cleanup.policy', repeat('x', 32768)));
SELECT kafka.create_topic('administration_test', 'administration_bad', config => jsonb_build_object(repeat('x', 32768), 'delete'));
SELECT kafka.create_topic('administration_test', 'administration_bad', config => '[1]');
SELECT kafka.create_topic('administration_test', 'administration_bad', config => '{"a": {"b": 1}}');
SELECT kafka.create_topic('administration_test', 'administration_bad', config => '{"a": null}');
SELECT * FROM kafka.topics('administration_other');
SELECT * FROM kafka.topics('administration_missing');
\set VERBOSITY terse
SELECT * FROM kafka.topics('administration_nowhere');
SELECT kafka.create_topic('administration_nowhere', 'administration');
\set VERBOSITY default
BEGIN READ ONLY;
SELECT kafka.drop_topic('administration_test', 'administration');
ROLLBACK;

-- Who may.
CREATE ROLE administration_user;
SET ROLE administration_user;
SELECT * FROM kafka.topics('administration_test');
SELECT * FROM kafka.brokers('administration_test');
SELECT * FROM kafka.partitions('written');
SELECT kafka.create_topic('administration_test', 'administration_user');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER administration_test TO administration_user;
SET ROLE administration_user;
SELECT topic FROM kafka.topics('administration_test') WHERE topic = 'administration';
SELECT kafka.drop_topic('administration_test', 'administration');
RESET ROLE;
GRANT EXECUTE ON FUNCTION kafka.drop_topic TO administration_user;
SET ROLE administration_user;
SELECT kafka.drop_topic('administration_test', 'administration');
RESET ROLE;
\set VERBOSITY terse
DO $$ BEGIN PERFORM * FROM kafka.partitions('written'); EXCEPTION WHEN fdw_table_not_found THEN RAISE NOTICE 'it is gone'; END $$;
\set VERBOSITY default

-- psql's \df+ and \d+ tell of everything here what it is: none is without a description.
SELECT p.oid::regprocedure::text AS undescribed FROM pg_proc p
  WHERE p.pronamespace = 'kafka'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT c.oid::regclass::text FROM pg_class c
  WHERE c.relnamespace = 'kafka'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND obj_description(c.oid, 'pg_class') IS NULL;

SET client_min_messages = warning;
REVOKE EXECUTE ON FUNCTION kafka.drop_topic FROM administration_user;
DROP SERVER administration_test CASCADE;
DROP SERVER administration_nowhere;
DROP FOREIGN DATA WRAPPER administration_other CASCADE;
DROP ROLE administration_user;
