# An old snapshot elsewhere keeps all versions of a stream's position; a batch does not look at them.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);
my $records = 2000;
produce($topic, join('', map { "{\"id\": $_}\n" } 1 .. $records));
my $session = KafkaSession->new($node);
$session->run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE copied (id int);
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids', max_poll_records => 1);
	EOF
my $moves = "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relid = 'kafka.offsets'::regclass";
becomes($node, 'postgres', $moves, $records, 'a stream moves its position with each record');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM copied'), "$records|$records", 'and copies them all');
cmp_ok($node->safe_psql('postgres', "SELECT pg_relation_size('kafka.offsets') / current_setting('block_size')::int"), '>', 15, 'all versions are there');
my $blocks = $node->safe_psql('postgres', q(SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read) FROM pg_statio_user_tables
	WHERE relid = 'kafka.offsets'::regclass));
cmp_ok($blocks / $records, '<', 10, 'a move looks at few of them');

# Somebody else changes the row.
$node->safe_psql('postgres', "UPDATE kafka.offsets SET next_offset = 0, generation = generation + 1");
produce($topic, '{"id": 0}');
becomes($node, 'postgres', 'SELECT count(*), count(DISTINCT id) FROM copied', (2 * $records + 1) . '|' . ($records + 1), 'a position that was set is where it goes on');

$session->run('COMMIT');
$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
