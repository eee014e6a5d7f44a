# Streams that are altered and replaced while they run, and what bounds their batches.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => 'kafka_fdw.max_workers = 8');

# A topic table, and a table whose rows tell their transaction
sub topic
{
	my ($name, $partitions) = @_;
	my $topic = new_topic($partitions // 1);
	query("CREATE FOREIGN TABLE $name (id bigint, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
			SERVER k OPTIONS (topic '$topic');
		CREATE TABLE ${name}_got (id bigint, p int, o bigint, version int DEFAULT 0, batch xid8 DEFAULT pg_current_xact_id())");
	return $topic;
}

sub records { return join('', map { "{\"id\":$_}\n" } @_); }

# Under load: workers, statement, limits, pauses; each record once, and in a partition no older version after a newer one
my $topic = topic('loaded', 4);
sub version { return "INSERT INTO loaded_got (id, p, o, version) SELECT id, p, o, $_[0] FROM loaded"; }
query("SELECT kafka.create_stream('loaded', '" . version(0) . "', max_poll_records => 50)");
my $generator = start_generator($topic, '-r', 2000, '-k', 'k{i%97}', '-m', '{"id":{i}}');
my @changes = (
	[ 0, "alter_stream('loaded', workers => 4)" ],
	[ 1, "alter_stream('loaded', statement => '" . version(1) . "', workers => 2)" ],
	[ undef, "pause_stream('loaded')" ],
	[ undef, "alter_stream('loaded', statement => '" . version(2) . "', max_poll_records => 7)" ],
	[ 2, "resume_stream('loaded')" ],
	[ 2, "alter_stream('loaded', reset => '{workers, max_poll_records}', commit_interval => '200 ms')" ],
	[ 3, "create_stream('loaded', '" . version(3) . "', workers => 3, replace => true)" ],
	[ 3, "alter_stream('loaded', workers => 1, max_records_per_second => 3000)" ],
	[ 4, "alter_stream('loaded', statement => '" . version(4) . "', workers => 4, reset => '{max_records_per_second}')" ]);
foreach (@changes)
{
	my ($version, $change) = @$_;
	query("SELECT kafka.$change");
	next unless defined $version;
	my $before = query('SELECT count(*) FROM loaded_got');
	query_becomes("SELECT count(*) > 0 FROM (SELECT version FROM loaded_got OFFSET $before) r WHERE version = $version", 't', "it goes on after $change");
}
my $produced = stop_generator($generator);
query_becomes('SELECT count(*) FROM loaded_got', $produced, 'a stream that is altered under load reads all records');
is(query('SELECT count(*) FROM (SELECT DISTINCT p, o FROM loaded_got) r'), $produced, 'each of them once');
is(query('SELECT count(*) FROM (SELECT version, max(version) OVER (PARTITION BY p ORDER BY o) AS newest FROM loaded_got) r WHERE version < newest'), 0,
	'and no record by an older statement than one before it');
is(query("SELECT count(*), min(records_in) > 0 FROM kafka.stat_streams WHERE stream = 'loaded'"), '4|t', 'there are as many workers as were asked for last');
is(query("SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = 'loaded'"), $produced, 'their positions are behind the last records');

# A definition in place of another one: position and counts stay, also those of a paused stream
query("SELECT kafka.pause_stream('loaded'); SELECT kafka.create_stream('loaded', '" . version(5) . "', replace => true)");
is(query("SELECT state, records_in > 0 FROM kafka.stat_streams WHERE stream = 'loaded'"), 'paused|t', 'a paused stream that is replaced stays paused, and keeps its counts');
produce($topic, records(-1, -2));
query("SELECT kafka.resume_stream('loaded')");
query_becomes('SELECT count(*) FROM loaded_got WHERE version = 5', 2, 'and goes on where the one before was');
query("SELECT kafka.drop_stream('loaded')");

# One that has failed runs again when it is altered; another source begins at its own position
$topic = topic('first');
my $second = topic('second');
produce($topic, records(1 .. 3));
produce($second, records(11 .. 13));
query('ALTER TABLE first_got ADD CHECK (id <> 3)');
my $listener = KafkaSession->new($node);
$listener->run('LISTEN kafka_fdw');
query("SELECT kafka.create_stream('moves', 'INSERT INTO first_got (id) SELECT id FROM first', max_poll_records => 2)");
query_becomes("SELECT state FROM kafka.stat_streams", 'failed', 'a stream fails');
query("SELECT kafka.alter_stream('moves', statement => 'INSERT INTO first_got (id) SELECT id FROM first WHERE id <> 3')");
query_becomes('SELECT state, last_error IS NOT NULL FROM kafka.stat_streams', 'idle|t', 'and runs when its statement is altered');
like(join(' ', $listener->run('SELECT 1') =~ /payload "\{"stream": "moves", "worker": 0, "state": (.*?)\}"/g),
	qr/^("running", "error": null )+"failed", "error": "23514" "running", "error": null$/, 'both are notified');
$listener->close;
query("SELECT kafka.alter_stream('moves', statement => 'INSERT INTO first_got (id) SELECT id FROM second')");
produce($topic, records(4));
query_becomes('SELECT array_agg(id ORDER BY id) FROM first_got', '{1,2,11,12,13}', 'it goes on with another topic, from its beginning');
query("SELECT kafka.alter_stream('moves', statement => 'INSERT INTO first_got (id) SELECT id FROM first')");
query_becomes('SELECT array_agg(id ORDER BY id) FROM first_got', '{1,2,4,11,12,13}', 'and with the first one from where it was');
query("SELECT kafka.drop_stream('moves')");

# A change that is rolled back has changed nothing
query("SELECT kafka.create_stream('stays', 'INSERT INTO first_got (id) SELECT id FROM first WHERE id > 4')");
query_becomes('SELECT state FROM kafka.stat_streams', 'idle', 'a stream waits');
query("BEGIN; SELECT kafka.alter_stream('stays', statement => 'INSERT INTO first_got (id) SELECT -id FROM first'); ROLLBACK");
produce($topic, records(5));
query_becomes('SELECT count(*) FROM first_got WHERE id = 5', 1, 'and is as it was after a change that was rolled back');
query("SELECT kafka.drop_stream('stays')");

# What a batch holds: so many records a second
$topic = topic('slow', 2);
produce($topic, join('', map { $_ % 2 . ":{\"id\":$_}\n" } 1 .. 900), '-P', ':');
query("SELECT kafka.create_stream('slow', 'INSERT INTO slow_got (id) SELECT id FROM slow', workers => 2, max_records_per_second => 400)");
query_becomes('SELECT count(*) FROM slow_got', 900, 'a stream that may read so many records a second reads all');
is(query('SELECT max(n) FROM (SELECT count(*) AS n FROM slow_got GROUP BY batch) b'), 200, 'and each worker no more than its part of them at once');
query("SELECT kafka.drop_stream('slow')");

# so many bytes, and one record that is larger
$topic = topic('wide');
produce($topic, join('', map { sprintf("{\"id\":%d,\"x\":\"%s\"}\n", $_, 'x' x ($_ == 5 ? 5000 : 980)) } 1 .. 9));
query("SELECT kafka.create_stream('wide', 'INSERT INTO wide_got (id) SELECT id FROM wide', max_poll_bytes => 2500)");
query_becomes('SELECT count(*) FROM wide_got', 9, 'a stream that may hold so many bytes reads all');
is(query("SELECT string_agg(ids, ' ') FROM (SELECT string_agg(id::text, ',' ORDER BY id) AS ids FROM wide_got GROUP BY batch ORDER BY min(id)) b"),
	'1,2,3 4,5 6,7,8 9', 'and ends a batch with the record that makes it as large');
query("SELECT kafka.drop_stream('wide')");

# of which most may be in headers
$topic = topic('headed');
produce($topic, records(1 .. 7), '-H', 'h=' . 'x' x 980);
query("SELECT kafka.create_stream('headed', 'INSERT INTO headed_got (id) SELECT id FROM headed', max_poll_bytes => 2500)");
query_becomes('SELECT count(*) FROM headed_got', 7, 'records with large headers are read');
is(query("SELECT string_agg(ids, ' ') FROM (SELECT string_agg(id::text, ',' ORDER BY id) AS ids FROM headed_got GROUP BY batch ORDER BY min(id)) b"),
	'1,2,3 4,5,6 7', 'and headers count as values do');
is(query("SELECT bytes_in FROM kafka.stat_streams WHERE stream = 'headed'"), 7 * length('{"id":1}'), 'though not in what is counted');
query("SELECT kafka.drop_stream('headed')");

# and what comes until it is time to commit, or the batch is full
$topic = topic('gathered');
produce($topic, records(1));
query("SELECT kafka.create_stream('gathered', 'INSERT INTO gathered_got (id) SELECT id FROM gathered', commit_interval => '1 hour', max_poll_records => 3)");
query_becomes('SELECT count(*) FROM gathered_got', 1, 'the first batch is committed at once');
produce($topic, records(2, 3));
query_becomes("SELECT state, lag FROM kafka.stat_streams", 'idle|2', 'what comes then is gathered, and counts as not done');
is(query("SELECT next_offset FROM kafka.offsets WHERE group_id = 'gathered'"), 1, 'its position stays');
produce($topic, records(4));
query_becomes('SELECT count(*) FROM gathered_got', 4, 'until the batch is full');
is(query('SELECT count(DISTINCT batch) FROM gathered_got WHERE id > 1'), 1, 'which is one transaction');
produce($topic, records(5));
query_becomes("SELECT lag FROM kafka.stat_streams", 1, 'a record is gathered');
query("SELECT kafka.alter_stream('gathered', reset => '{commit_interval}')");
query_becomes('SELECT count(*) FROM gathered_got', 5, 'and read when there is no interval any more');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
