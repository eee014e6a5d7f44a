# A stream whose source is a list of topics, or some partitions: what its workers read, and positions for each topic.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query_becomes);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');

# Two topics are merged: two workers share their partitions, also those that are added.
my ($one, $two) = (new_topic(3), new_topic(2));
produce_to_each($one, 0 .. 2);
produce_to_each($two, 0 .. 1);
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE merged_topic (id int, t text OPTIONS (metadata 'topic'), p int OPTIONS (metadata 'partition'))
		SERVER k OPTIONS (topic '$one,$two');
	CREATE TABLE merged (n bigint GENERATED ALWAYS AS IDENTITY, id int, t text, p int, pid int DEFAULT pg_backend_pid());
	SELECT kafka.create_stream('merged', 'INSERT INTO merged (id, t, p) SELECT id, t, p FROM merged_topic', workers => 2);
	EOF
query_becomes('SELECT count(*), count(DISTINCT pid) FROM merged', '5|2', 'both workers read');
is($node->safe_psql('postgres', "SELECT string_agg(ps, ' ' ORDER BY ps COLLATE \"C\") FROM (
	SELECT string_agg(CASE t WHEN '$one' THEN 'a' ELSE 'b' END || p, ',' ORDER BY t = '$two', p) AS ps FROM merged GROUP BY pid) x"),
	'a0,a2,b1 a1,b0', 'each its share of both topics');
is($node->safe_psql('postgres', "SELECT count(DISTINCT topic), count(*), min(next_offset), max(next_offset) FROM kafka.offsets WHERE group_id = 'merged'"),
	'2|5|1|1', 'positions are kept for each topic');
kafka_tool('add-partitions', $one, 4);
produce_to_each($one, 0 .. 3);
$node->safe_psql('postgres', 'ALTER FOREIGN TABLE merged_topic OPTIONS (ADD fetch_min_bytes \'1\')');
query_becomes('SELECT count(*), count(DISTINCT (t, p)) FROM merged', '9|6', 'a partition more in the first topic changes nothing in the second');
produce_to_each($two, 0 .. 1) for 1 .. 50;
query_becomes("SELECT count(*) FILTER (WHERE t = '$two'), count(*) FROM merged", '102|109', 'what was read in each topic goes on');

# Results come in the order of topic, partition and offset; a batch that fails tells the topics.
$node->safe_psql('postgres', "SELECT kafka.pause_stream('merged'); TRUNCATE merged");
produce_to_each($two, 0 .. 1);
produce_to_each($one, 0 .. 3);
$node->safe_psql('postgres', "ALTER TABLE merged ADD CHECK (id <> 3); SELECT kafka.resume_stream('merged')");
query_becomes("SELECT state FROM kafka.stat_streams WHERE stream = 'merged' AND state = 'failed' LIMIT 1", 'failed', 'a record that does not fit stops its worker');
like(slurp_file($node->logfile), qr/batch of \d+ records of topic "$one,$two": .*\b$one partition 3 offsets/, 'the log tells which records');

# The partitions of a topic on two servers' behalf.
my $shared = new_topic(4);
produce_to_each($shared, 0 .. 3);
$node->safe_psql('postgres', <<~"EOF");
	CREATE TABLE parts (s text, id int, pid int DEFAULT pg_backend_pid());
	CREATE FOREIGN TABLE low_topic (id int) SERVER k OPTIONS (topic '$shared', partitions '0,2');
	CREATE FOREIGN TABLE high_topic (id int) SERVER k OPTIONS (topic '$shared', partitions '3-5');
	SELECT kafka.create_stream('low', 'INSERT INTO parts SELECT ''low'', id FROM low_topic', workers => 2);
	SELECT kafka.create_stream('high', 'INSERT INTO parts SELECT ''high'', id FROM high_topic');
	EOF
query_becomes("SELECT string_agg(id::text, ',' ORDER BY id), count(DISTINCT pid) FROM parts", '0,2|2', 'each worker has a partition of those that are selected');
query_becomes("SELECT state, last_error ~ 'has no partition 4' FROM kafka.stat_streams WHERE stream = 'high'", 'stalled|t',
	'a stream waits for a partition that is not there');
kafka_tool('add-partitions', $shared, 6);
produce_to_each($shared, 0 .. 5);
query_becomes("SELECT string_agg(s || id, ',' ORDER BY s DESC, id) FROM parts", 'low0,low0,low2,low2,high3,high3,high4,high5', 'and reads it then');

done_testing();
