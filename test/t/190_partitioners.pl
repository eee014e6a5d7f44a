# Where records without a partition go: by default where Kafka's own Java producer puts them, round robin, sticky, or
# where a function says.
use strict;
use warnings;
use utf8;

use Encode;
use File::Basename;
use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
my $session = KafkaSession->new($node);
my $partitions = 7;

# Keys of all sizes from 0 to 64 bytes, of one to four bytes a character, and longer ones
my @keys = ('');
foreach my $size (1 .. 64, 100, 255, 1000)
{
	push @keys, join('', map { chr(33 + ($size * 7 + $_ * 13) % 90) } 1 .. $size);
	foreach my $letter ('é', 'क', '𝄞')
	{
		my $bytes = length(encode('UTF-8', $letter));
		push @keys, $letter x int($size / $bytes) . 'x' x ($size % $bytes) if $size >= $bytes;
	}
}

my $java = new_topic($partitions);
my ($out, $log);
my $lines = encode('UTF-8', join('', map { "$_\tv\n" } @keys));
IPC::Run::run([ 'bash', dirname(__FILE__) . '/../kafka/kafka.sh', 'tool', 'org.apache.kafka.tools.ConsoleProducer',
		'--bootstrap-server', bootstrap(), '--topic', $java, '--property', 'parse.key=true' ], '<', \$lines, '>', \$out, '2>', \$log)
  or die $log;

my $ours = new_topic($partitions);
$session->run(<<~"EOSQL");
	CREATE FOREIGN TABLE java (v text, k text OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition'),
	  o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$java', format 'text');
	CREATE FOREIGN TABLE ours (v text, k text OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition'),
	  o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$ours', format 'text');
	EOSQL
is($session->run('SELECT count(*), count(DISTINCT k), count(DISTINCT p) FROM java'), join('|', scalar @keys, scalar @keys, $partitions), "Java's producer wrote all keys");
foreach my $delivery ('sync', 'async')
{
	$session->run("ALTER FOREIGN TABLE ours OPTIONS (ADD delivery '$delivery')");
	$session->run("INSERT INTO ours (v, k) SELECT '$delivery', k FROM java; SELECT kafka.flush()");
	is($session->run("SELECT k, p FROM ours WHERE v = '$delivery' EXCEPT SELECT k, p FROM java"), '', "$delivery: each key is where Java's producer put it");
	is($session->run("SELECT count(*) FROM ours WHERE v = '$delivery'"), scalar @keys, "$delivery: all of them");
	$session->run('ALTER FOREIGN TABLE ours OPTIONS (DROP delivery)');
}
is($session->run("SELECT count(*) FROM java, kafka.produce('ours', 'x', k) AS sent WHERE sent._partition <> p"), 0, "kafka.produce(): the same");

# Those that ignore the key
sub partitions_of
{
	my ($partitioner, $sql) = @_;
	$session->run("ALTER FOREIGN TABLE ours OPTIONS (ADD partitioner '$partitioner')");
	is($session->error, '', "$partitioner is a partitioner");
	my $from = $session->run('SELECT count(*) FROM ours');
	$session->run($sql);
	is($session->error, '', "$partitioner: records are written");
	my $counts = $session->run("SELECT p, count(*) FROM ours WHERE v = '$partitioner' GROUP BY p ORDER BY p");
	$session->run('ALTER FOREIGN TABLE ours OPTIONS (DROP partitioner)');
	return split /\n/, $counts;
}
sub insert { my ($partitioner, $count) = @_; return "INSERT INTO ours (v, k) SELECT '$partitioner', 'same' FROM generate_series(1, $count)"; }

is_deeply([ partitions_of('round_robin', join('; ', map { insert('round_robin', $_) } 1, 3, 1, 9)) ], [ map { "$_|2" } 0 .. 6 ],
	'round_robin goes on from statement to statement');
my $class = 'org.apache.kafka.clients.producer.RoundRobinPartitioner';
is_deeply([ partitions_of($class, insert($class, 7)) ], [ map { "$_|1" } 0 .. 6 ], "Java's class of it");
$class = 'org.apache.kafka.clients.producer.UniformStickyPartitioner';
is_deeply([ map { s/.*\|//r } partitions_of($class, insert($class, 20)) ], [20], "Java's sticky one keeps to a partition in a transaction");
$session->run('ALTER FOREIGN TABLE ours OPTIONS (ADD batch_size \'200\')');
my @sticky = partitions_of('uniform_sticky', join('; ', map { insert('uniform_sticky', 100) } 1 .. 3));
cmp_ok(scalar @sticky, '>', 3, 'uniform_sticky takes another one when a batch is full');
$session->run('ALTER FOREIGN TABLE ours OPTIONS (DROP batch_size)');
cmp_ok(scalar partitions_of('random', insert('random', 200)), '>', 3, 'random does as it likes with the same key');
$class = 'org.apache.kafka.clients.producer.internals.DefaultPartitioner';
is_deeply([ map { s/.*\|//r } partitions_of($class, insert($class, 20)) ], [20], "Java's default goes by the key");

# A function
$session->run(<<~'EOSQL');
	CREATE SCHEMA s;
	CREATE FUNCTION s.choose(key bytea, partition_count int) RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
	  IF key = 'fail' THEN RAISE 'refused'; END IF;
	  RETURN CASE WHEN key IS NULL THEN partition_count - 1 WHEN key = '' THEN NULL ELSE convert_from(key, 'UTF8')::int END;
	END $$;
	CREATE FUNCTION s."Strict one"(bytea, int) RETURNS int LANGUAGE sql STRICT AS 'SELECT 0';
	CREATE FUNCTION s.rows(bytea, int) RETURNS SETOF int LANGUAGE sql AS 'SELECT 0';
	CREATE FUNCTION s.text(bytea, int) RETURNS text LANGUAGE sql AS 'SELECT ''0''';
	CREATE FUNCTION s.other(text, int) RETURNS int LANGUAGE sql AS 'SELECT 0';
	CREATE ROLE inserter; GRANT INSERT ON ours TO inserter; GRANT USAGE ON SCHEMA s TO inserter; REVOKE EXECUTE ON FUNCTION s.choose FROM PUBLIC;
	ALTER FOREIGN TABLE ours OPTIONS (ADD partitioner 's.choose');
	EOSQL
$session->run("INSERT INTO ours (v, k) VALUES ('function', '0'), ('function', '3'), ('function', NULL); INSERT INTO ours (v, k, p) VALUES ('function', '99', 1)");
is($session->run("SELECT k, p FROM ours WHERE v = 'function' ORDER BY p"), "0|0\n99|1\n3|3\n|6", 'a function chooses, unless a partition is given');
is($session->run("SELECT _partition FROM kafka.produce('ours', 'x', '5')"), 5, 'also for kafka.produce()');
my %refused = (
	"('x', '7')" => qr/function s\.choose returned 7, which is no partition.*partitions 0 to 6/s,
	"('x', '-1')" => qr/function s\.choose returned -1, which is no partition/,
	"('x', '')" => qr/function s\.choose returned null/,
	"('x', 'fail')" => qr/refused/);
foreach my $row (sort keys %refused)
{
	$session->run("INSERT INTO ours (v, k) VALUES $row");
	like($session->error, $refused{$row}, "the answer to $row is an error");
}
$session->run("SET ROLE inserter; INSERT INTO ours (v, k) VALUES ('x', '1')");
like($session->error, qr/permission denied for function s\.choose/, 'who may not call it cannot insert');
$session->run("RESET ROLE; ALTER FOREIGN TABLE ours OPTIONS (SET partitioner 's.\"Strict one\"')");
$session->run("INSERT INTO ours (v, k) VALUES ('strict', 'x')");
is($session->error, '', 'a strict function is called for a key');
$session->run("INSERT INTO ours (v) VALUES ('strict')");
like($session->error, qr/function s\."Strict one" returned null.*no key/s, 'and not without one');
foreach my $wrong (qw(none.none s.none s.other s.rows s.text))
{
	$session->run("ALTER FOREIGN TABLE ours OPTIONS (SET partitioner '$wrong'); INSERT INTO ours (v) VALUES ('x')");
	like($session->error, qr/partitioner function \Q$wrong\E|schema "none" does not exist/, "$wrong is refused");
}
is($session->run("ALTER FOREIGN TABLE ours OPTIONS (DROP partitioner); SELECT count(*) FROM ours WHERE v = 'strict'"), 1, 'what was refused is not there');

$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
