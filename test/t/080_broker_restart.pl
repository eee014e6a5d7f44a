# A session outlives restarts of its brokers, the loss of a leader, and brokers that advertise nonsense.
use strict;
use warnings;

use IO::Socket::INET;
use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $session = KafkaSession->new($node);
my $large = '{"id": {i}, "filler": "' . ('x' x 200) . '"}';

# Topic, foreign table and server of a name at a broker of ours; $records of them.
sub make_table
{
	my ($broker, $name, $records, @topic) = @_;
	my $servers = $broker->bootstrap;

	$broker->kafka_tool('create-topic', $name, @topic);
	$broker->kafka_tool('generate', $name, '-n', $records, '-m', $large);
	$session->run(<<~"EOF");
		CREATE SERVER $name FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers');
		CREATE FOREIGN TABLE $name (id int) SERVER $name OPTIONS (topic '$name', delivery_timeout_ms '30000');
		CREATE FOREIGN TABLE ${name}_feed (id int) SERVER $name OPTIONS (topic '$name', group_id 'g');
		CREATE TABLE ${name}_consumed (id int PRIMARY KEY);
		EOF
	is($session->error, '', "$name: tables are made");
	return;
}

# What a table of n records must show
sub all { my ($n) = @_; return $n . '|' . $n * ($n - 1) / 2; }

# One broker is restarted: in mid-scan, between INSERT and COMMIT, between statements
my $one = KafkaFdw::Broker->new;
make_table($one, 'one', 300000, 2);
$session->run('BEGIN; DECLARE c CURSOR FOR SELECT id FROM one; DECLARE d CURSOR FOR SELECT id FROM one_feed; FETCH c; FETCH d; INSERT INTO one VALUES (300000)');
is($session->error, '', 'two scans and an INSERT have begun');
$one->kill9;
$one->restart;
$session->run('MOVE ALL FROM c; MOVE ALL FROM d', 60);
is($session->error, '', 'scans go on when the broker is back');
my $resumed = $session->seconds;
$session->run('COMMIT', 40);
is($session->error, '', 'and so does the INSERT');
is($session->run('SELECT count(*), sum(id) FROM one', 60), all(300001), 'all records are there');
cmp_ok($resumed, '<', 4 + 2 * $session->seconds, 'the two scans went on soon');
is($session->run('SELECT id FROM one_feed'), 300000, 'those that were read are consumed');
$one->restart;
is($session->run('SELECT count(*), sum(id) FROM one', 60), all(300001), 'the same session reads after a restart between statements');
$session->run('INSERT INTO one VALUES (300001)', 40);
is($session->error, '', 'and writes');
is($session->run('SELECT id FROM one_feed'), 300001, 'and consumes');

# The broker can be reached, but the address that it advertises for the records cannot
my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
my $nobody = '127.0.0.1:' . $closed->sockport;
close($closed);
$session->run("ALTER SERVER one OPTIONS (ADD request_timeout_ms '2500'); ALTER FOREIGN TABLE one OPTIONS (SET delivery_timeout_ms '2500')");
$one->stop;
foreach my $address ('no-such-host.invalid:9092', $nobody)
{
	append_to_file("$one->{dir}/node1/server.properties", "advertised.listeners=PLAINTEXT://$address\n");
	$one->restart;
	foreach my $sql ('SELECT count(*) FROM one', 'SELECT count(*) FROM one_feed', 'INSERT INTO one VALUES (-1)')
	{
		$session->run($sql, 30);
		like($session->error, qr/ERROR: .*"one".*\Q$address\E/s, "$sql: names $address");
		cmp_ok($session->seconds, '<', 8, 'in time');
	}
}
$one->kill9;

# Of three brokers, the leader of a partition dies in mid-scan, and one between INSERT and COMMIT
my $three = KafkaFdw::Broker->new(brokers => 3);
make_table($three, 'three', 600000, 3, 3);
$session->run('BEGIN; DECLARE c CURSOR FOR SELECT id FROM three');
like($session->run('FETCH c'), qr/^\d+$/, 'three brokers: a scan has begun');
$three->kill9(2);
$session->run('MOVE ALL FROM c', 60);
is($session->error, '', 'three brokers: the scan goes on at the new leaders');
$session->run('COMMIT');
is($session->run('SELECT count(*), sum(id) FROM three', 60), all(600000), 'three brokers: all records are read');
$three->restart(2);
$session->run('BEGIN; INSERT INTO three SELECT generate_series(600000, 600999)');
is($session->error, '', 'three brokers: an INSERT has begun');
$three->kill9(3);
$session->run('COMMIT', 60);
is($session->error, '', 'three brokers: COMMIT waits for the new leaders');
$session->run('INSERT INTO three_consumed SELECT id FROM three_feed', 60);
is($session->error, '', 'three brokers: a consuming table is read');
is($session->run('SELECT count(*), sum(id) FROM three_consumed'), all(601000), 'three brokers: each record is there once');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
