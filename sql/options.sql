-- Options are checked when they are set: name, place, type, range, conflicts.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kafka_fdw;
RESET client_min_messages;

-- A server needs its brokers.
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw;
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers 'a:9092,,b');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers 'a:99999');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers 'a b');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '-1');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers E'a:9092\nb:9092');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers 'a:+9092');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers 'a:NaN');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '[::1');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers 'a', client_id E'x\ny');
CREATE SERVER options_test FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers 'a, b:9093,[::1]:9092 , 10.0.0.1:1');
ALTER SERVER options_test OPTIONS (DROP bootstrap_servers);
ALTER SERVER options_test OPTIONS (SET bootstrap_servers 'localhost:9092');

-- Names that are no options.
ALTER SERVER options_test OPTIONS (request_timout_ms '1');
ALTER SERVER options_test OPTIONS ("security.protocol" 'ssl');
ALTER SERVER options_test OPTIONS ("Client_Id" 'x');
ALTER SERVER options_test OPTIONS (frobnicate 'x');
ALTER SERVER options_test OPTIONS (topic 'x');
ALTER SERVER options_test OPTIONS (sasl_password 'secret');
ALTER SERVER options_test OPTIONS ("sasl.password" 'secret');
ALTER SERVER options_test OPTIONS (enable_auto_commit 'true');
ALTER SERVER options_test OPTIONS ("auto.commit.interval.ms" '1');
ALTER SERVER options_test OPTIONS (session_timeout_ms '1');
ALTER SERVER options_test OPTIONS (heartbeat_interval_ms '1');
ALTER SERVER options_test OPTIONS (value_deserializer 'x');
ALTER SERVER options_test OPTIONS (sasl_jaas_config 'secret');
ALTER SERVER options_test OPTIONS (ssl_truststore_location 'x');
ALTER SERVER options_test OPTIONS (ssl_keystore_password 'secret');
ALTER SERVER options_test OPTIONS (broker_list 'x');
ALTER SERVER options_test OPTIONS (group_instance_id 'x');
ALTER SERVER options_test OPTIONS (transactional_id 'x');
ALTER SERVER options_test OPTIONS (enable_partition_eof 'false');
ALTER SERVER options_test OPTIONS (plugin_library_paths 'x');
ALTER SERVER options_test OPTIONS (sasl_kerberos_kinit_cmd 'x');
ALTER SERVER options_test OPTIONS (queue_buffering_max_kbytes '1');
ALTER SERVER options_test OPTIONS (schema_registry_url 'http://x');
CREATE FOREIGN DATA WRAPPER options_wrapper VALIDATOR kafka.kafka_fdw_validator OPTIONS (topic 'x');

-- What is required is asked for when it is used, where nothing validates it.
CREATE FOREIGN DATA WRAPPER options_wrapper HANDLER kafka.kafka_fdw_handler;
CREATE SERVER options_unchecked FOREIGN DATA WRAPPER options_wrapper;
CREATE FOREIGN TABLE options_unchecked (id int) SERVER options_unchecked OPTIONS (topic 'x');
EXPLAIN SELECT * FROM options_unchecked;
INSERT INTO options_unchecked VALUES (1);
SELECT * FROM kafka.topics('options_unchecked');
ALTER SERVER options_unchecked OPTIONS (bootstrap_servers 'x');
ALTER FOREIGN TABLE options_unchecked OPTIONS (DROP topic);
EXPLAIN SELECT * FROM options_unchecked;
INSERT INTO options_unchecked VALUES (1);
ANALYZE options_unchecked;
SELECT value IS NULL AS unset FROM kafka.options('options_unchecked') WHERE option = 'topic';
DROP SERVER options_unchecked CASCADE;
DROP FOREIGN DATA WRAPPER options_wrapper;

-- The SQLSTATEs that a program sees.
\set VERBOSITY sqlstate
ALTER SERVER options_test OPTIONS (frobnicate 'x');
ALTER SERVER options_test OPTIONS (request_timeout_ms 'x');
ALTER SERVER options_test OPTIONS (DROP bootstrap_servers);
\set VERBOSITY default

-- Values.
ALTER SERVER options_test OPTIONS (request_timeout_ms '0');
ALTER SERVER options_test OPTIONS (request_timeout_ms '1s');
ALTER SERVER options_test OPTIONS (request_timeout_ms ' 1');
ALTER SERVER options_test OPTIONS (request_timeout_ms '99999999999999999999');
ALTER SERVER options_test OPTIONS (linger_ms '900001');
ALTER SERVER options_test OPTIONS (socket_keepalive_enable 'maybe');
ALTER SERVER options_test OPTIONS (security_protocol 'tls');
ALTER SERVER options_test OPTIONS (compression_type 'brotli');
ALTER SERVER options_test OPTIONS (client_id '');
ALTER SERVER options_test OPTIONS (ADD request_timeout_ms '1000', ADD socket_keepalive_enable 'off', ADD compression_type 'ZSTD');

-- The client library's names are options too, but each option is set once.
ALTER SERVER options_test OPTIONS (ADD message_timeout_ms '2000');
ALTER SERVER options_test OPTIONS (ADD delivery_timeout_ms '2000');
ALTER SERVER options_test OPTIONS (ADD compression_codec 'none');
SELECT option_name, option_value FROM pg_options_to_table(
  (SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'options_test')) ORDER BY 1;

-- Security.
\set certificate '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n'
\set key '-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n'
ALTER SERVER options_test OPTIONS (ADD sasl_mechanism 'PLAIN');
ALTER SERVER options_test OPTIONS (ADD ssl_ca_pem :'certificate');
ALTER SERVER options_test OPTIONS (ADD security_protocol 'ssl', ADD ssl_ca_pem 'x');
ALTER SERVER options_test OPTIONS (ADD security_protocol 'ssl', ADD ssl_ca_pem :'key');
ALTER SERVER options_test OPTIONS (ADD security_protocol 'ssl', ADD ssl_ca_pem '-----BEGIN CERTIFICATE----- x -----END CERTIFICATE-----');
ALTER SERVER options_test OPTIONS (ADD security_protocol 'sasl_ssl');
ALTER SERVER options_test OPTIONS (ADD security_protocol 'SASL_PLAINTEXT', ADD sasl_mechanism 'GSSAPI');
ALTER SERVER options_test OPTIONS (ADD security_protocol 'SASL_PLAINTEXT', ADD sasl_mechanism 'PLAIN', ADD ssl_ca_pem :'certificate');
ALTER SERVER options_test OPTIONS (ADD security_protocol 'SASL_PLAINTEXT', ADD sasl_mechanism 'scram-sha-512');
ALTER SERVER options_test OPTIONS (SET security_protocol 'plaintext', DROP sasl_mechanism);

-- Only superusers name files of the server; others give the certificates themselves.
CREATE ROLE regress_kafka_options;
GRANT USAGE ON FOREIGN DATA WRAPPER kafka_fdw TO regress_kafka_options;
GRANT USAGE ON FOREIGN SERVER options_test TO regress_kafka_options;
GRANT CREATE ON SCHEMA public TO regress_kafka_options;
SET ROLE regress_kafka_options;
CREATE SERVER options_own FOREIGN DATA WRAPPER kafka_fdw
  OPTIONS (bootstrap_servers 'a', security_protocol 'ssl', ssl_ca_location '/etc/passwd');
CREATE SERVER options_own FOREIGN DATA WRAPPER kafka_fdw
  OPTIONS (bootstrap_servers 'a', security_protocol 'ssl', ssl_ca_pem :'certificate');
DROP SERVER options_own;
RESET ROLE;
ALTER SERVER options_test OPTIONS (SET security_protocol 'ssl', ADD ssl_ca_location '/etc/ssl/certs');
ALTER SERVER options_test OPTIONS (SET security_protocol 'plaintext', DROP ssl_ca_location);

-- A user mapping has credentials, which no message shows.
CREATE USER MAPPING FOR regress_kafka_options SERVER options_test OPTIONS (sasl_username '');
CREATE USER MAPPING FOR regress_kafka_options SERVER options_test OPTIONS (bootstrap_servers 'x');
CREATE USER MAPPING FOR regress_kafka_options SERVER options_test OPTIONS (password 'secret');
CREATE USER MAPPING FOR regress_kafka_options SERVER options_test
  OPTIONS (ssl_key_pem 'secret');
CREATE USER MAPPING FOR regress_kafka_options SERVER options_test
  OPTIONS (ssl_certificate_pem 'secret');
CREATE USER MAPPING FOR regress_kafka_options SERVER options_test
  OPTIONS (sasl_username 'app', sasl_password 'secret', ssl_key_pem :'key', ssl_certificate_pem :'certificate', ssl_key_password 's');

-- A table needs its topic.
CREATE FOREIGN TABLE options_table (a int) SERVER options_test;
CREATE FOREIGN TABLE options_table (a int) SERVER options_test OPTIONS (topic '');
CREATE FOREIGN TABLE options_table (a int) SERVER options_test OPTIONS (topic 'a b');
CREATE FOREIGN TABLE options_table (a int) SERVER options_test OPTIONS (topic '..');
CREATE FOREIGN TABLE options_table (a int) SERVER options_test OPTIONS (topic 'a,b c');
DO $$ BEGIN
  EXECUTE format('CREATE FOREIGN TABLE options_table (a int) SERVER options_test OPTIONS (topic %L)', repeat('x', 250));
EXCEPTION WHEN fdw_invalid_attribute_value THEN RAISE NOTICE 'a name of 250 characters is refused';
END $$;
CREATE FOREIGN TABLE options_table (a int) SERVER options_test OPTIONS (topic 'Orders.v1_x-y');
ALTER FOREIGN TABLE options_table OPTIONS (DROP topic);

ALTER FOREIGN TABLE options_table OPTIONS (topics 'x');
ALTER FOREIGN TABLE options_table OPTIONS (bootstrap_servers 'x');
ALTER FOREIGN TABLE options_table OPTIONS (metadata 'key');
ALTER FOREIGN TABLE options_table OPTIONS (format 'xml');
ALTER FOREIGN TABLE options_table OPTIONS (format 'avro');
ALTER FOREIGN TABLE options_table OPTIONS (group_id '');
ALTER FOREIGN TABLE options_table OPTIONS (auto_offset_reset 'smallest');
ALTER FOREIGN TABLE options_table OPTIONS (on_offset_out_of_range 'none');
ALTER FOREIGN TABLE options_table OPTIONS (max_poll_records '0');
ALTER FOREIGN TABLE options_table OPTIONS (isolation_level 'serializable');
ALTER FOREIGN TABLE options_table OPTIONS (delivery 'never');
ALTER FOREIGN TABLE options_table OPTIONS (acks '2');
ALTER FOREIGN TABLE options_table OPTIONS (partitioner 'best');
ALTER FOREIGN TABLE options_table OPTIONS (partitioner 'com.example.BestPartitioner');
ALTER FOREIGN TABLE options_table OPTIONS (partitioner '"best".');
ALTER SERVER options_test OPTIONS (partitioner 'x.y');
ALTER FOREIGN TABLE options_table OPTIONS (partitioner 'x.y', partitioner_class 'random');
ALTER FOREIGN TABLE options_table OPTIONS (
  ADD format 'raw', ADD group_id 'g', ADD auto_offset_reset 'latest', ADD on_offset_out_of_range 'earliest',
  ADD isolation_level 'read_uncommitted', ADD max_poll_records '10', ADD fetch_min_bytes '1', ADD delivery 'sync',
  ADD acks '-1', ADD partitioner 'default', ADD queue_buffering_max_ms '0');

-- Conflicts.
ALTER FOREIGN TABLE options_table OPTIONS (SET acks '1', ADD enable_idempotence 'true');
ALTER FOREIGN TABLE options_table OPTIONS (ADD delivery_timeout_ms '0');
ALTER FOREIGN TABLE options_table OPTIONS (SET acks 'all', ADD enable_idempotence 'true', ADD max_in_flight '6');
ALTER FOREIGN TABLE options_table OPTIONS (ADD max_block_ms '0');
ALTER SERVER options_test OPTIONS (ADD socket_timeout_ms '2000', SET message_timeout_ms '2004', ADD linger_ms '5');
ALTER FOREIGN TABLE options_table OPTIONS (SET queue_buffering_max_ms '20', ADD delivery_timeout_ms '20');
ALTER FOREIGN TABLE options_table OPTIONS (ADD buffer_memory '2000', ADD max_request_size '3000');
ALTER FOREIGN TABLE options_table OPTIONS (SET acks '0', ADD enable_idempotence 'false', ADD buffer_memory '3000', ADD max_request_size '3000');
ALTER SERVER options_test OPTIONS (ADD reconnect_backoff_ms '2', ADD reconnect_backoff_max_ms '1');

-- What a server does not set is the default.
ALTER SERVER options_test OPTIONS (ADD reconnect_backoff_ms '5000');
ALTER SERVER options_test OPTIONS (ADD max_request_size '100000000');
ALTER SERVER options_test OPTIONS (ADD max_in_flight '10');
ALTER SERVER options_test OPTIONS (SET message_timeout_ms '4');
ALTER SERVER options_test OPTIONS (ADD max_request_size '100000000', ADD buffer_memory '100000000', ADD max_in_flight '10', ADD acks '1');
ALTER SERVER options_test OPTIONS (DROP max_request_size, DROP buffer_memory, DROP max_in_flight, DROP acks);

-- How long a record is tried is judged where it is set together with the time of a request.
ALTER SERVER options_test OPTIONS (DROP message_timeout_ms, ADD socket_timeout_ms '5000');
ALTER SERVER options_test OPTIONS (ADD delivery_timeout_ms '5000');
ALTER SERVER options_test OPTIONS (DROP socket_timeout_ms, ADD delivery_timeout_ms '5000');
ALTER SERVER options_test OPTIONS (DROP delivery_timeout_ms, ADD message_timeout_ms '2000');

-- Columns.
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (metadata 'message');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (metadata 'partition', field 'x');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (feild 'x');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (topic 'x');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (colour 'x');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (field 'customer.');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (field '.');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (metadata 'key', key_field 'a..b');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (ADD field '\..\');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (ADD metadata 'key', SET field 'customer.id');

-- What several objects decide is checked when the table is used, or written to where only that needs it; the table's
-- options override the server's.
ALTER FOREIGN TABLE options_table OPTIONS (DROP enable_idempotence, SET queue_buffering_max_ms '3000');
EXPLAIN (COSTS OFF) INSERT INTO options_table VALUES (1);
EXPLAIN (COSTS OFF) SELECT * FROM options_table;
ALTER FOREIGN TABLE options_table OPTIONS (ADD delivery_timeout_ms '5000');
ALTER SERVER options_test OPTIONS (ADD enable_idempotence 'true');
EXPLAIN (COSTS OFF) INSERT INTO options_table VALUES (1);
EXPLAIN (COSTS OFF) SELECT * FROM options_table;
ALTER SERVER options_test OPTIONS (DROP enable_idempotence, SET security_protocol 'sasl_plaintext', ADD sasl_mechanism 'PLAIN');
EXPLAIN (COSTS OFF) SELECT * FROM options_table;

DROP FOREIGN TABLE options_table;
DROP USER MAPPING FOR regress_kafka_options SERVER options_test;
DROP SERVER options_test;
DROP OWNED BY regress_kafka_options;
DROP ROLE regress_kafka_options;
DROP EXTENSION kafka_fdw;
