# A stream's session outlives its batches: what it remembers of an older schema does not stop the stream, and what a
# procedure leaves behind does not reach the next batch.
use strict;
use warnings;

use KafkaFdw;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);
my $produced = 0;

sub a_batch_arrives
{
	my ($name) = @_;
	$produced++;
	produce($topic, "{\"id\":$produced}\n");
	becomes($node, 'postgres', 'SELECT count(DISTINCT id) FROM copied', $produced, $name);
	return;
}

sub worker
{
	return backend_pid($node, "backend_type = 'kafka_fdw stream'");
}

# PL/pgSQL keeps the types of a record's fields, and fails when they have changed, until the session ends.
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE copied (id text);
	CREATE PROCEDURE copy() LANGUAGE plpgsql AS \$\$
	DECLARE
		r record;
	BEGIN
		FOR r IN SELECT * FROM ids LOOP
			INSERT INTO copied VALUES (r.id);
		END LOOP;
	END \$\$;
	SELECT kafka.create_stream('copy', 'CALL copy()', source => 'ids');
	EOF
a_batch_arrives('a procedure runs');
my $first = worker();
$node->safe_psql('postgres', 'ALTER FOREIGN TABLE ids ALTER COLUMN id TYPE text');
a_batch_arrives('also after its source was altered');
isnt(worker(), $first, 'in another process');
is($node->safe_psql('postgres', 'SELECT state FROM kafka.stat_streams'), 'idle', 'and it has not failed');

# What lasts in a new session, too, is a failure.
$node->safe_psql('postgres', 'ALTER TABLE copied ADD CHECK (id <> \'bad\')');
a_batch_arrives('the stream goes on');
produce($topic, "{\"id\":\"bad\"}\n");
becomes($node, 'postgres', "SELECT state, last_error ~ 'violates check constraint' FROM kafka.stat_streams", 'failed|t', 'a broken constraint is');
$node->safe_psql('postgres', 'ALTER TABLE copied DROP CONSTRAINT copied_id_check');
$node->safe_psql('postgres', "SELECT kafka.resume_stream('copy')");
$produced++;
a_batch_arrives('mended, it goes on');

# A procedure that leaves things behind says what it finds of the batch before.
$node->safe_psql('postgres', <<~"EOF");
	SELECT kafka.drop_stream('copy');
	TRUNCATE copied;
	CREATE ROLE other;
	CREATE SEQUENCE numbers;
	CREATE TABLE found (what text);
	GRANT INSERT ON found, copied TO PUBLIC;
	CREATE OR REPLACE PROCEDURE copy() LANGUAGE plpgsql AS \$\$
	BEGIN
		INSERT INTO copied SELECT id FROM ids;
		INSERT INTO found SELECT current_user || ' ' || current_setting('work_mem') || ' ' || coalesce(current_setting('my.setting', true), '');
		INSERT INTO found SELECT 'temporary ' || relname FROM pg_class WHERE relname = 'leftover';
		INSERT INTO found SELECT 'prepared ' || name FROM pg_prepared_statements;
		CREATE TEMP TABLE leftover (id int);
		PERFORM nextval('numbers');
		PERFORM set_config('work_mem', '3MB', false), set_config('my.setting', 'mine', false);
		EXECUTE 'PREPARE leftover AS SELECT 1';
		EXECUTE 'DECLARE leftover CURSOR WITH HOLD FOR SELECT 1';
		PERFORM pg_advisory_lock(4711), pg_advisory_lock_shared(4712);
		SET ROLE other;
	END \$\$;
	SELECT kafka.create_stream('copy', 'CALL copy()', source => 'ids');
	EOF
becomes($node, 'postgres', 'SELECT count(*) > 0 FROM found', 't', 'a procedure leaves things behind');
a_batch_arrives('it runs again');
a_batch_arrives('and again');
is($node->safe_psql('postgres', "SELECT DISTINCT what FROM found"),
	$node->safe_psql('postgres', "SELECT current_user || ' ' || current_setting('work_mem') || ' '"), 'and finds nothing of it');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0, 'nor does it hold a lock');

# The same when a batch fails and is tried again.
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE blocked AS SELECT 1;
	CREATE OR REPLACE PROCEDURE copy() LANGUAGE plpgsql AS \$\$
	BEGIN
		PERFORM pg_advisory_lock(4711);
		EXECUTE 'PREPARE leftover AS SELECT 1';
		IF EXISTS (SELECT FROM blocked) THEN
			RAISE serialization_failure;
		END IF;
		INSERT INTO copied SELECT id FROM ids;
	END \$\$;
	EOF
my $worker = worker();
produce($topic, "{\"id\":" . ++$produced . "}\n");
becomes($node, 'postgres', "SELECT state, last_error ~ '40001' FROM kafka.stat_streams", 'stalled|t', 'a batch fails');
becomes($node, 'postgres', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0, 'it holds no lock while it waits');
$node->safe_psql('postgres', 'DELETE FROM blocked');
becomes($node, 'postgres', 'SELECT count(DISTINCT id) FROM copied', $produced, 'and then succeeds');
is(worker(), $worker, 'in the same process');

# The same before each piece of a batch with poison, and of dead letters, where what the session itself has prepared stays.
$node->safe_psql('postgres', <<~"EOF");
	SELECT kafka.drop_stream('copy');
	TRUNCATE copied;
	ALTER TABLE copied ADD CHECK (id <> 'poison');
	CREATE OR REPLACE PROCEDURE copy() LANGUAGE plpgsql AS \$\$
	BEGIN
		PREPARE leftover AS SELECT 1;
		INSERT INTO copied SELECT id FROM ids;
	END \$\$;
	SELECT kafka.create_stream('copy', 'CALL copy()', source => 'ids', on_error => 'dead_letter');
	EOF
becomes($node, 'postgres', 'SELECT count(DISTINCT id) FROM copied', $produced, 'a procedure that prepares a statement runs');
produce($topic, join('', map { "{\"id\":\"$_\"}\n" } 'good', 'poison', 'better', 'poison'));
becomes($node, 'postgres', "SELECT count(*) FROM copied WHERE id IN ('good', 'better')", 2, 'also for a batch with poison');
is($node->safe_psql('postgres', 'SELECT count(*), min(sqlstate) FROM kafka.dead_letters'), '2|23514', 'which is set aside');
my $retry = "SELECT kafka.retry_dead_letters('copy')";
is($node->safe_psql('postgres', "PREPARE own AS $retry; EXECUTE own; $retry; SELECT name FROM pg_prepared_statements"), "0\n0\nown",
	'and run again, and again in one session');
$node->safe_psql('postgres', 'ALTER TABLE copied DROP CONSTRAINT copied_id_check');
is($node->safe_psql('postgres', "$retry; SELECT name FROM pg_prepared_statements"), 2, 'until it succeeds');
$produced += 3;

# A statement that is stored out of line can be read again when nothing else is at hand that holds a snapshot.
$node->safe_psql('postgres', <<~"EOF");
	SELECT kafka.drop_stream('copy');
	ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids /* ' || string_agg(md5(i::text), '') || ' */') FROM generate_series(1, 100) i;
	EOF
a_batch_arrives('a long statement runs');
$worker = worker();
$node->safe_psql('postgres', "ALTER FOREIGN TABLE ids OPTIONS (ADD on_offset_out_of_range 'earliest')");
a_batch_arrives('and runs when the stream was opened anew');
is(worker(), $worker, 'in the same process');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
