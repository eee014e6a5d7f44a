# What streams lock: little, however many partitions there are; and who changes a stream is never their victim.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query_becomes);
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => 'max_locks_per_transaction = 10');

# Ten streams of a topic with many partitions take a few locks for each batch, not one for each partition.
my $wide = new_topic(300);
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE copied (n int, id int);
	CREATE FOREIGN TABLE wide (id int) SERVER k OPTIONS (topic '$wide');
	SELECT kafka.create_stream('wide' || n, format('INSERT INTO copied SELECT %s, id FROM wide', n)) FROM generate_series(1, 10) n;
	EOF
produce($wide, join('', map { "{\"id\": $_}\n" } 1 .. 100));
query_becomes('SELECT count(*), count(DISTINCT n) FROM copied', '1000|10', 'ten streams read 300 partitions');
query_becomes("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0, 'and hold no lock when they are idle');
$node->safe_psql('postgres', "SELECT kafka.drop_stream(name) FROM kafka.streams");

# A transaction that changes a table of a stream, and then the stream: the batch gives way.
my $topic = new_topic(1);
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE target (id int);
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	SELECT kafka.create_stream('copy', 'INSERT INTO target SELECT id FROM ids');
	EOF
my $session = KafkaSession->new($node);
my $produced = 0;
foreach my $change ('ALTER TABLE target ADD COLUMN c1 int', 'ALTER FOREIGN TABLE ids ADD COLUMN c2 int')
{
	$session->run("BEGIN; $change");
	produce($topic, '{"id": ' . ++$produced . '}');
	query_becomes("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'kafka_fdw stream' AND wait_event_type = 'Lock'",
		1, "a batch waits after $change");
	$session->run("SELECT kafka.pause_stream('copy'); COMMIT");
	is($session->error, '', 'the stream can be paused in the same transaction');
	$node->safe_psql('postgres', "SELECT kafka.resume_stream('copy')");
	query_becomes('SELECT count(*) FROM target', $produced, 'and goes on afterwards');
	like($node->safe_psql('postgres', 'SELECT last_error FROM kafka.stat_streams'), qr/^(?:gave way to a session that changes the stream, and holds a lock that was waited for|deadlock detected) /,
		'what happened is said');
}

# The same where the session does not name the stream, whatever it locks next: it never is the victim of a deadlock.
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE rows (id int PRIMARY KEY, n int);
	INSERT INTO rows VALUES (1, 0), (2, 0);
	CREATE PROCEDURE count_rows() LANGUAGE plpgsql AS \$\$ BEGIN
		INSERT INTO target SELECT id FROM ids;
		UPDATE rows SET n = n + 1 WHERE id = 1;
		UPDATE rows SET n = n + 1 WHERE id = 2;
	END \$\$;
	SELECT kafka.alter_stream('copy', statement => 'CALL count_rows()', source => 'ids');
	EOF
foreach my $change (
	[ 'ALTER TABLE target ADD COLUMN c3 int', 'ALTER FOREIGN TABLE ids ADD COLUMN c4 int' ],
	[ 'LOCK TABLE target', 'ALTER SERVER k RENAME TO l' ],
	[ 'UPDATE rows SET n = n + 10 WHERE id = 2', 'UPDATE rows SET n = n + 10 WHERE id = 1' ])
{
	my ($first, $second) = @$change;
	query_becomes('SELECT state FROM kafka.stat_streams', 'idle', 'a stream runs');
	$session->run("BEGIN; $first");
	produce($topic, '{"id": ' . ++$produced . '}');
	query_becomes("SELECT count(*) FROM pg_locks WHERE NOT granted AND waitstart < clock_timestamp() - interval '0.1 s'", 1, "a batch waits after $first");
	$session->run("$second; COMMIT");
	is($session->error, '', "$second comes first");
	query_becomes('SELECT count(*) FROM target', $produced, 'and the batch afterwards');
}
is($node->safe_psql('postgres', 'SELECT string_agg(n::text, $$ $$) FROM rows'), '13 13', 'both have done what they were to do');
$node->safe_psql('postgres', "SELECT kafka.drop_stream('copy'); ALTER SERVER l RENAME TO k");

# Statistics are there while a stream is busy, not only when it waits.
my $busy = new_topic(1);
produce($busy, join('', map { "{\"id\": $_}\n" } 1 .. 300));
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE slow (id int);
	CREATE FOREIGN TABLE busy (id int) SERVER k OPTIONS (topic '$busy');
	SELECT kafka.create_stream('slow', 'INSERT INTO slow SELECT id FROM busy, LATERAL (SELECT pg_sleep(id * 0 + 0.1)) s', max_poll_records => 1);
	EOF
query_becomes(q(SELECT n_tup_ins > 0 FROM pg_stat_user_tables WHERE relname = 'slow'), 't', 'a table that grows has statistics');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM slow'), '<', 300, 'long before the backlog is done');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
