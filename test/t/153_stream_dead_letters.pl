# Records that fail in a stream: the stream stops at them and says how to go on, or sets them aside.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => 'kafka_fdw.max_workers = 8');

# A topic and a table of it
sub topic
{
	my ($table, $partitions) = @_;
	my $topic = new_topic($partitions // 1);
	query("CREATE FOREIGN TABLE $table (id int, n int, o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$topic');
		CREATE TABLE ${table}_got (id int PRIMARY KEY, n int NOT NULL CHECK (n >= 0), o bigint)");
	return $topic;
}

sub records { return join('', map { ref $_ ? "{\"id\":$_->[0],\"n\":$_->[1]}\n" : "$_\n" } @_); }

# stop: at the record, of many
my $topic = topic('stops');
my @records = map { [ $_, 1 ] } 0 .. 2999;
$records[1234] = [ 1234, -1 ];
$records[1240] = 'no JSON';
produce($topic, records(@records));
query("SELECT kafka.create_stream('stops', 'INSERT INTO stops_got SELECT id, n, o FROM stops')");
query_becomes("SELECT state FROM kafka.stat_streams WHERE stream = 'stops'", 'failed', 'a stream stops at a record');
my $error = query("SELECT last_error FROM kafka.stat_streams WHERE stream = 'stops'");
like($error, qr/violates check constraint.*topic "\Q$topic\E", partition 0, offset 1234/s, 'and names it');
like($error, qr/HINT:  SELECT kafka\.skip_record\('stops'\) sets the record aside/, 'and says how to go on');
is(query("SELECT count(*) FROM stops_got WHERE id >= 1234"), 0, 'nothing has moved past it');
my $ahead = "(SELECT coalesce(sum(next_offset), 0) FROM kafka.offsets)";
is(query("SELECT partitions, lag + $ahead FROM kafka.stat_streams"), '1|3000', 'its partitions and its lag are shown');
produce($topic, records([ 3000, 1 ]));
query_becomes("SELECT lag + $ahead FROM kafka.stat_streams", 3001, 'the lag also as it grows');

my ($hint) = $error =~ /HINT:  (SELECT kafka\.skip_record\('stops'\))/;
query($hint);
query_becomes("SELECT state || (last_error ~ 'offset 1240') FROM kafka.stat_streams WHERE stream = 'stops'", 'failedtrue', 'it stops at the next one');
is(query("SELECT count(*) FROM kafka.dead_letters"), 0, 'nothing has moved before all is done');
query($hint);
query_becomes("SELECT count(*) FROM stops_got", 2999, 'and goes on without both');
is(query("SELECT _offset, stage, sqlstate FROM kafka.dead_letters ORDER BY _offset"),
	"1234|statement|23514\n1240|decode|22P02", 'which are dead letters');
is(query("SELECT count(*) FROM (SELECT o, lag(o) OVER (ORDER BY ctid) AS before FROM stops_got) t WHERE before > o"), 0, 'the order is kept');
query_becomes("SELECT state || dead_letters FROM kafka.stat_streams WHERE stream = 'stops'", 'idle2', 'it counts them');
is(query("SELECT state, problem, to_do FROM kafka.status WHERE name = 'stops'"),
	"idle|2 records are in kafka.dead_letters|SELECT * FROM kafka.dead_letters WHERE group_id = 'stops'; SELECT kafka.retry_dead_letters('stops');",
	'kafka.status says what can be done with them');
my ($status, $out, $err) = $node->psql('postgres', $hint);
like($err, qr/stream "stops" has not failed at a record/, 'without a failure there is nothing to skip');

# They are mended and run again
is(query("SELECT kafka.retry_dead_letters('stops')"), 0, 'what fails again stays');
is(query("SELECT count(*), count(DISTINCT _offset) FROM kafka.dead_letters"), '2|2', 'a dead letter');
query('ALTER TABLE stops_got DROP CONSTRAINT stops_got_n_check');
is(query("BEGIN; SAVEPOINT s; SELECT kafka.retry_dead_letters('stops'); ROLLBACK TO s; SELECT count(*) FROM stops WHERE o = 0; COMMIT"),
	"1\n1", 'what is rolled back was not done, and the source is the topic again');
is(query("SELECT kafka.retry_dead_letters('stops')"), 1, 'what does not fail is done');
is(query("SELECT n, o FROM stops_got WHERE id = 1234"), '-1|1234', 'as the record that it was');
is(query("SELECT _offset FROM kafka.dead_letters"), 1240, 'and is none any more');
query("SELECT kafka.drop_stream('stops')");
is(query("SELECT count(*) FROM kafka.dead_letters"), 0, 'they go with the stream');

# dead_letter
$topic = topic('asides', 2);
produce($topic, records(map { $_ % 500 == 7 ? [ $_, -1 ] : $_ % 500 == 9 ? 'no JSON' : [ $_, 1 ] } 0 .. 9999));
query("SELECT kafka.create_stream('asides', 'INSERT INTO asides_got SELECT id, n, o FROM asides', on_error => 'dead_letter', workers => 2)");
query_becomes('SELECT count(*) FROM asides_got', 9960, 'what does not fail is applied');
is(query("SELECT stage, sqlstate, count(*) FROM kafka.dead_letters GROUP BY 1, 2 ORDER BY 1"), "decode|22P02|20\nstatement|23514|20", 'what fails is set aside');
query_becomes("SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = 'asides'", 10000, 'positions are past both');
query_becomes("SELECT sum(dead_letters) FROM kafka.stat_streams WHERE stream = 'asides'", 40, 'they are counted');

# Ten in a row, in one batch each
sub produce_batch
{
	query("SELECT kafka.pause_stream('asides')");
	produce($topic, records(@_), '-p', 0);
	query("SELECT kafka.resume_stream('asides')");
}
produce_batch((map { [ $_, -1 ] } 10000 .. 10008), 1);
query_becomes("SELECT count(*) FROM kafka.dead_letters", 50, 'nine in a row are set aside, and another one for another reason');
produce_batch([ 10009, -1 ], [ 10010, 1 ], map { [ $_, -1 ] } 10020 .. 10029);
query_becomes("SELECT string_agg(state, ',' ORDER BY state) FROM kafka.stat_streams WHERE stream = 'asides'", 'failed,idle', 'ten are no poison');
like(query("SELECT last_error FROM kafka.stat_streams WHERE stream = 'asides' AND state = 'failed'"),
	qr/10 records in a row failed with SQLSTATE 23514: .*kafka\.resume_stream\('asides'\)/s, 'but a stream that is broken');
is(query("SELECT count(*) FROM kafka.dead_letters"), 50, 'nothing moves');
($status, $out, $err) = $node->psql('postgres', "SELECT kafka.skip_record('asides')");
like($err, qr/stream "asides" has not failed at a record/, 'which no record is to blame for');
query('ALTER TABLE asides_got DROP CONSTRAINT asides_got_n_check');
query("SELECT kafka.resume_stream('asides')");
query_becomes("SELECT count(*) FROM asides_got", 9960 + 12, 'until it is mended');
is(query("BEGIN; SELECT kafka.retry_dead_letters('asides'); SELECT kafka.retry_dead_letters('asides'); SELECT count(*) FROM kafka.dead_letters; ROLLBACK"),
	"29\n0\n21", 'of dead letters that are run again, more in a row may fail');

# Ten in a row, in batches of fewer: also those that end the run are not kept, and it is counted anew when the stream is resumed
foreach my $records (3, 1)
{
	my $table = "few$records";
	$topic = topic($table);
	produce($topic, records((map { [ $_, -1 ] } 0 .. 5), [ 6, 1 ], map { [ $_, -1 ] } 7 .. 39));
	query("SELECT kafka.create_stream('$table', 'INSERT INTO ${table}_got SELECT id, n, o FROM $table', on_error => 'dead_letter', max_poll_records => $records)");
	my $fails_at = sub {
		my ($offset, $name) = @_;
		query_becomes("SELECT state || (last_error ~ 'offset $offset of') FROM kafka.stat_streams WHERE stream = '$table'", 'failedtrue', $name);
		my ($position, $letters) = split /\|/,
			query("SELECT next_offset, (SELECT count(*) FROM kafka.dead_letters WHERE stream = '$table') FROM kafka.offsets WHERE group_id = '$table'");
		ok($position <= $offset && $position > $offset - $records, "nothing of that batch is kept: $position");
		is($letters, $position - 1, 'and all that failed before');
		return $position;
	};
	my $position = $fails_at->(16, "a stream fails at the tenth in a row, in batches of $records");
	query("SELECT kafka.resume_stream('$table')");
	$fails_at->($position + 9, 'again after ten, when it was resumed');
	query("SELECT kafka.drop_stream('$table')");
}

# The run outlives the process, too
$topic = topic('processes');
query("SELECT kafka.create_stream('processes', 'INSERT INTO processes_got SELECT id, n, o FROM processes', on_error => 'dead_letter')");
produce($topic, records(map { [ $_, -1 ] } 0 .. 5));
query_becomes("SELECT count(*) FROM kafka.dead_letters WHERE stream = 'processes'", 6, 'six are set aside');
is(query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'stream processes'"), 't', 'another process goes on');
produce($topic, records(map { [ $_, -1 ] } 6 .. 9));
query_becomes("SELECT state FROM kafka.stat_streams WHERE stream = 'processes'", 'failed', 'and four more are ten');
query("SELECT kafka.drop_stream('processes')");

# Ten in a row that cannot be decoded; in a table that gets over them itself they do not count
$topic = topic('junk');
produce($topic, records((map { "junk $_" } 1 .. 12), [ 1, 1 ]));
query("SELECT kafka.create_stream('junk', 'INSERT INTO junk_got SELECT id, n, o FROM junk', on_error => 'dead_letter')");
query_becomes("SELECT state || ':' || left(last_error, 45) FROM kafka.stat_streams WHERE stream = 'junk'",
	'failed:10 records in a row failed with SQLSTATE 22P0', 'the same holds for decoding');
query("ALTER FOREIGN TABLE junk OPTIONS (ADD on_error 'ignore'); SELECT kafka.resume_stream('junk')");
query_becomes("SELECT string_agg(id || ':' || o, ',') FROM junk_got", '1:12', 'a table that ignores them goes on');

# reject_limit
$topic = topic('limits');
query("SELECT kafka.create_stream('limits', 'INSERT INTO limits_got SELECT id, n, o FROM limits', on_error => 'dead_letter', reject_limit => 2)");
produce($topic, records([ 1, 1 ], 'x', [ 2, 1 ], [ 3, -1 ], [ 4, 1 ], 'y', [ 5, 1 ]));
query_becomes("SELECT state || ':' || left(last_error, 38) FROM kafka.stat_streams WHERE stream = 'limits'",
	'failed:more than 2 records of a batch failed ', 'more than reject_limit in a batch are an error');
is(query("SELECT count(*) FROM limits_got"), 0, 'nothing moves');

# A procedure that needs its constraints deferred, in pieces; a record that is run again is what it was
query("CREATE TABLE owners (id int PRIMARY KEY); CREATE TABLE owned (id int, owner int REFERENCES owners DEFERRABLE INITIALLY DEFERRED);
	CREATE PROCEDURE own() LANGUAGE plpgsql AS \$\$ BEGIN
		INSERT INTO owned SELECT id, CASE WHEN n < 0 THEN -1 ELSE id END FROM owns;
		INSERT INTO owners SELECT owner FROM owned WHERE owner >= 0 ON CONFLICT DO NOTHING;
	END \$\$");
$topic = topic('owns');
produce($topic, records(map { [ $_, $_ % 40 == 7 ? -1 : 1 ] } 0 .. 99));
query("SELECT kafka.create_stream('owns', 'CALL own()', source => 'owns', on_error => 'dead_letter')");
query_becomes("SELECT count(*) FROM owned", 97, 'constraints are deferred in each piece');
is(query("SELECT sqlstate, count(*) FROM kafka.dead_letters WHERE stream = 'owns' GROUP BY 1"), '23503|3', 'and checked at its end');
query("INSERT INTO kafka.stored_dead_letters (stream, server, group_id, stage, sqlstate, error, failed_at, _topic, _partition, _offset, _timestamp, value)
	SELECT l.stream, l.server, l.group_id, l.stage, l.sqlstate, l.error, l.failed_at, l._topic, 0, i, l._timestamp, convert_to('{\"id\":' || i || ',\"n\":1}', 'UTF8')
	FROM generate_series(1000, 11009) i, (SELECT * FROM kafka.dead_letters WHERE stream = 'owns' LIMIT 1) l");
is(query("SELECT kafka.retry_dead_letters('owns')"), 10010, 'so they are where dead letters are run again, however many they are');

# One that gets over a violation of a constraint that can be deferred, and is not
query("CREATE TABLE seen (id int UNIQUE DEFERRABLE CHECK (id < 100)); CREATE TABLE again (id int);
	CREATE PROCEDURE see() LANGUAGE plpgsql AS \$\$ DECLARE r record; BEGIN
		FOR r IN SELECT id FROM sees LOOP
			BEGIN INSERT INTO seen VALUES (r.id); EXCEPTION WHEN unique_violation THEN INSERT INTO again VALUES (r.id); END;
		END LOOP;
		SET CONSTRAINTS ALL DEFERRED;
	END \$\$");
$topic = topic('sees');
produce($topic, records([ 500, 0 ], map { [ $_, 0 ] } 1, 1, 2, 501, 2, 3, 3, 4, 502, 4, 4));
query("SELECT kafka.create_stream('sees', 'CALL see()', source => 'sees', on_error => 'dead_letter')");
query_becomes("SELECT string_agg(id::text, ' ' ORDER BY id) FROM again", '1 2 3 4 4', 'what is not deferred is checked at once, in each piece');
is(query("SELECT string_agg(_offset || ' ' || sqlstate, ', ' ORDER BY _offset) FROM kafka.dead_letters WHERE stream = 'sees'"),
	'0 23514, 4 23514, 9 23514', 'and only what fails alone is set aside');

# What a transaction has left to its end is no fault of the letters that it runs again
($status, $out, $err) = $node->psql('postgres', "BEGIN; INSERT INTO owned VALUES (100, 20000); SELECT kafka.retry_dead_letters('owns'); COMMIT");
like($err, qr/Key \(owner\)=\(20000\) is not present/, 'it is an error of the call');
is(query("SELECT count(*) FROM kafka.dead_letters WHERE stream = 'owns' AND error ~ '=\\(-1\\)'"), 3, 'and they stay as they are');
is(query("BEGIN; SELECT kafka.retry_dead_letters('owns'); INSERT INTO owned VALUES (100, 100); INSERT INTO owners VALUES (100); COMMIT"),
	0, 'what comes after letters that fail can be deferred as ever');
query("INSERT INTO owners VALUES (-1)");
is(query("BEGIN; INSERT INTO owned VALUES (101, 101); INSERT INTO owners VALUES (101); SELECT kafka.retry_dead_letters('owns'); COMMIT"),
	3, 'and what came before ones that succeed');

# Also by whose clock its timestamp is
foreach my $clock (qw(CreateTime LogAppendTime))
{
	$topic = new_topic(1, "message.timestamp.type=$clock");
	produce($topic, "k1|good\n\\N|bad\nk3|\\N\n|bad\n", qw(-K | -T 1700000000123 -H a=1 -H b=2 -H a=3));
	query("CREATE FOREIGN TABLE whole (k text OPTIONS (metadata 'key'), v text, h kafka.header[] OPTIONS (metadata 'headers'),
			ts timestamptz OPTIONS (metadata 'timestamp'), t text OPTIONS (metadata 'timestamp_type'), o bigint OPTIONS (metadata 'offset'))
			SERVER k OPTIONS (topic '$topic', format 'text');
		CREATE TABLE whole_got (LIKE whole, CONSTRAINT c CHECK (v <> 'bad'));
		SELECT kafka.create_stream('whole', 'INSERT INTO whole_got SELECT * FROM whole', on_error => 'dead_letter')");
	query_becomes("SELECT count(*) FROM kafka.dead_letters WHERE stream = 'whole'", 2, 'records are set aside');
	is(query("ALTER TABLE whole_got DROP CONSTRAINT c; SELECT kafka.retry_dead_letters('whole')"), 2, 'and run again');
	is(query("SELECT count(*) FROM (SELECT * FROM whole EXCEPT ALL SELECT * FROM whole_got) t"), 0, 'with key, value, headers and timestamp');
	is(query('SELECT DISTINCT t FROM whole_got'), $clock, 'of the same clock');
	next if $clock eq 'LogAppendTime';

	# A position that is moved back takes along what was set aside behind it
	query("TRUNCATE whole_got; ALTER TABLE whole_got ADD CONSTRAINT c CHECK (v <> 'bad'); SELECT kafka.reset_stream('whole', 'earliest')");
	query_becomes("SELECT string_agg(_offset::text, ' ' ORDER BY _offset) FROM kafka.dead_letters WHERE stream = 'whole'", '1 3', 'set aside again');
	is(query("BEGIN; SELECT kafka.reset_stream('whole', partition => 0, next_offset => 2); SELECT _offset FROM kafka.dead_letters WHERE stream = 'whole'; ROLLBACK"),
		"\n1", 'what will be read again is no dead letter any more');
	query("SELECT kafka.reset_stream('whole', partition => 0, next_offset => 2)");
	query_becomes("SELECT string_agg(o::text, ' ' ORDER BY o) FROM whole_got", '0 2 2', 'it is read again');
	query_becomes("SELECT string_agg(_offset::text, ' ' ORDER BY _offset) FROM kafka.dead_letters WHERE stream = 'whole'", '1 3', 'and what fails again is there once');
	query("SELECT kafka.drop_stream('whole'); DROP FOREIGN TABLE whole; DROP TABLE whole_got");
}

# A source on another server: letters stay those of the cluster that they are from
query("CREATE SERVER k2 FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '" . bootstrap() . "')");
$topic = topic('moves');
query("CREATE FOREIGN TABLE moved (id int, n int, o bigint OPTIONS (metadata 'offset')) SERVER k2 OPTIONS (topic '$topic')");
produce($topic, records('no JSON', [ 1, -1 ]));
query("SELECT kafka.create_stream('moves', 'INSERT INTO moves_got SELECT id, n, o FROM moves', on_error => 'dead_letter')");
query_becomes("SELECT count(*) FROM kafka.dead_letters WHERE stream = 'moves'", 2, 'what fails is set aside');
query("SELECT kafka.alter_stream('moves', statement => 'INSERT INTO moves_got SELECT id, n, o FROM moved')");
my $letters = "SELECT string_agg(server || ' ' || _offset, ', ' ORDER BY server, _offset) FROM kafka.dead_letters WHERE stream = 'moves'";
query_becomes($letters, 'k 0, k 1, k2 0, k2 1', 'on each of two servers');
is(query("SELECT kafka.retry_dead_letters('moves')"), 0, 'they fail again');
is(query($letters), 'k 0, k 1, k2 0, k2 1', 'and are of the same servers as before');
is(query("BEGIN; SELECT kafka.reset_stream('moves', 'earliest'); $letters; ROLLBACK"), "\nk 0, k 1", 'what is not read again stays');
query("SELECT kafka.drop_stream('moves')");

# Whose they are
query('CREATE ROLE ann; CREATE ROLE bob');
is(query("SET ROLE ann; SELECT count(*) FROM kafka.dead_letters"), 0, 'others do not see them');
($status, $out, $err) = $node->psql('postgres', "SET ROLE ann; SELECT kafka.retry_dead_letters('asides')");
like($err, qr/must be owner of stream "asides"/, 'nor run them again');
($status, $out, $err) = $node->psql('postgres', "SET ROLE ann; SELECT kafka.skip_record('asides')");
like($err, qr/must be owner of stream "asides"/, 'nor skip');
query("ALTER ROLE ann LOGIN; GRANT EXECUTE ON FUNCTION kafka.create_stream TO ann; SELECT kafka.alter_stream_owner('asides', 'ann')");
is(query("SET ROLE ann; SELECT count(*) FROM kafka.dead_letters"), 50, 'who gets the stream gets them');
($status, $out, $err) = $node->psql('postgres', "SELECT kafka.retry_dead_letters('asides')");
like($err, qr/permission denied for foreign table asides/, 'whoever runs them has only the rights of the owner');
query('GRANT SELECT ON asides TO ann; GRANT INSERT ON asides_got TO ann; GRANT ann TO bob');
is(query("BEGIN; SET ROLE $_; SELECT kafka.retry_dead_letters('asides'); ROLLBACK"), 29, "which $_ may do")
	foreach 'ann', 'bob', query('SELECT quote_ident(current_user)');

# What the owner wrote runs with no other rights, now or at COMMIT, whoever acts for him, and leaves nothing in the session
query("CREATE ROLE mallory LOGIN; CREATE SCHEMA m AUTHORIZATION mallory; GRANT mallory TO bob; CREATE SCHEMA b; CREATE TABLE b.notes (who name);
	GRANT USAGE ON FOREIGN SERVER k TO mallory; GRANT EXECUTE ON FUNCTION kafka.create_stream TO mallory");
$topic = new_topic(1);
query(<<~"EOF");
	SET ROLE mallory; SET search_path = m;
	CREATE FOREIGN TABLE src (id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE got (id int CONSTRAINT c CHECK (id < 0)); CREATE TABLE ran (how text, who name DEFAULT current_user);
	CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO m.ran VALUES (''trigger''); RETURN NULL; END';
	CREATE CONSTRAINT TRIGGER t AFTER INSERT ON got DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fire();
	CREATE PROCEDURE work() LANGUAGE sql AS 'INSERT INTO m.got SELECT id FROM m.src';
	SELECT kafka.create_stream('traps', 'CALL m.work()', source => 'm.src', on_error => 'dead_letter');
	EOF
produce($topic, "{\"id\":1}\n{\"id\":2}\n");
query_becomes("SELECT count(*) FROM kafka.dead_letters WHERE stream = 'traps'", 2, 'a role has dead letters');
query('ALTER TABLE m.got DROP CONSTRAINT c');
my $work = sub { query("CREATE OR REPLACE PROCEDURE m.work() LANGUAGE plpgsql AS \$\$ BEGIN $_[0]; INSERT INTO m.got SELECT id FROM m.src; END \$\$") };
foreach my $trap (
	[ 'RESET ROLE', qr/cannot set parameter "role" within/ ],
	[ 'RESET SESSION AUTHORIZATION', qr/cannot set parameter "session_authorization" within/ ],
	[ 'SET CONSTRAINTS ALL DEFERRED', qr/cannot fire deferred trigger within security-restricted operation/ ],
	[ 'CREATE TEMP TABLE notes (who name)', qr/cannot create temporary table within security-restricted operation/ ],
	[ q(EXECUTE 'DECLARE h CURSOR WITH HOLD FOR SELECT 1'), qr/cannot create a cursor WITH HOLD within security-restricted operation/ ])
{
	$work->($trap->[0]);
	foreach my $role ('', 'SET ROLE mallory;', 'SET SESSION AUTHORIZATION mallory;', 'SET ROLE bob;')
	{
		($status, $out, $err) = $node->psql('postgres', "$role SELECT kafka.retry_dead_letters('traps')");
		like($err, $trap->[1], "refused: $trap->[0] ($role)");
	}
}
$work->("SET search_path = nowhere; INSERT INTO m.ran VALUES ('procedure')");
query("CREATE FUNCTION b.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO b.notes VALUES (current_user); RETURN NULL; END';
	CREATE TABLE b.noted (id int); CREATE CONSTRAINT TRIGGER t AFTER INSERT ON b.noted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION b.note()");
is(query("BEGIN; INSERT INTO b.noted VALUES (1); SELECT kafka.retry_dead_letters('traps'); SHOW search_path; COMMIT; SELECT current_user = session_user"),
	"2\n\"\$user\", public\nt", 'what does no such thing is run');
is(query('SELECT DISTINCT how, who FROM m.ran ORDER BY 1'), "procedure|mallory\ntrigger|mallory", 'as the owner');
is(query('SELECT who = current_user FROM b.notes'), 't', 'and what the session has deferred as itself');

# A procedure can fail at records that it has not read: they are set aside only if the owner may read them
query(<<~"EOF");
	SELECT kafka.drop_stream('traps');
	CREATE PROCEDURE m.refuse() LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'unread'; END \$\$;
	GRANT SELECT ON stops TO mallory;
	BEGIN; SET LOCAL ROLE mallory;
	SELECT kafka.create_stream('peeks', 'CALL m.refuse()', source => 'stops', on_error => 'dead_letter', max_poll_records => 5);
	SELECT kafka.pause_stream('peeks'); COMMIT;
	REVOKE SELECT ON stops FROM mallory; SELECT kafka.resume_stream('peeks');
	EOF
query_becomes("SELECT state || ': ' || split_part(last_error, ' (', 1) FROM kafka.stat_streams WHERE stream = 'peeks'",
	'failed: permission denied for foreign table stops', 'a stream ends whose owner may not read its source');
is(query("SELECT count(*) FROM kafka.dead_letters WHERE stream = 'peeks'"), 0, 'and shows nothing of it');

# Letters go along with a server's name, also those that are run again meanwhile, and stay where another server gets one's name
my $kept = "SELECT string_agg(DISTINCT server, ' '), count(*) FROM kafka.dead_letters WHERE stream = 'goes'";
query('SELECT kafka.drop_stream(name) FROM kafka.streams');
my $goes = topic('goes');
produce($goes, records(map { [ $_, -1 ] } 1 .. 5));
query("SELECT kafka.create_stream('goes', 'INSERT INTO goes_got SELECT id, n, o FROM goes', on_error => 'dead_letter')");
query_becomes($kept, 'k|5', 'letters of a server');
my ($retries, $renames) = map { KafkaSession->new($node) } 1 .. 2;
is($retries->run("BEGIN; SELECT kafka.retry_dead_letters('goes')"), 0, 'are run again');
$renames->start('ALTER SERVER k RENAME TO renamed');
query_becomes("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'RENAME'", 1, 'which a RENAME waits for');
$retries->run('COMMIT');
$renames->finish(60);
is(query($kept), 'renamed|5', 'and takes them along');
$renames->run('BEGIN; ALTER SERVER renamed RENAME TO k');
$retries->start("SELECT kafka.retry_dead_letters('goes')");
query_becomes("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'retry_dead'", 1, 'which waits for a RENAME, too');
query("ALTER TABLE goes_got DROP CONSTRAINT goes_got_n_check");
$renames->run('COMMIT');
is($retries->finish(60), 5, 'and then has all of them');
query("ALTER TABLE goes_got ADD CHECK (n >= 0) NOT VALID");
produce($goes, records([ 6, -1 ]));
query_becomes($kept, 'k|1', 'another letter');
my $servers = bootstrap();
query(<<~"EOF");
	CREATE SERVER next FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers');
	ALTER SERVER k RENAME TO old;
	CREATE FOREIGN TABLE gone (id int, n int, o bigint OPTIONS (metadata 'offset')) SERVER next OPTIONS (topic 'none');
	SELECT kafka.alter_stream('goes', source => 'gone', statement => 'INSERT INTO goes_got SELECT id, n, o FROM gone');
	ALTER SERVER old RENAME TO older;
	ALTER SERVER next RENAME TO old;
	EOF
is(query($kept), 'older|1', 'one of a server that is no more the source of the stream stays with that');
query('SET client_min_messages = warning; DROP SERVER older CASCADE');
query('ALTER SERVER old RENAME TO older');
is(query($kept), 'older|1', 'also where another server gets its name');

$node->stop;
done_testing();
