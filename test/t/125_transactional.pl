# Delivery "transactional" where processes fail: the window between the two commits, a session that is killed in the
# middle of its Kafka transaction, a session whose transactional id somebody else has taken.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

need_own_broker();
my $broker = KafkaFdw::Broker->shared;

# A request for each record, so that there is time to disturb a transaction that sends many.
my $node = new_cluster('main', conf => "restart_after_crash = on\nfsync = off");
my $topic = new_topic(1);
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE t (v text) SERVER k OPTIONS (topic '$topic', format 'text', delivery 'transactional', batch_size '1');
	CREATE TABLE rows (v text);
	EOF

sub is_visible
{
	my ($expected, $name) = @_;
	my $seen = '';
	poll_until(sub { ($seen = kafka_tool('consume', $topic, '-f', 'v') =~ tr/\n/,/r) eq $expected }, 60);
	is($seen, $expected, $name);
	return;
}

# The window: actions at the commit of temporary tables come last, and this one fails
my $session = KafkaSession->new($node);
$session->run(<<~'EOF');
	BEGIN;
	CREATE TEMPORARY TABLE emptied (id int PRIMARY KEY) ON COMMIT DELETE ROWS;
	CREATE TEMPORARY TABLE kept (id int REFERENCES emptied);
	INSERT INTO rows VALUES ('one');
	INSERT INTO t VALUES ('one');
	COMMIT;
	EOF
like($session->error, qr/unsupported ON COMMIT and foreign key combination/, 'PostgreSQL fails after the commit of Kafka');
like($session->error, qr/WARNING:  the Kafka transaction of this transaction has committed already/, 'which a warning tells');
is($node->safe_psql('postgres', 'SELECT count(*) FROM rows'), '0', 'the rows are rolled back');
is_visible('one', 'the record is in the topic');
is($node->safe_psql('postgres', 'SELECT records, errors, orphans FROM kafka.stat_producers'), '1|0|1', 'which is counted');
$session->run("INSERT INTO t VALUES ('two')");
is($session->error, '', 'the next transaction succeeds');
is_visible('one,two', 'and is visible');

# Somebody else takes the session's transactional id, whose number is that of the backend
is($node->safe_psql('postgres', 'SELECT count(*) FROM kafka.instance'), '0', 'no row that others would wait for was made');
my $instance = $node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
produce($topic, "never\n", '-x', 'abort', '-i', "kafka_fdw-$instance-$_") foreach 0 .. 9;
$session->run("INSERT INTO t VALUES ('never')");
like($session->error, qr/fenced by a newer instance/, 'a session that was fenced fails');
$session->run("INSERT INTO t VALUES ('three')");
is($session->error, '', 'and takes its id back');
is_visible('one,two,three', 'nothing of the failed one is there');

# The first position of the database gives it the id that later transactions use
$session->run("BEGIN; INSERT INTO t VALUES ('four')");
is($node->safe_psql('postgres', "CREATE FOREIGN TABLE feed (v text) SERVER k OPTIONS (topic '$topic', format 'text', group_id 'g'); SELECT count(*) FROM feed"),
	3, 'another session makes the first position');
$session->run("INSERT INTO t VALUES ('five'); COMMIT; INSERT INTO t VALUES ('six')");
is($session->error, '', 'a transaction that had begun before goes on');
is_visible('one,two,three,four,five,six', 'and all is there');

# Again and again, while a session has requests under way, and a relay publishes
my $busy = KafkaSession->new($node);
my ($outbox, $many) = map { new_topic(1) } 1 .. 2;
$session->run("CREATE FOREIGN TABLE many (v text) SERVER k OPTIONS (topic '$many', format 'text', delivery 'transactional', batch_size '1')");
$busy->run("CREATE FOREIGN TABLE later (n int) SERVER k OPTIONS (topic '$outbox', format 'text', delivery 'outbox')");
$busy->start("DO \$\$BEGIN FOR i IN 1 .. 1000 LOOP INSERT INTO later VALUES (i); COMMIT; PERFORM pg_sleep(0.01); END LOOP; END\$\$");
poll_until(sub { $instance = $node->safe_psql('postgres', 'SELECT id FROM kafka.instance') }, 20) or die "no instance\n";
my $number = $session->run("SELECT split_part(virtualtransaction, '/', 1) FROM pg_locks WHERE pid = pg_backend_pid() LIMIT 1");
my ($fenced, $committed) = (0, 0);
my @failed;
foreach (1 .. 10)
{
	$session->start("INSERT INTO many SELECT repeat('x', 1000) FROM generate_series(1, 20000)");
	sleep(0.2);
	produce($many, "never\n", '-x', 'abort', '-i', "kafka_fdw-$instance-$_") foreach $number, 'relay-1';
	$session->finish;
	my $error = $session->error;
	$committed++ if $error eq '';
	$fenced++ if $error =~ /ERROR:  could not .*fenced.*HINT:.*Another process uses the same transactional id/s;
	$session->run("INSERT INTO many VALUES ('good')");
	push @failed, grep { $_ } $session->error;
}
cmp_ok($fenced, '>', 0, 'a session that is fenced while it sends fails');
is($fenced, 10 - $committed, 'and says why, unless it was faster');
is("@failed", '', 'its next transaction does not fail');
my ($visible, $complete) = ('', 10 + 20000 * $committed);
poll_until(sub { ($visible = kafka_tool('consume', $many, '-c')) == $complete }, 60);
is($visible, $complete, 'of what committed all is there, and nothing of the others');
$busy->finish;
is($busy->error, '', 'an outbox takes records while its relay is fenced');
my $published = '';
my $expected = join("\n", 1 .. 1000);
poll_until(sub { ($published = kafka_tool('consume', $outbox, '-f', 'v')) eq $expected }, 60);
is($published, $expected, 'and each of them is published, once and in order');
like(slurp_file($node->logfile), qr/relay.*Another process uses the same transactional id/s, 'the log says of the relay why it stalled');
ok(!crashed($node), 'no process crashed');
$busy->close;

# Killed in the middle: what it had sent is in the way of readers until the next session of its number comes
foreach (1 .. 3)
{
	$session->start("BEGIN; INSERT INTO t SELECT 'never ' || repeat('x', 1000) FROM generate_series(1, 30000); COMMIT");
	my ($before) = kafka_tool('watermark', $topic) =~ /^0\t\d+\t(\d+)/;
	poll_until(sub { my ($now) = kafka_tool('watermark', $topic) =~ /^0\t\d+\t(\d+)/; $now > $before }, 30)
	  or die "nothing was sent\n";
	crash($node, $session->pid);
	$session = KafkaSession->new($node);
}
$session->run("INSERT INTO t VALUES ('seven')");
is($session->error, '', 'after a crash writing goes on');
is_visible('one,two,three,four,five,six,seven', 'and what the killed sessions had sent is never seen');

# Cancelled in the middle
$session->start("BEGIN; INSERT INTO t SELECT 'never ' || repeat('x', 1000) FROM generate_series(1, 100000); COMMIT");
poll_until(sub { $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $session->{pid} AND query LIKE 'COMMIT%'") }, 60);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($session->{pid})");
$session->finish;
SKIP:
{
	skip 'the commit was faster', 1 if $session->error !~ /cancel/;
	$session->run("INSERT INTO t VALUES ('eight')");
	is_visible('one,two,three,four,five,six,seven,eight', 'what was cancelled in COMMIT is not seen');
}

# A broker that hangs, and answers again in the same transaction
$broker->pause;
$session->run("BEGIN; SAVEPOINT s; SET LOCAL statement_timeout = 300; INSERT INTO t VALUES ('never')");
like($session->error, qr/statement timeout/, 'an INSERT that waits for the broker is cancelled');
$broker->resume;
$session->run("ROLLBACK TO s; INSERT INTO t VALUES ('nine'); COMMIT");
is($session->error, '', 'after a rollback to a savepoint the same transaction can write');
ok(poll_until(sub { kafka_tool('consume', $topic, '-f', 'v') =~ /nine$/ }, 60), 'which is visible');

$session->close;
$node->stop;
done_testing();

END
{
	my $exit = $?;
	eval { $broker->resume } if $broker;
	$? = $exit;
}
