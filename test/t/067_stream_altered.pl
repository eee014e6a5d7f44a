# What a stream stands on is altered while it runs: its server, its source, its name in the hands of others.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(2);
my $other = new_topic(1);

sub produce_ids
{
	my ($to, @ids) = @_;
	produce($to, join('', map { "{\"id\":$_}\n" } @ids));
	return;
}

$node->safe_psql('postgres', <<~"EOF2");
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'app', max_poll_records '2');
	CREATE TABLE numbers (id int);
	SELECT kafka.create_stream('numbers', 'INSERT INTO numbers SELECT id FROM ids');
	EOF2
produce_ids($topic, 1 .. 5);
becomes($node, 'postgres', 'SELECT count(*) FROM numbers', 5, 'a stream runs');

# A server that is renamed takes its positions along
is($node->safe_psql('postgres', 'SELECT count(*) FROM feed'), 2, 'a group has a position');
$node->safe_psql('postgres', "INSERT INTO kafka.offsets (server, group_id, topic, partition, next_offset) VALUES ('renamed', 'app', '$topic', 0, 77)");
$node->safe_psql('postgres', 'ALTER SERVER k RENAME TO renamed');
is($node->safe_psql('postgres', 'SELECT DISTINCT server FROM kafka.offsets'), 'renamed', 'positions follow the name of the server');
is($node->safe_psql('postgres', 'SELECT count(*) FROM feed') + $node->safe_psql('postgres', 'SELECT count(*) FROM feed'), 3,
	'a consuming table goes on');
produce_ids($topic, 6);
becomes($node, 'postgres', 'SELECT count(*) FROM numbers', 6, 'so does the stream');
$node->safe_psql('postgres', "SELECT kafka.pause_stream('numbers'); SELECT kafka.resume_stream('numbers')");
produce_ids($topic, 7);
becomes($node, 'postgres', 'SELECT count(*) FROM numbers WHERE id = 7', 1, 'also when it is started again');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM numbers'), '7|7', 'no record is read twice');

# What a stream has left under the name of a server that was dropped stays, when another server gets that name
my $server = "FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '" . bootstrap() . "')";
$node->safe_psql('postgres', <<~"EOF2");
	CREATE SERVER gone $server;
	CREATE FOREIGN TABLE gone_ids (id int) SERVER gone OPTIONS (topic '$topic');
	CREATE TABLE gone_numbers (id int);
	SELECT kafka.create_stream('gone', 'INSERT INTO gone_numbers SELECT id FROM gone_ids');
	EOF2
becomes($node, 'postgres', 'SELECT count(*) FROM gone_numbers', 7, 'a stream of another server runs');
$node->safe_psql('postgres', "DROP SERVER gone CASCADE; CREATE SERVER comes $server; ALTER SERVER comes RENAME TO gone");
is($node->safe_psql('postgres', "SELECT server || ' ' || sum(next_offset) FROM kafka.offsets WHERE group_id = 'gone' GROUP BY server"), 'gone 7', 'its position is there');
$node->safe_psql('postgres', "SELECT kafka.drop_stream('gone'); DROP SERVER gone; DROP TABLE gone_numbers");

# Another wrapper's server of any name is none of ours
$node->safe_psql('postgres', 'CREATE FOREIGN DATA WRAPPER none; CREATE SERVER n FOREIGN DATA WRAPPER none; ALTER SERVER n RENAME TO m');

# A source that shows another topic
produce_ids($other, 101);
$node->safe_psql('postgres', "ALTER FOREIGN TABLE ids OPTIONS (SET topic '$other')");
becomes($node, 'postgres', 'SELECT count(*) FROM numbers WHERE id = 101', 1, 'an idle stream follows the topic of its source');
$node->safe_psql('postgres', "ALTER FOREIGN TABLE ids OPTIONS (SET topic '$topic')");
produce_ids($topic, 8);
becomes($node, 'postgres', 'SELECT count(*) FROM numbers', 9, 'and goes on where it was in the first one');

# A table that took the source's name is not read as a whole with each batch
$node->safe_psql('postgres', <<~"EOF2");
	ALTER FOREIGN TABLE ids RENAME TO moved;
	CREATE FOREIGN TABLE ids (id int) SERVER renamed OPTIONS (topic '$topic');
	EOF2
produce_ids($topic, 9);
becomes($node, 'postgres', 'SELECT state FROM kafka.stat_streams', 'failed', 'a stream whose statement does not read its source any more fails');
like($node->safe_psql('postgres', 'SELECT last_error FROM kafka.stat_streams'),
	qr/reads topic table "ids", not its source "moved"/, 'and says so');
is($node->safe_psql('postgres', 'SELECT count(*) FROM numbers'), 9, 'nothing was written');
$node->safe_psql('postgres', "DROP FOREIGN TABLE ids; ALTER FOREIGN TABLE moved RENAME TO ids; SELECT kafka.resume_stream('numbers')");
becomes($node, 'postgres', 'SELECT count(*) FROM numbers', 10, 'mended, it goes on');

# A source that becomes a consuming table, whose on_error is none that a stream knows
my $grouped = new_topic(1);
$node->safe_psql('postgres', <<~"EOF2");
	CREATE FOREIGN TABLE grouped (id int) SERVER renamed OPTIONS (topic '$grouped');
	SELECT kafka.create_stream('grouped', 'INSERT INTO numbers SELECT id FROM grouped');
	EOF2
produce_ids($grouped, 200);
becomes($node, 'postgres', 'SELECT count(*) FROM numbers WHERE id = 200', 1, 'another stream runs');
$node->safe_psql('postgres', "ALTER FOREIGN TABLE grouped OPTIONS (ADD group_id 'other', ADD on_error 'dead_letter')");
produce_ids($grouped, '"bad"');
becomes($node, 'postgres', "SELECT state, split_part(last_error, E'\\nCONTEXT', 1) FROM kafka.stat_streams WHERE stream = 'grouped'",
	qq(failed|"grouped" is a consuming table, which cannot be the source of a stream (SQLSTATE 42809)\nHINT:  Use a table of the same topic without "group_id": the stream's name is its group.),
	'a source that got a group fails its stream, and says what to do');
(undef, undef, my $retried) = $node->psql('postgres', "SELECT kafka.retry_dead_letters('grouped')");
like($retried, qr/"grouped" is a consuming table, which cannot be the source of a stream/, 'nor are dead letters of it run again');
$node->safe_psql('postgres', "ALTER FOREIGN TABLE grouped OPTIONS (DROP group_id, DROP on_error); SELECT kafka.resume_stream('grouped')");
becomes($node, 'postgres', "SELECT last_error ~ 'invalid input syntax for type integer: \"bad\"' FROM kafka.stat_streams WHERE stream = 'grouped'", 't',
	'without it the record is what fails');
$node->safe_psql('postgres', "SELECT kafka.skip_record('grouped')");
produce_ids($grouped, 201);
becomes($node, 'postgres', 'SELECT count(*) FROM numbers WHERE id = 201', 1, 'and the stream goes on from where it was');
is($node->safe_psql('postgres', "SELECT count(*) FROM kafka.offsets WHERE group_id = 'other'"), 0, 'the group has no position');

# The group of consuming tables is not taken over
my (undef, undef, $error) = $node->psql('postgres', "SELECT kafka.create_stream('app', 'INSERT INTO numbers SELECT id FROM ids')");
like($error, qr/consumer group "app" is used by consuming tables/, 'a stream cannot take the group of a consuming table');
is($node->safe_psql('postgres', "SELECT count(*) > 0 FROM kafka.offsets WHERE group_id = 'app'"), 't', 'which keeps its position');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
