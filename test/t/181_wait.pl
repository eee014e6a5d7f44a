# kafka.wait() holds nothing while it waits, is woken by what there is to read, and can be interrupted.
use strict;
use warnings;
use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(2);

$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE feed (v text, p int OPTIONS (metadata 'partition'))
		SERVER k OPTIONS (topic '$topic', format 'text', group_id 'g');
	EOF
my $waiter = KafkaSession->new($node);
my $reader = KafkaSession->new($node);
my $pid = $waiter->pid;

# Waits until it waits: its transaction is a new one, and it is at its records.
sub start_waiting
{
	my ($timeout, $table) = @_;
	$table //= 'feed';
	$waiter->start("CALL kafka.wait('$table', '$timeout', NULL)");
	$node->poll_query_until('postgres', <<~"EOF") or die "it does not wait\n";
		SELECT query LIKE 'CALL%' AND state = 'active' AND wait_event_type = 'Extension' AND backend_xmin IS NULL
			AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype <> 'virtualxid')
		FROM pg_stat_activity a WHERE pid = $pid
		EOF
	return;
}

start_waiting('1 hour');
is($node->safe_psql('postgres', "SELECT backend_xid IS NULL AND backend_xmin IS NULL FROM pg_stat_activity WHERE pid = $pid"),
	't', 'it has neither a transaction id nor a snapshot');
produce($topic, "0|a\n", '-P', '|');
is($waiter->finish(60), 't', 'a record wakes it');

$reader->run('BEGIN; SELECT v FROM feed');
start_waiting('1 hour');
ok(!$waiter->is_done, 'what another transaction has read is nothing to read');
produce($topic, "1|b\n", '-P', '|');
sleep(1);
ok(!$waiter->is_done, 'and so is what comes to a partition that it holds');
$reader->run('ROLLBACK');
is($waiter->finish(60), 't', 'until it lets go');

is($reader->run("BEGIN; SELECT v FROM feed WHERE p = 1"), 'b', 'one partition is read');
is($waiter->run("CALL kafka.wait('feed', '1 hour', NULL)"), 't', 'another one can be');
$reader->run('COMMIT');
$reader->run('SELECT v FROM feed');
start_waiting('1 hour');
produce($topic, "c\n", '-x', 'abort');
is($waiter->finish(60), 't', 'an end that moves by a marker of a transaction is noticed');
is($reader->run('SELECT v FROM feed'), '', 'and read past');

start_waiting('1 hour');
$node->safe_psql('postgres', "SELECT kafka.seek('feed', 'earliest')");
is($waiter->finish(60), 't', 'a position that is moved too');
$reader->run('SELECT v FROM feed');
start_waiting('1 hour');
$node->safe_psql('postgres', "ALTER FOREIGN TABLE feed OPTIONS (SET group_id 'other')");
is($waiter->finish(60), 't', 'and another group, which has everything to read');

# Where there is something to read it is no more than a question, which no fetch is in the way of
my $questions = sub { my ($sql) = @_; $waiter->run($sql); $waiter->run("$sql;\n" x 20); return $waiter->seconds; };
my $lag = $questions->("SELECT count(*) FROM kafka.lag('feed')");
cmp_ok($questions->("CALL kafka.wait('feed', '1 hour', NULL)"), '<', 5 * $lag, 'it does not wait for what is there');
$reader->run('SELECT v FROM feed');

# What others hold is looked at again and again, which takes no memory that stays
sub memory_of_waiter
{
	my $offset = -s $node->logfile;
	my $total;
	$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
	poll_until(sub { ($total) = slurp_file($node->logfile, $offset) =~ /Grand total: (\d+) bytes/; defined $total }, 30) or die "it does not say\n";
	return $total;
}
my $wide = new_topic(100);
produce_to_each($wide, 0 .. 99);
$reader->run("CREATE FOREIGN TABLE wide (id int) SERVER k OPTIONS (topic '$wide', group_id 'wide')");
is($reader->run('BEGIN; SELECT count(*) FROM wide'), 100, 'another transaction holds many partitions');
start_waiting('1 hour', 'wide');
sleep(1);
my $memory = memory_of_waiter();
sleep(5);
cmp_ok(memory_of_waiter(), '<', $memory + 500_000, 'who waits for them does not grow');
$reader->run('ROLLBACK');
is($waiter->finish(60), 't', 'and is told when they are free');

$waiter->run('CREATE ROLE reader; GRANT SELECT ON feed TO reader; SET ROLE reader');
start_waiting('1 hour');
$node->safe_psql('postgres', 'REVOKE SELECT ON feed FROM reader');
$waiter->finish(60);
like($waiter->error, qr/permission denied for foreign table feed/, 'who may not read the table any more is not told');
$waiter->run('RESET ROLE');

start_waiting('1 hour');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$waiter->finish(60);
like($waiter->error, qr/canceling statement due to user request/, 'it can be cancelled');
start_waiting('1 hour');
$node->safe_psql('postgres', 'DROP FOREIGN TABLE feed');
$waiter->finish(60);
like($waiter->error, qr/does not exist/, 'a table that is dropped ends it');
is($waiter->run('SELECT 1'), '1', 'the session goes on');
ok(!crashed($node), 'nothing crashed');
done_testing();
