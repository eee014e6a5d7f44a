# Answers of a broker that pass by themselves, as after a restart, are asked for again: no statement fails, no stream ends.
use strict;
use warnings;

use File::Basename;
use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $answer = PostgreSQL::Test::Utils::tempdir('broker') . '/says';
my $library = PostgreSQL::Test::Utils::tempdir('library') . '/broker_says.so';
run_command([ 'cc', '-shared', '-fPIC', '-O1', '-Wall', '-o', $library, dirname(__FILE__) . '/../lib/broker_says.c', '-ldl' ]);
ok(-f $library, 'the library that answers in place of the broker is made');

my $node = new_cluster('main', start => 0);
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{BROKER_SAYS} = $answer;
	$node->start;
}
my $topic = new_topic(2);
my $servers = bootstrap();
produce($topic, join('', map { "{\"id\":$_}\n" } 1 .. 10));
my $session = KafkaSession->new($node);
$session->run(<<~"EOF");
	CREATE EXTENSION kafka_fdw;
	CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers');
	CREATE FOREIGN TABLE t (id int, _partition int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE copied (id int);
	EOF
is($session->error, '', 'tables are made');

my %codes = (
	'partition unknown to the client' => -190,
	'partition unknown to the broker' => 3,
	'no leader' => 5,
	'not the leader any more' => 6,
	'offset not available' => 78);
foreach my $name (sort keys %codes)
{
	append_to_file($answer, "offsets $codes{$name}\n");
	is($session->run('SELECT count(*) FROM t'), 10, "$name: a scan has all records");
	is($session->error, '', "$name: and no error");
	ok(!-e $answer, "$name: which was the answer at first");
}

# A leader that was cut off from the others does not have what they have
append_to_file($answer, "records 1\n");
is($session->run('SELECT count(*) FROM t'), 10, 'an offset that seems to be out of range is asked for again');
is($session->error, '', 'without an error');
ok(!-e $answer, 'after that answer');

# Records that go away between the look at offsets and reading, and between counting and returning them
my $removed = new_topic(1);
$session->run(<<~"EOF");
	CREATE FOREIGN TABLE last (id int) SERVER k OPTIONS (topic '$removed');
	INSERT INTO last SELECT generate_series(1, 100);
	EOF
sub tail_while_removed
{
	my ($starts, $kept) = @_;
	append_to_file($answer, "start $starts\n");
	$session->start("SELECT string_agg(id::text, ' ') FROM kafka.tail(NULL::last, 4)");
	ok(poll_until(sub { !-e $answer }), 'kafka.tail() is about to read');
	kafka_tool('delete-records', $removed, 0, $kept);
	append_to_file($answer, "go on\n");
	my $rows = $session->finish;
	is($session->error, '', 'records that go away are no error of kafka.tail()');
	unlink $answer;
	return $rows;
}
is(tail_while_removed(0, 97), '98 99 100', 'it goes on with those that are there');
$session->run('INSERT INTO last SELECT generate_series(101, 120)');
is(tail_while_removed(1, 101), '117 118 119 120', 'and returns as many as are wanted');
is(tail_while_removed(1, 118), '119 120', 'or as are left');

append_to_file($answer, "offsets -190\n");
$session->run("SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM t')");
becomes($node, 'postgres', 'SELECT count(*) FROM copied', 10, 'a stream goes on, too');
ok(!-e $answer, 'after that answer');
is($node->safe_psql('postgres', 'SELECT restarts, last_error FROM kafka.stat_streams'), '0|', 'and has no error to show');

# what does not pass is said at once
append_to_file($answer, "offsets 29\n");
$session->run('SELECT count(*) FROM t WHERE _partition = 0');
like($session->error, qr/ERROR: .*could not use topic "$topic"/, 'a right that is missing is an error');
cmp_ok($session->seconds, '<', 5, 'at once');

# a relay does not wait for ever where the library does
my $published = new_topic(1);
$session->run(<<~"EOF");
	CREATE SERVER short FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers', request_timeout_ms '1000');
	CREATE FOREIGN TABLE published (v text) SERVER short OPTIONS (topic '$published', format 'text', delivery 'outbox');
	EOF
unlink $answer;
append_to_file($answer, "position 3600\n");
$session->run("INSERT INTO published VALUES ('x')");
is($session->error, '', 'a record is in the outbox');
becomes($node, 'postgres', "SELECT unsent, state FROM kafka.stat_outbox WHERE server = 'short'", '0|idle', 'and is published, though the library did not return');
ok(!-e $answer, 'which it was told to');
is(kafka_tool('consume', $published, '-f', 'v'), 'x', 'once');

# A record of which the library says nothing any more, as was seen where a topic was made anew
my $kept = new_topic(1);
$session->run("CREATE SERVER lossy FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers', delivery_timeout_ms '1100', linger_ms '0', socket_timeout_ms '1010')");
foreach my $delivery ('sync', 'transactional')
{
	$session->run("CREATE FOREIGN TABLE $delivery (v text) SERVER lossy OPTIONS (topic '$kept', format 'text', delivery '$delivery')");
	append_to_file($answer, "lose 1\n");
	$session->run("INSERT INTO $delivery VALUES ('lost'), ('with it')", 30);
	ok(!-e $answer, "$delivery: a record is lost in the library");
	like($session->error, qr/could not deliver a record to topic "$kept": Local: Message timed out/, 'and the statement fails');
	$session->run("INSERT INTO $delivery VALUES ('$delivery')");
	is($session->error, '', 'the next one does not');
}
$session->run("CREATE FOREIGN TABLE async (v text) SERVER lossy OPTIONS (topic '$kept', format 'text', delivery 'async')");
append_to_file($answer, "lose 1\n");
$session->run("INSERT INTO async VALUES ('lost'), ('with it')");
is($session->run('SELECT _topic, error FROM kafka.flush()', 30), "$kept|Local: Message timed out", 'kafka.flush() returns it');
$session->run("INSERT INTO async VALUES ('async')");
is($session->run('SELECT count(*) FROM kafka.flush()'), '0', 'and none after it');
like(kafka_tool('consume', $kept, '-f', 'v'), qr/sync\n(.*\n)*transactional\n(.*\n)*async$/, 'what came after is in the topic');

ok(!crashed($node), 'no process crashed');
$node->stop;
done_testing();
