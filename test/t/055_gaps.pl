# A scan ends at the end of a topic whatever the tail is made of, and says so when records go away under it.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
my $session = KafkaSession->new($node);
my $tables = 0;

# A topic, a table and a consuming table of it
sub make_tables
{
	my ($partitions, @config) = @_;
	my $topic = new_topic($partitions, @config);
	my $name = 't' . ++$tables;
	$session->run(<<~"EOF");
		CREATE FOREIGN TABLE $name (id int, _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'))
		  SERVER k OPTIONS (topic '$topic');
		CREATE FOREIGN TABLE ${name}_dirty (id int) SERVER k OPTIONS (topic '$topic', isolation_level 'read_uncommitted');
		CREATE FOREIGN TABLE ${name}_feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g');
		EOF
	return ($topic, $name);
}

sub values_of
{
	my ($table) = @_;
	my $values = $session->run("SELECT string_agg(id::text, ' ' ORDER BY id) FROM $table", 30);
	is($session->error, '', "$table is read");
	cmp_ok($session->seconds, '<', 5, "$table: in time");
	return $values;
}

sub next_offset
{
	my ($topic) = @_;
	return $session->run("SELECT next_offset FROM kafka.offsets WHERE topic = '$topic'");
}

# A committed or aborted transaction is over for readers a moment after it is for its producer.
sub produce_in_transaction
{
	my ($topic, $ending, @ids) = @_;
	produce($topic, records(@ids), '-x', $ending);
	poll_until(
		sub {
			my ($low, $high, $stable) = (split /\t/, kafka_tool('watermark', $topic))[1 .. 3];
			return $high == $stable;
		},
		20) or die "the transaction does not end\n";
	return;
}

sub records { return join('', map { qq({"id": $_}\n) } @_); }

# The tail is a transaction marker, then aborted records, then only markers, then an open transaction
my ($topic, $name) = make_tables(1);
produce_in_transaction($topic, 'commit', 1, 2);
is(values_of($name), '1 2', 'the tail is a marker');
is(values_of("${name}_feed"), '1 2', 'consumed');
is(next_offset($topic), 3, 'past the marker');
produce_in_transaction($topic, 'abort', 3, 4);
is(values_of($name), '1 2', 'the tail is aborted');
is(values_of("${name}_dirty"), '1 2 3 4', 'and can be read uncommitted');
is(values_of("${name}_feed"), '', 'nothing to consume');
is(next_offset($topic), 6, 'but the position moves past it');
produce_in_transaction($topic, 'abort', 5) foreach 1 .. 5;
is(values_of($name), '1 2', 'the tail is aborted again and again');
produce($topic, records(6));
is(values_of($name), '1 2 6', 'records before and after aborted ones');
is(values_of("${name}_feed"), '6', 'consumed');
produce($topic, records(7), '-x', 'open', '-i', "$topic-open");
produce($topic, records(8));
is(values_of($name), '1 2 6', 'an open transaction holds back what comes after it');
is(values_of("${name}_dirty"), '1 2 3 4 5 5 5 5 5 6 7 8', 'but not uncommitted');
is(values_of("${name}_feed"), '', 'nothing to consume yet');
produce($topic, '', '-x', 'abort', '-i', "$topic-open");
ok(poll_until(sub { values_of($name) eq '1 2 6 8' }, 20), 'when it is over, the rest is there');
is(values_of("${name}_feed"), '8', 'consumed');

# A partition whose records are all gone, and one that never had any
($topic, $name) = make_tables(3);
is(values_of($name), '', 'an empty topic');
is(values_of("${name}_feed"), '', 'an empty topic, consuming');
kafka_tool('generate', $topic, '-p', 1, '-n', 100, '-m', '{"id": {i}}');
kafka_tool('delete-records', $topic, 1, -1);
is(values_of($name), '', 'all records are deleted');
produce($topic, records(100, 101), '-p', 1);
is($session->run("SELECT min(_offset), max(id) FROM $name"), '100|101', 'offsets go on');

# A compacted topic: gaps in the middle and at the end of what compaction left
($topic, $name) = make_tables(1, 'cleanup.policy=compact', 'segment.ms=100', 'min.cleanable.dirty.ratio=0.01', 'max.compaction.lag.ms=100');
kafka_tool('generate', $topic, '-n', 5000, '-k', 'k{i%7}', '-m', '{"id": {i}}');
ok( poll_until(
		sub {
			produce($topic, qq(tail={"id": 1000000}\n), '-K', '=');
			sleep(1);
			return kafka_tool('consume', $topic, '-c') < 100;
		},
		40),
	'compaction made gaps');
my $expected = kafka_tool('consume', $topic, '-c');
is($session->run("SELECT count(*) <= $expected + 1, count(*) FILTER (WHERE id BETWEEN 4993 AND 4999), max(id) FROM $name", 30),
	't|7|1000000', 'the newest record of each key is read');
is($session->error, '', 'without an error');
is($session->run("SELECT count(*) FILTER (WHERE id BETWEEN 4993 AND 4999) FROM ${name}_feed", 30), 7, 'consumed');
is($session->run("SELECT count(*) FROM ${name}_feed", 30), 0, 'once');

# Records are deleted while they are read: more than a client fetches ahead
foreach my $kind ('', '_feed')
{
	($topic, $name) = make_tables(1);
	kafka_tool('generate', $topic, '-n', 400000, '-m', '{"id": {i}}');
	$session->run("BEGIN; DECLARE c CURSOR FOR SELECT id FROM $name$kind");
	is($session->run('FETCH FROM c'), 0, "$name$kind: reading begins");
	kafka_tool('delete-records', $topic, 0, 350000);
	$session->run('MOVE ALL FROM c', 30);
	like($session->error, qr/records of topic "$topic", partition 0 were removed .*Offset \d+ is the first one missing, 350000 the first one still there/s, "$name$kind: then says what is missing");
	$session->run('ROLLBACK');
}
is($session->run("SELECT count(*), min(id) FROM $name", 30), '50000|350000', 'the next statement reads what is there');

# A position that retention passed
is($session->run("SELECT count(*), min(id) FROM ${name}_feed", 30), '50000|350000', 'a first use begins with what is there');
kafka_tool('delete-records', $topic, 0, -1);
is(values_of("${name}_feed"), '', 'at the end nothing was lost');
produce($topic, records(1 .. 10));
kafka_tool('delete-records', $topic, 0, 400005);
$session->run("SELECT count(*) FROM ${name}_feed", 30);
like($session->error, qr/position 400000 of consumer group "g" is out of range in topic "$topic", partition 0.*400005 to 400010/s, 'a lost range is an error with its numbers');
$session->run("ALTER FOREIGN TABLE ${name}_feed OPTIONS (ADD on_offset_out_of_range 'earliest')");
is(values_of("${name}_feed"), '6 7 8 9 10', 'unless the table says to go on');

# The topic is deleted, and made again, while it is read
$session->run("BEGIN; DECLARE c CURSOR FOR SELECT id FROM $name; FETCH c");
kafka_tool('create-topic', '--replace', $topic, 1);
$session->run('ROLLBACK');
is(values_of($name), '', 'a topic that was made again is read from its beginning');
$session->run("ALTER FOREIGN TABLE ${name}_feed OPTIONS (DROP on_offset_out_of_range)");
$session->run("SELECT count(*) FROM ${name}_feed", 30);
like($session->error, qr/position 400010 .* is (?:out of range in|one of an earlier) topic.*0 to 0/s, 'a position in it is out of range');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
