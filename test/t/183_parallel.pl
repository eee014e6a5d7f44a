# A parallel scan: one range for all its processes; what cancels, errors and kills of any of them do.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

need_own_broker();
my $broker = KafkaFdw::Broker->shared;
my $node = new_cluster('main', conf => <<~'EOF');
	restart_after_crash = on
	parallel_setup_cost = 0
	parallel_tuple_cost = 0
	min_parallel_table_scan_size = 0
	max_parallel_workers_per_gather = 2
	EOF
my $topic = new_topic(3);
my $count = 120000;
kafka_tool('generate', $topic, '-n', $count / 3, '-p', $_, '-m', '{"id": {i}}') foreach 0 .. 2;
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE t (id int, _partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$topic');
	EOF
my ($session, $watcher) = map { KafkaSession->new($node) } 1 .. 2;
my $slow = 'SELECT count(*) FROM t WHERE id % 1000 > 0 OR pg_sleep(0.05) IS NOT NULL';
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'";

# so that two processes at least are in the middle of it
sub start_slowly
{
	$session->start($slow);
	$node->poll_query_until('postgres', 'SELECT count(*) > 1 FROM kafka.stat_scans WHERE records > 100') or die 'it does not run';
	return;
}

sub nothing_is_left
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($watcher->run('SELECT count(*) FROM kafka.stat_scans'), '0', "$what: no scan is left");
	is($watcher->run($workers), '0', "$what: no worker is left");
	is($session->run('SELECT count(*) FROM t', 60), $count, "$what: the next statement reads everything");
	return;
}

start_slowly();
is($watcher->run('SELECT count(DISTINCT COALESCE(leader_pid, pid)), count(leader_pid) > 0, bool_and(share_done BETWEEN 0 AND 1), sum(records) > 0
	FROM kafka.stat_scans'), '1|t|t|t', 'each process is seen, and whose worker it is');
is($session->finish(60), $count, 'and all rows come');

start_slowly();
$watcher->run('SELECT pg_cancel_backend(' . $session->pid . ')');
$session->finish(5);
like($session->error, qr/canceling statement due to user request/, 'a cancel ends all');
nothing_is_left('cancelled');

start_slowly();
$watcher->run("SELECT pg_terminate_backend(pid) FROM kafka.stat_scans WHERE leader_pid IS NOT NULL LIMIT 1");
$session->finish(5);
like($session->error, qr{terminating .* due to administrator command|lost connection to parallel worker}, 'a worker is terminated: an error');
nothing_is_left('a worker terminated');

$session->run('SELECT sum(1 / (id - 39999)) FROM t', 60);
like($session->error, qr/division by zero/, 'an error of any process is the error of the statement');
nothing_is_left('an error');

$broker->pause;
$session->start('SELECT count(*) FROM t');
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND pid = " . $session->pid), 'the broker hangs');
$watcher->run('SELECT pg_cancel_backend(' . $session->pid . ')');
$session->finish(5);
like($session->error, qr/canceling statement due to user request/, 'a cancel acts');
$broker->resume;
nothing_is_left('a broker that hung');

# what is not fetched yet, as no process has come to it, is removed meanwhile
my $many = new_topic(30);
kafka_tool('generate', $many, '-n', 3000, '-p', $_, '-m', '{"id": {i}}') foreach 0 .. 29;
$node->safe_psql('postgres', "CREATE FOREIGN TABLE many (id int) SERVER k OPTIONS (topic '$many')");
foreach ([ 'earliest', 1000 ], [ 'error', 2990 ])
{
	my ($what, $first) = @$_;
	$node->safe_psql('postgres', "ALTER FOREIGN TABLE many OPTIONS (ADD on_offset_out_of_range '$what')");
	$session->start(q{SELECT count(*) BETWEEN 60000 AND 89999 FROM many WHERE id % 300 > 0 OR pg_sleep(0.05) IS NOT NULL});
	$node->poll_query_until('postgres', 'SELECT count(*) > 1 FROM kafka.stat_scans WHERE records > 100') or die 'it does not run';
	kafka_tool('delete-records', $many, map { ($_, $first) } 0 .. 29);
	my $all = $session->finish(60);
	$what eq 'error'
	  ? like($session->error, qr/topic "\Q$many\E", partition \d.*$first/s, 'records that are removed under a parallel scan are an error')
	  : is($all . $session->error, 't', 'or it goes on with the earliest that is there');
	$node->safe_psql('postgres', 'ALTER FOREIGN TABLE many OPTIONS (DROP on_offset_out_of_range)');
}

# the topic grows meanwhile
my $generator = start_generator($topic, '-r', 20000, '-m', '{"id": 1}');
my $ranges = 'SELECT count(*), count(DISTINCT n) FROM (SELECT count(*) AS n FROM t UNION ALL SELECT count(*) FROM t WHERE id >= 0
	UNION ALL SELECT count(*) FROM t x JOIN t y USING (_partition, _offset)) u';
is($session->run($ranges, 60), '3|1', 'a topic that grows has one range for all scans of a statement') foreach 1 .. 5;
stop_generator($generator);

# nothing grows in the leader
$count = $session->run('SELECT count(*) FROM t', 60);
my ($threads, $fds);
foreach my $round (1 .. 30)
{
	$session->run('SELECT count(*) FROM t WHERE id < 0; SELECT 1 / (id - 7) FROM t WHERE id < 8');
	($threads, $fds) = (threads($session->pid), fds($session->pid)) if $round == 10;
}
# but for the client that the last one may have left for the next, and what is being destroyed
cmp_ok(threads($session->pid), '<', $threads + 10, 'statements and errors leave no threads');
cmp_ok(fds($session->pid), '<', $fds + 20, 'nor files');
nothing_is_left('many statements');

# partitions whose offsets add up to more than a number holds: the last segments begin far behind
my $huge = new_topic(4);
my $data = $broker->property(1, 'log.dirs');
$broker->stop;
foreach my $file (map { my $partition = $_; map { "$data/$huge-$partition/04611686018427387904.$_" } qw(log index timeindex) } 0 .. 3)
{
	open(my $handle, '>', $file) or die "$file: $!";
	close($handle);
}
$broker->restart;
$node->safe_psql('postgres', "CREATE FOREIGN TABLE huge (id int, _partition int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic '$huge')");
ok(poll_until(sub { (eval { kafka_tool('watermark', $huge) } // '') =~ /^0\t0\t4611686018427387904\t/ }, 60), 'offsets go far');
produce($huge, qq({"id": $_}\n), '-p', $_) foreach 0 .. 3;
is($session->run("SELECT count(*) FROM huge WHERE _partition < $_", 60) . $session->error, $_, "$_ partitions of them are read") foreach 2 .. 4;
is($session->run('ANALYZE huge', 60) . $session->error, '', 'and analyzed');

start_slowly();
crash($node, $watcher->run('SELECT pid FROM kafka.stat_scans WHERE leader_pid IS NOT NULL LIMIT 1'));
($session, $watcher) = map { KafkaSession->new($node) } 1 .. 2;
nothing_is_left('a worker killed');

done_testing();
