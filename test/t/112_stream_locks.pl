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
}

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
