# What fails in a stream: what passes by itself is tried again, everything else stops this stream and is told.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT stream_clients);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);
my $produced = 0;

sub produce_ids
{
	produce($topic, join('', map { "{\"id\":\"$_\"}\n" } @_));
	return;
}

sub fails
{
	my ($stream, $error, $name) = @_;
	becomes($node, 'postgres', "SELECT state FROM kafka.stat_streams WHERE stream = '$stream'", 'failed', $name);
	like($node->safe_psql('postgres', "SELECT last_error FROM kafka.stat_streams WHERE stream = '$stream'"), $error, "$name: why");
	return;
}

sub resume
{
	my ($stream) = @_;
	$node->safe_psql('postgres', "SELECT kafka.resume_stream('$stream')");
	return;
}

$node->safe_psql('postgres', <<~"EOF");
	CREATE ROLE ann LOGIN;
	CREATE ROLE bob LOGIN;
	CREATE FOREIGN TABLE ids (id text) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE numbers (id int PRIMARY KEY);
	CREATE TABLE texts (id text);
	GRANT SELECT ON ids TO ann;
	GRANT INSERT ON numbers TO ann;
	GRANT USAGE ON SCHEMA kafka TO ann;
	GRANT EXECUTE ON FUNCTION kafka.create_stream TO ann;
	SET ROLE ann;
	SELECT kafka.create_stream('numbers', 'INSERT INTO numbers SELECT id::int FROM ids');
	RESET ROLE;
	SELECT kafka.create_stream('texts', 'INSERT INTO texts SELECT id FROM ids');
	EOF

# A record that the statement cannot take
produce_ids(1, 'two');
fails('numbers', qr/invalid input syntax for type integer: "two" \(SQLSTATE 22P02\).*partition 0 offsets 0 to 1/s, 'a poison record');
is($node->safe_psql('postgres', "SELECT count(*) FROM kafka.stat_scans JOIN kafka.stat_streams USING (pid) WHERE stream = 'numbers'"), 0,
	'its scan has ended');
becomes($node, 'postgres', 'SELECT count(*) FROM texts', 2, 'another stream goes on');
is($node->safe_psql('postgres', "SELECT count(*) FROM kafka.offsets WHERE group_id = 'numbers'"), 0, 'no position moved');
is($node->safe_psql('postgres', "SET ROLE bob; SELECT count(*), count(last_error) FROM kafka.stat_streams"), '2|0',
	'errors are for the owner only');
my $status = 'SELECT name, state, lag, problem, to_do FROM kafka.status WHERE name';
is($node->safe_psql('postgres', "SET ROLE ann; $status = 'numbers'"),
	'numbers|failed|2|invalid input syntax for type integer: "two" (SQLSTATE 22P02)|' .
	"SELECT kafka.skip_record('numbers') sets the record aside and goes on. SELECT kafka.resume_stream('numbers') tries again.",
	'the owner is told what is wrong and what to do');
is($node->safe_psql('postgres', "SET ROLE bob; $status = 'numbers'"),
	"numbers|failed|2|its owner, and pg_read_all_stats, may see why|SELECT kafka.resume_stream('numbers') tries again.", 'others see that it is wrong');
is($node->safe_psql('postgres', "$status = 'texts'"), 'texts|idle|0||', 'of the other one there is nothing to tell');
resume('numbers');
fails('numbers', qr/"two"/, 'a poison record, resumed,');
$node->safe_psql('postgres', 'CREATE FUNCTION text_to_int(text) RETURNS int LANGUAGE sql AS $$ SELECT CASE WHEN $1 ~ \'^\d+$\' THEN $1::int END $$');
$node->safe_psql('postgres', <<~'EOF');
	SELECT kafka.drop_stream('numbers');
	SET ROLE ann;
	SELECT kafka.create_stream('numbers', 'INSERT INTO numbers SELECT text_to_int(id) FROM ids WHERE id <> ''two''');
	EOF
becomes($node, 'postgres', 'SELECT count(*) FROM numbers', 1, 'a stream that is created again starts at once');

# A constraint, a right, a table
produce_ids(1);
fails('numbers', qr/duplicate key value .*\(SQLSTATE 23505\)/, 'a violated constraint');
$node->safe_psql('postgres', "DELETE FROM numbers; REVOKE INSERT ON numbers FROM ann;");
resume('numbers');
fails('numbers', qr/permission denied for table numbers \(SQLSTATE 42501\)/, 'a revoked right');
$node->safe_psql('postgres', "GRANT INSERT ON numbers TO ann; ALTER TABLE numbers RENAME TO moved");
resume('numbers');
fails('numbers', qr/relation "numbers" does not exist \(SQLSTATE 42P01\)/, 'a missing target');
$node->safe_psql('postgres', "ALTER TABLE moved RENAME TO numbers");
resume('numbers');
becomes($node, 'postgres', 'SELECT array_agg(id) FROM numbers', '{1}', 'once repaired, a stream goes on where it was');

# Faults that pass: a serialization failure is tried again from the buffer, until it works
$node->safe_psql('postgres', <<~'EOF');
	CREATE SEQUENCE tries;
	CREATE FUNCTION fail_often() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		IF nextval('tries') < 5 THEN
			RAISE EXCEPTION 'try again' USING ERRCODE = 'serialization_failure';
		END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER fail_often AFTER INSERT ON numbers EXECUTE FUNCTION fail_often();
	EOF
produce_ids(3 .. 9);
becomes($node, 'postgres', 'SELECT count(*), count(DISTINCT id) FROM numbers', '8|8', 'a serialization failure is tried again');
is($node->safe_psql('postgres', 'SELECT last_value FROM tries'), 5, 'four times');
my $log = slurp_file($node->logfile);
is(scalar(() = $log =~ /ERROR:  try again/g), 1, 'and is in the log once');

# What changes a position behind a worker's back is seen
$node->safe_psql('postgres', "UPDATE kafka.offsets SET next_offset = next_offset - 1, generation = generation + 1 WHERE group_id = 'texts'");
produce_ids(10);
becomes($node, 'postgres', "SELECT count(*), count(*) FILTER (WHERE id = '9') FROM texts", '12|2', 'a position that was moved back is read again');

# Whoever makes the server read-only for a while has no stream to start again
$node->safe_psql('postgres', 'ALTER SYSTEM SET default_transaction_read_only = on');
$node->reload;
produce_ids(20);
becomes($node, 'postgres', "SELECT state, last_error ~ 'read-only transaction .SQLSTATE 25006' FROM kafka.stat_streams WHERE stream = 'numbers'", 'stalled|t',
	'a stream waits while transactions are read-only');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET default_transaction_read_only');
$node->reload;
becomes($node, 'postgres', 'SELECT count(*) FROM numbers WHERE id = 20', 1, 'and goes on when they are not');
becomes($node, 'postgres', "SELECT count(*) FROM texts WHERE id = '20'", 1, 'so do others');

# Positions that cannot be written: the batch is read again, and again; between them the stream is not in order
my $position = -s $node->logfile;
$node->safe_psql('postgres', <<~'EOF');
	ALTER SEQUENCE tries RESTART;
	CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM nextval('public.tries');
		RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full';
	END $$;
	CREATE TRIGGER no_room BEFORE UPDATE ON kafka.offsets FOR EACH ROW WHEN (NEW.group_id = 'texts') EXECUTE FUNCTION no_room();
	EOF
produce_ids(11);
becomes($node, 'postgres', 'SELECT last_value > 4 FROM tries', 't', 'a position cannot be written');
like($node->safe_psql('postgres', "SELECT state FROM kafka.stat_streams WHERE stream = 'texts'"), qr/stalled|running/, 'which is shown all the time');
$node->safe_psql('postgres', 'DROP TRIGGER no_room ON kafka.offsets');
becomes($node, 'postgres', "SELECT count(*) FROM texts WHERE id = '11'", 1, 'until it can');
becomes($node, 'postgres', "SELECT state FROM kafka.stat_streams WHERE stream = 'texts'", 'idle', 'then all is well');
$log = slurp_file($node->logfile, $position);
is(scalar(() = $log =~ /ERROR:  no room/g), 1, 'it is in the log once');
is(scalar(() = $log =~ /stream "texts", worker 0, goes on/g), 1, 'and so is its end');

# A topic that is not there yet
my $later = "$topic-later";
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE later (id int) SERVER k OPTIONS (topic '$later');
	CREATE TABLE latest (id int);
	SELECT kafka.create_stream('later', 'INSERT INTO latest SELECT id FROM later');
	EOF
becomes($node, 'postgres', "SELECT state, last_error ~ 'topic \"$later\" does not exist' FROM kafka.stat_streams WHERE stream = 'later'", 'stalled|t',
	'a stream waits for its topic');
like(slurp_file($node->logfile), qr/ERROR:  topic "\Q$later\E" does not exist at .*?CONTEXT:  stream "later", worker 0$/ms, 'the log says whose an error is');
kafka_tool('create-topic', $later, 1);
produce($later, "{\"id\":1}\n");
becomes($node, 'postgres', 'SELECT count(*) FROM latest', '1', 'and starts when it is there');

# An owner that may not log in any more
SKIP:
{
	skip 'from PostgreSQL 17 on, workers need no LOGIN', 2 if $node->pg_version >= 17;
	$node->safe_psql('postgres', 'ALTER ROLE ann NOLOGIN');
	resume('numbers');
	$node->restart;
	becomes($node, 'postgres', "SELECT state, last_error FROM kafka.stat_streams WHERE stream = 'numbers'", 'stalled|role "ann" is not permitted to log in',
		'a role that may not log in stalls its stream');
	$node->safe_psql('postgres', 'ALTER ROLE ann LOGIN');
	becomes($node, 'postgres', "SELECT state FROM kafka.stat_streams WHERE stream = 'numbers'", 'idle', 'and no longer when it may');
}
$node->stop;
ok(!crashed($node), 'no process crashed');

# Limits
my $small = new_cluster('small', conf => "max_worker_processes = 4\nkafka_fdw.max_workers = 3");
$small->safe_psql('postgres', "CREATE FOREIGN TABLE ids (id text) SERVER k OPTIONS (topic '$topic'); CREATE TABLE texts (id text);");
$small->safe_psql('postgres', "SELECT kafka.create_stream('s$_', 'INSERT INTO texts SELECT id FROM ids')") foreach 1 .. 3;
ok($small->poll_query_until('postgres', "SELECT bool_or(state = 'stalled' AND last_error ~ 'max_worker_processes are in use') FROM kafka.stat_streams"),
	'too few processes are told')
  or diag($small->safe_psql('postgres', 'TABLE kafka.stat_streams'));
is($small->safe_psql('postgres', "SELECT DISTINCT problem, to_do FROM kafka.status WHERE state = 'stalled'"),
	'all of max_worker_processes are in use|Raise max_worker_processes and restart the server.', 'with what to raise');
like(slurp_file($small->logfile), qr/LOG:  could not start kafka_fdw .*: all of max_worker_processes are in use\n.*HINT:  Raise max_worker/, 'also in the log');

# Nobody but a worker can give way to who looks what is to run
becomes($small, 'postgres', "SELECT count(*) FROM kafka.stat_streams WHERE state = 'idle'", 2, 'there are processes for two of them');
my $starved = $small->safe_psql('postgres', "SELECT stream FROM kafka.stat_streams WHERE state = 'stalled'");
my $others = "FROM kafka.streams WHERE name <> '$starved'";
$small->safe_psql('postgres', "SELECT kafka.pause_stream(name) $others");
becomes($small, 'postgres', "SELECT state FROM kafka.stat_streams WHERE stream = '$starved'", 'idle', 'a paused stream leaves its process to another one');
$small->safe_psql('postgres', "SELECT kafka.resume_stream(name) $others");
becomes($small, 'postgres', "SELECT count(*) FROM kafka.stat_streams WHERE state = 'idle'", 2, 'one that is resumed takes what is there');
$small->safe_psql('postgres', "DELETE FROM texts; SELECT kafka.alter_stream(name, statement => 'INSERT INTO texts SELECT id || ''!'' FROM ids') FROM kafka.streams");
produce_ids(7);
becomes($small, 'postgres', "SELECT count(*) >= 2 AND bool_and(id = '7!') FROM texts", 't', 'those that are altered go on in the new way');
$small->safe_psql('postgres', "SELECT kafka.drop_stream(stream) FROM kafka.stat_streams WHERE state = 'idle' LIMIT 1");
becomes($small, 'postgres', "SELECT count(*) FROM kafka.stat_streams WHERE state = 'idle'", 2, 'one that is dropped leaves its process, too');
$small->safe_psql('postgres', "SELECT kafka.create_stream('s' || i, 'INSERT INTO texts SELECT id FROM ids') FROM generate_series(1, 3) i WHERE 's' || i NOT IN (SELECT name FROM kafka.streams)");
$small->append_conf('postgresql.conf', 'max_worker_processes = 10');
$small->restart;
$small->safe_psql('postgres', "SELECT kafka.create_stream('s4', 'INSERT INTO texts SELECT id FROM ids')");
ok($small->poll_query_until('postgres', "SELECT state = 'stalled' AND last_error ~ 'kafka_fdw.max_workers are in use' FROM kafka.stat_streams WHERE stream = 's4'"),
	'too few slots are told')
  or diag($small->safe_psql('postgres', 'TABLE kafka.stat_streams'));
is($small->safe_psql('postgres', "SELECT kind, problem, to_do ~ '^Raise kafka_fdw.max_workers' FROM kafka.status WHERE state = 'stalled'"),
	"server|all of kafka_fdw.max_workers are in use|t\nstream|all of kafka_fdw.max_workers are in use|t", 'with what to raise');
my @told = slurp_file($small->logfile) =~ /LOG:  could not start workers of database "postgres": all of kafka_fdw\.max_workers are in use\n.*HINT:  Raise kafka/g;
is(@told, 1, 'once in the log');
$small->safe_psql('postgres', "SELECT kafka.drop_stream('s1')");
ok($small->poll_query_until('postgres', "SELECT state = 'idle' FROM kafka.stat_streams WHERE stream = 's4'"), 'a slot that becomes free is used')
  or diag($small->safe_psql('postgres', 'TABLE kafka.stat_streams'));

# Without a single process there is not even the launcher
$small->append_conf('postgresql.conf', 'max_worker_processes = 0');
$small->restart;
is($small->safe_psql('postgres', 'SELECT kind, state, problem, to_do FROM kafka.status LIMIT 1'),
	'server|stalled|the launcher of workers does not run|Raise max_worker_processes and restart the server.', 'no process for the launcher is told');

# Without the library there is none either
$small->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$small->restart;
(undef, my $out, my $err) = $small->psql('postgres', "SELECT kafka.create_stream('s5', 'INSERT INTO texts SELECT id FROM ids')");
like($err, qr/streams need kafka_fdw to be preloaded.*Add kafka_fdw to "shared_preload_libraries"/s, 'create_stream says what to add');
is($small->safe_psql('postgres', "SELECT state, last_error FROM kafka.stat_streams WHERE stream = 's2'"),
	'paused|kafka_fdw is not in shared_preload_libraries', 'and kafka.stat_streams, too');
is($small->safe_psql('postgres', "SELECT kind, problem, to_do ~ '^Add kafka_fdw to shared_preload_libraries' FROM kafka.status LIMIT 1"),
	'server|kafka_fdw is not in shared_preload_libraries|t', 'and kafka.status first of all');
cmp_ok($small->safe_psql('postgres', 'SELECT count(*) FROM ids'), '>', 0, 'topic tables work without');
$small->safe_psql('postgres', "SELECT kafka.drop_stream('s2')");
is($small->safe_psql('postgres', "SELECT count(*) FROM kafka.streams WHERE name = 's2'"), 0, 'and a stream can be dropped');
ok(!crashed($small), 'without a crash');

# A sentry takes nothing from streams
my $full = new_cluster('full', conf => "max_worker_processes = 11\nkafka_fdw.max_workers = 9");
my $sentries = "FROM pg_stat_activity WHERE backend_type = 'kafka_fdw sentry'";
my $create = "SELECT kafka.create_stream('s' || i, format('INSERT INTO texts SELECT %s, id FROM ids', i))";
$full->safe_psql('postgres', "CREATE FOREIGN TABLE ids (id text) SERVER k OPTIONS (topic '$topic'); CREATE TABLE texts (stream int, id text);");
my $idle = "SELECT count(*) FROM kafka.stat_streams WHERE state = 'idle'";
$full->safe_psql('postgres', "$create FROM generate_series(1, 8) i");
becomes($full, 'postgres', "SELECT count(*) $sentries", 1, 'eight streams have a sentry');
ok(poll_until(sub { stream_clients('%', $full) == 0 }), 'and sleep');
$full->safe_psql('postgres', "$create FROM generate_series(9, 9) i");
becomes($full, 'postgres', $idle, 9, 'it leaves its process to another one, and takes none of kafka_fdw.max_workers');
becomes($full, 'postgres', 'SELECT count(*) FROM kafka.status WHERE problem IS NOT NULL', 0, 'nothing is wrong then');
produce_ids('full');
becomes($full, 'postgres', "SELECT count(DISTINCT stream) FROM texts WHERE id = 'full'", 9, 'all of them read');
$full->safe_psql('postgres', "SELECT kafka.pause_stream('s5')");
becomes($full, 'postgres', "SELECT count(*) $sentries", 1, 'the sentry comes back when a process falls free');
ok(poll_until(sub { stream_clients('%', $full) == 0 }), 'and relieves them');
$full->safe_psql('postgres', "SELECT kafka.resume_stream('s5')");
becomes($full, 'postgres', $idle, 9, 'and leaves it to the stream that is resumed');
my $pids = "SELECT array_agg(pid ORDER BY pid) FROM kafka.stat_streams";
my $before = $full->safe_psql('postgres', $pids);
sleep(6);
is($full->safe_psql('postgres', $pids), $before, 'which all keep theirs');
$full->stop;
ok(!crashed($full), 'and no process crashed');

done_testing();
