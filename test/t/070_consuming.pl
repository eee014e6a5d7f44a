# A consuming table loses and repeats nothing, however a consumer ends and however many there are.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main', conf => 'restart_after_crash = on');
my $topic = new_topic(3);
my $session = KafkaSession->new($node);

$session->run(<<~"EOF");
	CREATE FOREIGN TABLE feed (id bigint, _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'))
	  SERVER k OPTIONS (topic '$topic', group_id 'g');
	CREATE TABLE consumed (id bigint PRIMARY KEY, partition int, "offset" bigint, UNIQUE (partition, "offset"));
	EOF
my $consume = 'INSERT INTO consumed SELECT * FROM feed';
my $consumed = 'SELECT count(*), sum(id) FROM consumed';
my $produced = 0;

sub produce_more
{
	my ($records) = @_;
	kafka_tool('generate', $topic, '-s', $produced, '-n', $records, '-m', '{"id": {i}}');
	$produced += $records;
	return;
}

# What consumed must hold when records 0 .. n-1 were consumed once each
sub once { my ($n) = @_; return $n . '|' . $n * ($n - 1) / 2; }

sub crash_session
{
	crash($node, $session->pid);
	$session = KafkaSession->new($node);
	return;
}

produce_more(1000);
$session->run($consume);
is($session->run($consumed), once(1000), 'records are consumed');

# kill -9 between reading and COMMIT, in the middle of a scan, and after COMMIT
produce_more(1000);
$session->run("BEGIN; $consume");
is($session->run($consumed), once(2000), 'read, but not committed');
crash_session();
is($session->run($consumed), once(1000), 'kill -9 before COMMIT: the rows are gone');
is($session->run('SELECT sum(next_offset) FROM kafka.offsets'), 1000, 'and so is the position');
$session->run('BEGIN; DECLARE c CURSOR FOR SELECT id FROM feed');
like($session->run('FETCH 10 FROM c'), qr/^1\d\d\d\n/, 'a scan begins with the same records');
crash_session();
$session->run($consume);
is($session->error, '', 'nobody holds the partitions');
is($session->run($consumed), once(2000), 'kill -9: nothing is lost, nothing repeated');
produce_more(1000);
$session->run("BEGIN; $consume; COMMIT");
is($session->error, '', 'committed');
crash_session();
is($session->run("$consume; $consumed"), once(3000), 'kill -9 after COMMIT repeats nothing');

# Another session can go on as soon as a consumer is gone
produce_more(1000);
foreach my $way ('pg_terminate_backend', 'pg_cancel_backend')
{
	my $victim = KafkaSession->new($node);
	$victim->run('BEGIN; DECLARE c CURSOR FOR SELECT * FROM feed; FETCH 10 FROM c');
	is($session->run('SELECT count(*) FROM feed'), 0, 'two consumers never get the same');
	like($session->error, qr/no partition of topic "$topic" is free/, 'the idle one is told');
	$victim->start('SELECT pg_sleep(60)');
	$victim->await_active;
	$session->run("SELECT $way(" . $victim->pid . ')');
	$victim->finish(10);
	poll_until(sub { !-d '/proc/' . $victim->pid }, 5) if $way eq 'pg_terminate_backend';
	is($session->run('BEGIN; SELECT count(*) FROM feed; ROLLBACK'), 1000, "$way: its records are free");
}
$session->run($consume);
is($session->run($consumed), once(4000), 'and consumed once');

# Four consumers, savepoints and transactions that are rolled back at random, a producer that goes on
$session->run(<<~'EOF');
	ALTER FOREIGN TABLE feed OPTIONS (ADD max_poll_records '300');
	CREATE TABLE control (stop boolean);
	CREATE TABLE outcome (pid int, what text);
	CREATE PROCEDURE consume_until_stopped() LANGUAGE plpgsql AS $$
	DECLARE
	  rows int;
	BEGIN
	  PERFORM setseed(0.001 * (pg_backend_pid() % 1000));
	  LOOP
	    rows := 0;
	    BEGIN
	      INSERT INTO consumed SELECT * FROM feed;
	      GET DIAGNOSTICS rows = ROW_COUNT;
	      IF random() < 0.2 THEN RAISE division_by_zero; END IF;
	    EXCEPTION WHEN division_by_zero THEN rows := -1;
	    END;
	    IF random() < 0.2 THEN
	      ROLLBACK;
	    ELSE
	      INSERT INTO outcome VALUES (pg_backend_pid(), CASE rows WHEN -1 THEN 'savepoint' WHEN 0 THEN 'nothing' ELSE 'some' END);
	      COMMIT;
	    END IF;
	    EXIT WHEN rows = 0 AND EXISTS (SELECT FROM control);
	  END LOOP;
	END $$
	EOF
my $generator = start_generator($topic, '-s', $produced, '-r', 5000, '-m', '{"id": {i}}');
sub start_consumer
{
	my $consumer = KafkaSession->new($node);
	$consumer->run('SET client_min_messages = warning');
	$consumer->start('CALL consume_until_stopped()');
	return $consumer;
}
my @consumers = map { start_consumer() } 1 .. 4;
ok(poll_until(sub { $session->run("SELECT count(DISTINCT pid) FROM outcome WHERE what = 'some'") == 4 }, 60), 'all consumers get records');
is($session->run("SELECT count(pg_terminate_backend($_->{pid}))"), 1, 'one is ended') foreach pop @consumers;
push @consumers, start_consumer();
my $sofar = $session->run('SELECT count(*) FROM consumed');
ok(poll_until(sub { $session->run('SELECT count(*) FROM consumed') > $sofar + 10000 }, 60), 'the others go on');
$produced += stop_generator($generator);
$session->run('INSERT INTO control VALUES (true)');
foreach my $consumer (@consumers)
{
	$consumer->finish(60);
	is($consumer->error, '', 'a consumer ends without an error');
}
$session->run("ALTER FOREIGN TABLE feed OPTIONS (DROP max_poll_records); $consume");
is($session->run($consumed), once($produced), 'each record was consumed exactly once');
is($session->run('SELECT bool_and(n = last + 1) FROM (SELECT count(*) AS n, max("offset") AS last FROM consumed GROUP BY partition) p'),
	't', 'without a hole in any partition');
is($session->run("SELECT count(DISTINCT what) FROM outcome WHERE what IN ('some', 'savepoint')"), 2, 'both ways were taken');
is($session->run('SELECT sum(next_offset) FROM kafka.offsets'), $produced, 'and the positions are at the end');

$node->stop;
done_testing();
