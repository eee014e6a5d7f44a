# Delivery "async" and a broker that is away: what a statement waits for and for how long, what is told of records that
# do not arrive, and what the end of a session does about those that are on their way.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

need_own_broker();
my $broker = KafkaFdw::Broker->shared;
my $node = new_cluster('main');
my $topic = new_topic(1);
$node->safe_psql('postgres', <<~"EOF");
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '1000');
	CREATE FOREIGN TABLE t (v text, k text OPTIONS (metadata 'key'), o bigint OPTIONS (metadata 'offset')) SERVER k
	  OPTIONS (topic '$topic', format 'text', delivery 'async', delivery_timeout_ms '1000', buffer_memory '1048576', max_request_size '100000', max_block_ms '600');
	CREATE FOREIGN TABLE patient (v text, o bigint OPTIONS (metadata 'offset')) SERVER k
	  OPTIONS (topic '$topic', format 'text', delivery 'async', buffer_memory '1048576', max_request_size '100000', delivery_timeout_ms '60000');
	CREATE FOREIGN TABLE held (v text) SERVER k
	  OPTIONS (topic '$topic', format 'text', buffer_memory '1048576', max_request_size '100000', max_block_ms '600');
	EOF

# A broker that was paused for long leads nothing for a moment.
sub resume
{
	$broker->resume;
	return poll_until(sub { eval { kafka_tool('watermark', $topic) } });
}

# What was given up may be there all the same: the broker had it when it was paused.
sub sent { return join(',', grep { !/lost/ } split(/\n/, kafka_tool('consume', $topic, '-f', 'v'))); }
my $flush = 'SELECT _topic, _partition, key, error FROM kafka.flush()';

# before the first record
$broker->pause;
my $session = KafkaSession->new($node);
$session->run("INSERT INTO t VALUES ('unseen')");
like($session->error, qr/could not reach Kafka at ".*" for topic "$topic"/, 'nothing is taken for a broker that was never seen');
cmp_ok($session->seconds, '<', 5, 'which is said in time');
$session->start("INSERT INTO patient VALUES ('unseen')");
$session->await_active(20);
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $session->pid . ')');
$session->finish;
like($session->error, qr/canceling statement due to user request/, 'the wait for it can be cancelled');
resume();

# after it
is($session->run("INSERT INTO t VALUES ('a'), ('b'); INSERT INTO patient VALUES ('c'); $flush"), '', 'with the broker all arrives');
my $holder = KafkaSession->new($node);
$holder->run("BEGIN; INSERT INTO held SELECT repeat('lost', 12500) FROM generate_series(1, 40)");
$broker->pause;
my $position = -s $node->logfile;
$session->run("INSERT INTO t VALUES ('lost 1', 'key 1'), ('lost 2', NULL)");
is($session->error, '', 'without it records are taken');
cmp_ok($session->seconds, '<', 2, 'and nobody waits for it');
is($session->run($flush), "$topic|0|\\x6b65792031|Local: Message timed out\n$topic|0||Local: Message timed out", 'those that are late are returned');
is($session->run($flush), '', 'once');
$session->run("INSERT INTO t VALUES ('lost 3')");
poll_until(sub { $session->run('SELECT 1'); $session->error }, 20);
like($session->error, qr/WARNING:  could not deliver a record to topic "$topic"(?:, partition 0)?: Local: Message timed out/, 'a later statement warns');
like($session->run($flush), qr/^$topic\|0?\|\|Local: Message timed out$/, 'what was told of is returned, too');
my $told = slurp_file($node->logfile, $position);
like($told, qr/LOG:  could not deliver 2 records, the first one to topic "$topic", partition 0: Local: Message timed out/, 'the log tells of them');

# the queue is full
my $full = "SELECT repeat('lost', 12500) FROM generate_series(1, 40)";
$session->run("INSERT INTO t $full");
like($session->error, qr/no room for a record for topic "$topic" within 600 ms/, 'a full buffer is waited for, and then an error');
$session->run($flush);
$full = "SELECT repeat('x', 50000) FROM generate_series(1, 40)";
$session->run("INSERT INTO patient VALUES ('d')");
cmp_ok($session->seconds, '<', 3, 'a broker that is silent is not waited for');
$session->start("INSERT INTO patient $full");
$session->await_active(20);
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $session->pid . ')');
$session->finish;
like($session->error, qr/canceling statement due to user request/, 'that wait can be cancelled');
foreach my $statement ("INSERT INTO patient $full", $flush, "INSERT INTO patient VALUES ('lost') RETURNING o", "INSERT INTO t VALUES ('lost')")
{
	$session->run("SET statement_timeout = '500 ms'; $statement");
	like($session->error, qr/canceling statement due to statement timeout/, "statement_timeout counts: $statement");
	cmp_ok($session->seconds, '<', 3, 'in time');
}
$session->run('RESET statement_timeout');
$holder->run('COMMIT');
like($holder->error, qr/no room for a record for topic "$topic" within 600 ms/, 'sync: COMMIT does not wait for longer, either');
resume();
my $got = $session->run($flush, 30);
is($got, '', 'with the broker back all that was taken arrives');
like(sent(), qr/^a,b,c,d,(?:x{50000},)+x{50000}\z/, 'which is there, and what timed out is not');

# the end of a session
$session->run("ALTER FOREIGN TABLE t OPTIONS (SET delivery_timeout_ms '60000', ADD linger_ms '30000'); INSERT INTO t VALUES ('last words')");
$session->close;
ok(poll_until(sub { sent() =~ /,last words\z/ }, 10), 'the end of a session sends what waits');
$session = KafkaSession->new($node);
$session->run("INSERT INTO t VALUES ('more'); SELECT kafka.flush()");
$broker->pause;
$session->run("INSERT INTO t SELECT 'never' FROM generate_series(1, 3)");
$position = -s $node->logfile;
my $pid = $session->pid;
$session->close;
ok(poll_until(sub { !-d "/proc/$pid" }, 10), 'it does not last long without the broker');
like(slurp_file($node->logfile, $position), qr/the session ends with 3 records for topic "$topic" that were not acknowledged/, 'and says what it could not send');

# the end of the server
$session = KafkaSession->new($node);
resume();
$session->run("INSERT INTO t VALUES ('stop 1'); SELECT kafka.flush()");
$session->run("INSERT INTO t VALUES ('stop 2')");
$node->stop('fast');
ok(poll_until(sub { sent() =~ /,stop 2\z/ }, 10), 'a server that stops sends what waits');
ok(!crashed($node), 'no process crashed');

# more failures than are kept, and no threads that stay behind
$node->start;
$session = KafkaSession->new($node);
$session->run("ALTER FOREIGN TABLE t OPTIONS (SET delivery_timeout_ms '3000', DROP linger_ms); INSERT INTO t VALUES ('x'); SELECT kafka.flush()");
my $threads = threads($session->pid);
$broker->pause;
$session->run("INSERT INTO t SELECT '' FROM generate_series(1, 10500)");
is($session->run('SELECT count(*) FROM kafka.flush()', 30), 10000, 'so many failures are kept');
like($session->error, qr/500 more records were not delivered/, 'and it is said how many are not');
resume();
is($session->run("INSERT INTO t VALUES ('end'); SELECT count(*) FROM kafka.flush()"), 0, 'it goes on');
cmp_ok(threads($session->pid), '<=', $threads + 1, 'by the same producer');
like(sent(), qr/,end\z/, 'and arrives');
$session->close;
$node->stop;
ok(!crashed($node), 'no process crashed in the end');
done_testing();

END
{
	my $status = $?;
	eval { $broker->resume } if $broker;
	$? = $status;
}
