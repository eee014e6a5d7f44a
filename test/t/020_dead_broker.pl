# A broker that cannot be reached is an error that names it, in time, and nothing is reported as inserted.
use strict;
use warnings;

use IO::Socket::INET;
use KafkaFdw;
use KafkaSession;
use Test::More;

need_own_broker();
my $broker = KafkaFdw::Broker->shared;
my $node = new_cluster('main');
my $session = KafkaSession->new($node);
my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
my $silent = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1');
my %address = (
	closed => '127.0.0.1:' . $closed->sockport,
	silent => '127.0.0.1:' . $silent->sockport,
	unknown => 'no-such-host.invalid:9092');
close($closed);

foreach my $name (sort keys %address)
{
	$session->run(<<~"EOF");
		CREATE SERVER $name FOREIGN DATA WRAPPER kafka_fdw
		  OPTIONS (bootstrap_servers '$address{$name}', request_timeout_ms '1500');
		CREATE FOREIGN TABLE $name (id int) SERVER $name OPTIONS (topic 'nowhere');
		CREATE FOREIGN TABLE ${name}_feed (id int) SERVER $name OPTIONS (topic 'nowhere', group_id 'g');
		EOF
	foreach my $sql ("SELECT * FROM $name", "SELECT * FROM ${name}_feed", "INSERT INTO $name VALUES (1)")
	{
		is($session->run("\\set VERBOSITY verbose\n$sql", 20), '', "$sql: no rows, no command tag");
		like($session->error, qr/08006: could not reach Kafka at "\Q$address{$name}\E" for topic "nowhere"/, "$sql: names the address");
		cmp_ok($session->seconds, '>', 1.2, "$sql: waited");
		cmp_ok($session->seconds, '<', 4, "$sql: but not for long");
	}
}
$session->run('\set VERBOSITY default');
like($session->run("EXPLAIN (COSTS off) SELECT * FROM silent"), qr{^Foreign Scan on silent}, 'EXPLAIN asks nobody');
cmp_ok($session->seconds, '<', 1, 'so it is fast');

# The broker dies between the INSERT and its COMMIT. The partition is given, as some client libraries choose one when they
# reach the broker again.
my $topic = new_topic(1);
$session->run(<<~"EOF");
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '2000');
	CREATE FOREIGN TABLE t (id int, p int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic '$topic', delivery_timeout_ms '2000');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g');
	CREATE TABLE local (id int);
	INSERT INTO t VALUES (1);
	EOF
is($session->run('SELECT id FROM t'), 1, 'a record is written and read');
$session->run('BEGIN; INSERT INTO local VALUES (3); INSERT INTO t VALUES (3, 0)');
$broker->pause;
$session->run('COMMIT', 20);
$broker->resume;
like($session->error, qr/could not deliver a record to topic "$topic", partition 0: .*timed out/, 'COMMIT while the broker is silent fails, too');
cmp_ok($session->seconds, '<', 3.5, 'within delivery_timeout_ms');

$session->run('BEGIN; INSERT INTO local VALUES (2); INSERT INTO t VALUES (2, 0)');
is($session->error, '', 'an INSERT is held');
$broker->kill9;
$session->run('COMMIT', 20);
like($session->error, qr/could not deliver a record to topic "$topic", partition 0: .*timed out/, 'COMMIT names topic, partition and reason');
unlike($session->error, qr/"id"/, 'and does not show the record');
cmp_ok($session->seconds, '<', 3.5, 'within delivery_timeout_ms');
my $servers = bootstrap();
foreach my $sql ('SELECT * FROM t', 'SELECT * FROM feed')
{
	$session->run($sql, 20);
	like($session->error, qr/could not reach Kafka at "\Q$servers\E" for topic "$topic"/, "$sql: names the address");
	cmp_ok($session->seconds, '<', 5, "$sql: in time");
}
$session->run('INSERT INTO t VALUES (3)', 20);
like($session->error, qr/could not (reach Kafka|deliver)/, 'INSERT fails, too');

# It may have started and still need longer for its first answers than a statement waits here.
sub restart
{
	$broker->restart;
	ok(poll_until(sub { $session->run('SELECT id FROM t LIMIT 1', 20); $session->error eq '' }), 'the broker is back, and the same session reads');
	return;
}

# The broker dies in the middle of a scan
restart();
kafka_tool('generate', $topic, '-s', 10, '-n', 400000, '-m', '{"id": {i}}');
is($session->run('SELECT count(*) FROM local'), 0, 'the rows of the failed transaction are not there');
$session->run('BEGIN; DECLARE c CURSOR FOR SELECT id FROM t; DECLARE d CURSOR FOR SELECT id FROM feed');
is($session->run('FETCH FROM c; FETCH FROM d'), "1\n1", 'two scans have begun');
is($session->error, '', 'without an error');
$broker->kill9;
$session->run('MOVE ALL FROM c', 30);
like($session->error, qr/could not reach Kafka at "\Q$servers\E" for topic "$topic"/, 'a scan that cannot go on is an error, not a short result');
$session->run('ROLLBACK');

restart();
is($session->run('SELECT count(*), sum(id) FROM t WHERE id NOT IN (2, 3)'), '400001|80003800001', 'reading works again');
is($session->run('SELECT count(*), sum(id) FROM feed WHERE id NOT IN (2, 3)'), '400001|80003800001', 'nothing was consumed by the scans that failed');
$session->run('INSERT INTO t VALUES (-4)');
is($session->error, '', 'writing works again');
is($session->run('SELECT id FROM feed'), -4, 'and what was written is consumed');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();

# whatever happened, the broker must run for the tests that follow
END
{
	my $status = $?;
	eval { $broker->resume; 1 } or eval { $broker->restart } if $broker && $status;
	$? = $status;
}
