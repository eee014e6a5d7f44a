# Which partitions a worker reads and from where: several workers, new partitions, markers, positions out of range.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query_becomes);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');

sub create_stream
{
	my ($name, $topic, $options, $arguments) = @_;
	$node->safe_psql('postgres', <<~"EOF");
		CREATE FOREIGN TABLE ${name}_topic (id int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
			SERVER k OPTIONS (topic '$topic' $options);
		CREATE TABLE $name (id int, p int, o bigint, pid int DEFAULT pg_backend_pid());
		SELECT kafka.create_stream('$name', 'INSERT INTO $name SELECT id, p, o FROM ${name}_topic' $arguments);
		EOF
	return;
}

# Three workers share five partitions, and the partitions that are added.
my $topic = new_topic(5);
produce_to_each($topic, 0 .. 4);
create_stream('shared', $topic, '', ', workers => 3');
query_becomes("SELECT array_agg(partitions ORDER BY worker) FROM kafka.stat_streams WHERE state = 'idle'", '{2,2,1}', 'workers have their shares');
query_becomes('SELECT count(*), count(DISTINCT pid) FROM shared', '5|3', 'and read them');
is($node->safe_psql('postgres', 'SELECT string_agg(ps, \' \' ORDER BY ps) FROM (SELECT string_agg(p::text, \',\' ORDER BY p) AS ps FROM shared GROUP BY pid) x'),
	'0,3 1,4 2', 'by partition modulo workers');
kafka_tool('add-partitions', $topic, 8);
produce_to_each($topic, 5 .. 7);

# Workers that have no partition wait for one.
my $narrow = new_topic(1);
produce_to_each($narrow, 0);
create_stream('narrow', $narrow, '', ', workers => 3');
query_becomes("SELECT array_agg(partitions ORDER BY worker), count(pid), max(lag) FROM kafka.stat_streams WHERE stream = 'narrow' AND state = 'idle'",
	'{1,0,0}|3|0', 'there can be more workers than partitions');
query_becomes('SELECT count(*) FROM narrow', 1, 'one of them reads');
my $idle = $node->safe_psql('postgres', "SELECT array_agg(pid ORDER BY worker) FROM kafka.stat_streams WHERE stream = 'narrow'");

# A position moves past what is no record: here the marker of a transaction that was aborted.
my $markers = new_topic(1);
produce($markers, "{\"id\":1}\n", '-x', 'commit');
produce($markers, "{\"id\":2}\n{\"id\":3}\n", '-x', 'abort');
create_stream('committed', $markers, '', '');
query_becomes("SELECT next_offset FROM kafka.offsets WHERE group_id = 'committed'", 5, 'positions move past markers and aborted records');
query_becomes("SELECT lag, records_in, state FROM kafka.stat_streams WHERE stream = 'committed'", '0|1|idle', 'so that there is no lag');
produce($markers, "{\"id\":4}\n", '-x', 'abort');
query_becomes("SELECT next_offset FROM kafka.offsets WHERE group_id = 'committed'", 7, 'also where there is nothing else');
is($node->safe_psql('postgres', 'SELECT array_agg(id) FROM committed'), '{1}', 'nothing aborted is seen');

# A stream that begins at the ends begins there in all partitions at once, also when it is stopped before its first record.
my $latest = new_topic(4);
produce_to_each($latest, 0 .. 3);
create_stream('newest', $latest, ", auto_offset_reset 'latest'", ', workers => 2');
query_becomes("SELECT count(*), sum(next_offset) FROM kafka.offsets WHERE group_id = 'newest'", '4|4', 'a group that begins at the ends has its positions at once');
$node->safe_psql('postgres', "SELECT kafka.pause_stream('newest')");
query_becomes("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stream newest'", 0, 'it stops');
produce_to_each($latest, 0 .. 3);
$node->safe_psql('postgres', "SELECT kafka.resume_stream('newest')");
query_becomes('SELECT count(*), min(o) FROM newest', '4|1', 'and reads what came after that, and nothing else');
create_stream('none', $latest, ", auto_offset_reset 'none'", '');
query_becomes("SELECT state FROM kafka.stat_streams WHERE stream = 'none'", 'failed', 'without a position, auto_offset_reset none fails');

# Retention overtakes a paused stream: an error with the numbers, unless the table says what to do.
my $short = new_topic(1);
produce($short, join('', map { "{\"id\":$_}\n" } 0 .. 9));
create_stream('strict', $short, '', '');
create_stream('lenient', $short, ", on_offset_out_of_range 'earliest'", '');
query_becomes("SELECT count(*) FROM $_", 10, "$_ reads") foreach qw(strict lenient);
$node->safe_psql('postgres', "SELECT kafka.pause_stream('$_')") foreach qw(strict lenient);
produce($short, join('', map { "{\"id\":$_}\n" } 10 .. 19));
kafka_tool('delete-records', $short, 0, 15);
$node->safe_psql('postgres', "SELECT kafka.resume_stream('$_')") foreach qw(strict lenient);
query_becomes("SELECT state, last_error ~ 'position 10 .* is out of range' AND last_error ~ '15 to 20' FROM kafka.stat_streams WHERE stream = 'strict'",
	'failed|t', 'lost records are an error');
query_becomes('SELECT count(*), max(id) FROM lenient', '15|19', 'or skipped, if so wanted');
$node->safe_psql('postgres', "SELECT kafka.reset_stream('strict', 'earliest')");
query_becomes('SELECT count(*), max(id) FROM strict', '15|19', 'and a stream that met them goes on where it is told to');

is($node->safe_psql('postgres', "SELECT array_agg(pid ORDER BY worker) FROM kafka.stat_streams WHERE stream = 'narrow'"), $idle, 'workers without partitions are the processes that they were');
kafka_tool('add-partitions', $narrow, 2);
produce_to_each($narrow, 1);
query_becomes("SELECT array_agg(partitions ORDER BY worker) FROM kafka.stat_streams WHERE stream = 'shared'", '{3,3,2}', 'new partitions are shared too');
query_becomes('SELECT count(*), count(DISTINCT (p, o)) FROM shared', '8|8', 'and read from their beginning, once');

query_becomes('SELECT count(*), count(DISTINCT pid) FROM narrow', '2|2', 'one that waited for a partition reads it');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
