# A broker whose disk is full: what it did not write is not reported as written. A limit on the size of its files stands
# for the disk; the broker treats both alike.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $broker = KafkaFdw::Broker->new;
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap);
$broker->kafka_tool('create-topic', $_, 1) foreach ('held', 'sent');
my $session = KafkaSession->new($node);
my $columns = "(id int, filler text, k text OPTIONS (metadata 'key')) SERVER k OPTIONS";
$session->run(<<~"EOSQL");
	ALTER SERVER k OPTIONS (ADD delivery_timeout_ms '3000');
	CREATE FOREIGN TABLE held $columns (topic 'held');
	CREATE FOREIGN TABLE sent $columns (topic 'sent', delivery 'async');
	CREATE FUNCTION filler() RETURNS text LANGUAGE sql AS \$\$ SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1000) \$\$;
	INSERT INTO held SELECT i, filler() FROM generate_series(1, 10) i;
	INSERT INTO sent SELECT i, filler(), i FROM generate_series(1, 10) i;
	SELECT kafka.flush();
	EOSQL
is($session->error, '', 'records are written');

my $pid = slurp_file("$broker->{dir}/node1/pid");
chomp($pid);
my $room = 1_000_000;
system('prlimit', "--pid=$pid", "--fsize=$room") == 0 or die "no limit\n";
my @committed = 1 .. 10;
my $error = '';
foreach my $i (1 .. 20)
{
	my ($from, $to) = (10 * $i + 1, 10 * $i + 10);
	$session->run("INSERT INTO held SELECT i, filler() FROM generate_series($from, $to) i", 60);
	last if ($error = $session->error);
	push @committed, $from .. $to;
}
like($error, qr/ERROR:  could not (?:deliver a record to|reach Kafka at .*)/, 'sync: a disk that is full is an error');
cmp_ok(scalar @committed, '<', 50, 'as soon as it is');
$session->run("INSERT INTO sent SELECT i, filler(), i FROM generate_series(11, 20) i", 60);
my %failed = map { $_ => 1 } split /\n/, $session->run("SELECT convert_from(key, 'UTF8') FROM kafka.flush()", 60);
is_deeply([ sort { $a <=> $b } keys %failed ], [ 11 .. 20 ], 'async: flush() returns what was not written') unless $session->error;

$broker->kill9;
$broker->restart;
my %there = map { $_ => 1 } split /\n/, $session->run('SELECT id FROM held', 60);
is(join(' ', grep { !$there{$_} } @committed), '', 'what was reported as written is there');
%there = map { $_ => 1 } split /\n/, $session->run('SELECT id FROM sent', 60);
is(join(' ', grep { !$there{$_} } 1 .. 10), '', 'also of what was sent');
$session->run("INSERT INTO held VALUES (1000); INSERT INTO sent VALUES (1000); SELECT kafka.flush()", 60);
is($session->error, '', 'with room again it goes on');

$session->close;
$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
