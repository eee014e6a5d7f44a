# kafka.reset_stream() moves a running stream's position between two of its batches.
use strict;
use warnings;
use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(2);
my $count = 'SELECT count(*), count(DISTINCT v) FROM target';

$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE source (v int) SERVER k OPTIONS (topic '$topic', format 'text');
	CREATE TABLE target (v int);
	CREATE TABLE gate (i int);
	EOF
produce($topic, join('', map { ($_ % 2) . "|$_\n" } 1 .. 10), '-P', '|');
$node->safe_psql('postgres', "SELECT kafka.create_stream('s', 'INSERT INTO target SELECT v FROM source', workers => 2)");
becomes($node, 'postgres', $count, '10|10', 'the stream reads the topic');

$node->safe_psql('postgres', "SELECT kafka.reset_stream('s', 'earliest')");
becomes($node, 'postgres', $count, '20|10', 'and again after a reset');
$node->safe_psql('postgres', "SELECT kafka.reset_stream('s', partition => 1, next_offset => 3)");
becomes($node, 'postgres', $count, '22|10', 'one partition from an offset on');
is($node->safe_psql('postgres', "BEGIN; SELECT kafka.reset_stream('s', 'earliest'); ROLLBACK; SELECT next_offset FROM kafka.offsets"),
	"\n5\n5", 'a rollback leaves it where it was');
produce($topic, "0|11\n", '-P', '|');
becomes($node, 'postgres', $count, '23|11', 'and it goes on from there');

# a batch that waits for a lock of ours steps back
my $session = KafkaSession->new($node, 'postgres');
$session->run('BEGIN; LOCK target');
produce($topic, "0|12\n", '-P', '|');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted"), 'a batch waits');
$session->run("SELECT kafka.reset_stream('s', 'latest')");
$session->run('COMMIT');
produce($topic, "0|13\n", '-P', '|');
becomes($node, 'postgres', 'SELECT count(*), max(v) FROM target', '24|13', 'it is skipped, and what comes later is read');

# a stream that failed at a record goes on behind it
$node->safe_psql('postgres', 'ALTER TABLE target ADD CHECK (v <> 14) NOT VALID');
produce($topic, "0|14\n0|15\n", '-P', '|');
becomes($node, 'postgres', "SELECT 'failed' = ANY (array_agg(state)) FROM kafka.stat_streams", 't', 'it fails');
$node->safe_psql('postgres', "SELECT kafka.reset_stream('s', shift_by => 1, partition => 0)");
becomes($node, 'postgres', 'SELECT max(v) FROM target', '15', 'and goes on behind what it failed at');

# a record that was skipped is judged anew when it is read again
my $failed = "SELECT 'failed' = ANY (array_agg(state)) FROM kafka.stat_streams";
produce($topic, "0|14\n", '-P', '|');
becomes($node, 'postgres', $failed, 't', 'it fails at another record');
$node->safe_psql('postgres', "SELECT kafka.skip_record('s')");
becomes($node, 'postgres', 'SELECT count(*) FROM kafka.dead_letters', '1', 'which is skipped');
$node->safe_psql('postgres', "SELECT kafka.reset_stream('s', shift_by => -1, partition => 0)");
becomes($node, 'postgres', $failed, 't', 'read again it fails again');
is($node->safe_psql('postgres', "SELECT count(*), (SELECT settings ? 'skip' FROM kafka.streams) FROM kafka.dead_letters"), '0|f', 'nothing is set aside');

# what is to be skipped is of the server that is read now, whatever was read from another one
my ($picked, $bootstrap) = (new_topic(1), bootstrap());
produce($picked, join('', map { "$_\n" } 0 .. 4));
$node->safe_psql('postgres', <<~"EOF");
	CREATE SERVER other FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap');
	CREATE FOREIGN TABLE here (v int) SERVER k OPTIONS (topic '$picked', format 'text');
	CREATE FOREIGN TABLE there (v int) SERVER other OPTIONS (topic '$picked', format 'text');
	CREATE TABLE picky (v int);
	SELECT kafka.create_stream('moved', 'INSERT INTO picky SELECT v FROM here');
	EOF
becomes($node, 'postgres', 'SELECT count(*) FROM picky', '5', 'a stream has read a topic');
$node->safe_psql('postgres', q(ALTER TABLE picky ADD CHECK (v NOT IN (1, 3)) NOT VALID;
	SELECT kafka.alter_stream('moved', 'INSERT INTO picky SELECT v FROM there', source => 'there')));
foreach my $offset (1, 3)
{
	becomes($node, 'postgres', "SELECT state = 'failed' AND last_error ~ 'partition 0, offset $offset\\M' FROM kafka.stat_streams WHERE stream = 'moved'", 't',
		"it fails at offset $offset of another server");
	$node->safe_psql('postgres', "SELECT kafka.skip_record('moved')");
}
becomes($node, 'postgres', 'SELECT count(*) FROM picky', '8', 'and goes on behind both');
ok(!crashed($node), 'nothing crashed');
done_testing();
