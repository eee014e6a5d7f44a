# Cancel, statement_timeout and pg_terminate_backend end every wait for a broker at once, not when the broker's time is up.
use strict;
use warnings;

use IO::Socket::INET;
use KafkaFdw;
use KafkaSession;
use Test::More;
use Time::HiRes qw(time);

need_own_broker();
my $broker = KafkaFdw::Broker->shared;
my $node = new_cluster('main');
my $atonce = 1;    # seconds; the waits themselves last 30

# nobody listens; somebody listens who never answers; nobody has the name
my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
my $silent = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1');
my %address = (
	closed => '127.0.0.1:' . $closed->sockport,
	silent => '127.0.0.1:' . $silent->sockport,
	unknown => 'no-such-host.invalid:9092');
close($closed);

# Runs a statement until it waits, ends it as pg_cancel_backend() or pg_terminate_backend() do, and checks that it ended at once and as it should.
sub ends_at_once
{
	my ($what, $session, $sql, $ending) = @_;

	$session->start($sql);
	$session->await_active(20);
	my $began = time();
	kill($ending eq 'cancel' ? 'INT' : 'TERM', $session->pid) or die "kill: $!\n";    # no other session has to start first
	$session->finish(25);
	cmp_ok(time() - $began, '<', $atonce, "$what: $ending acts at once");
	like($session->error, $ending eq 'cancel' ? qr/canceling statement due to user/ : qr/terminating connection/, "$what: says so");
	return;
}

my $session = KafkaSession->new($node);
foreach my $name (sort keys %address)
{
	$node->safe_psql('postgres', <<~"EOF");
		CREATE SERVER $name FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$address{$name}');
		CREATE FOREIGN TABLE $name (id int) SERVER $name OPTIONS (topic 'nowhere');
		CREATE FOREIGN TABLE ${name}_feed (id int) SERVER $name OPTIONS (topic 'nowhere', group_id 'g');
		EOF
	my %statement = (
		SELECT => "SELECT * FROM $name",
		consuming => "SELECT * FROM ${name}_feed",
		INSERT => "INSERT INTO $name VALUES (1)",
		COPY => "COPY $name FROM PROGRAM 'echo 1'");
	foreach my $kind (sort keys %statement)
	{
		ends_at_once("$name, $kind", $session, $statement{$kind}, 'cancel');
		$session->run("BEGIN; SET LOCAL statement_timeout = '400 ms'; $statement{$kind}; COMMIT", 25);
		like($session->error, qr/canceling statement due to statement timeout/, "$name, $kind: statement_timeout");
		cmp_ok($session->seconds, '<', 0.4 + $atonce, "$name, $kind: acts at once");
		my $victim = KafkaSession->new($node);
		ends_at_once("$name, $kind", $victim, $statement{$kind}, 'terminate');
		ok(poll_until(sub { !-d '/proc/' . $victim->pid }, 3), "$name, $kind: its process is gone");
	}
}
is($session->run('SELECT 1'), 1, 'the session that was cancelled so often is in order');

# A broker that falls silent in the middle of a scan. More records than a client fetches ahead.
my $topic = new_topic(2);
kafka_tool('generate', $topic, '-n', 400000, '-m', '{"id": {i}}');
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE t (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g');
	CREATE FOREIGN TABLE small_queue (id int) SERVER k OPTIONS (topic '$topic', buffer_memory '1048576');
	CREATE TABLE local (id int);
	EOF

sub with_paused_broker
{
	my ($what, $before, $sql, $ending) = @_;
	my $paused = KafkaSession->new($node);

	$paused->run($before, 20);
	is($paused->error, '', "$what: worked before");
	$broker->pause;
	eval { ends_at_once($what, $paused, $sql, $ending); 1 } or fail("$what: $@");
	$broker->resume;
	return $paused;
}

foreach my $ending (qw(cancel terminate))
{
	with_paused_broker('in mid-scan', 'BEGIN; DECLARE c CURSOR FOR SELECT * FROM t; FETCH 10 FROM c', 'MOVE ALL FROM c', $ending);
	with_paused_broker('in mid-scan, consuming', 'BEGIN; DECLARE c CURSOR FOR SELECT * FROM feed; FETCH 10 FROM c', 'MOVE ALL FROM c', $ending);
	with_paused_broker('between statements', 'SELECT 1 FROM t LIMIT 1', 'SELECT count(*) FROM t', $ending);
	with_paused_broker('in the flush at COMMIT', 'BEGIN; INSERT INTO local VALUES (1); INSERT INTO t VALUES (-1)', 'COMMIT', $ending);
	with_paused_broker('in the full queue at COMMIT',
		'BEGIN; INSERT INTO local VALUES (2); INSERT INTO small_queue SELECT -2 FROM generate_series(1, 300000)', 'COMMIT', $ending);
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM local'), 0, 'no COMMIT that was ended kept its rows');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kafka.offsets'), 0, 'no position moved');
is($node->safe_psql('postgres', 'SELECT count(*), sum(id) FROM t WHERE id >= 0'), '400000|79999800000', 'the broker is back, all records are there');
is($node->safe_psql('postgres', 'SELECT count(*), sum(id) FROM feed WHERE id >= 0'), '400000|79999800000', 'to be consumed, too');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();

# whatever happened, the broker must run for the tests that follow
END
{
	my $status = $?;
	eval { $broker->resume } if $broker;
	$? = $status;
}
