# Any number of scans one after the other; as many at a time as the session may have files, in bounded memory.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $session = KafkaSession->new($node);
my $pid = $session->run('SELECT pg_backend_pid()');
my $tables = 300;
my $small = new_topic(1);
my $large = new_topic(1);
my $tiny = new_topic(8);
produce($small, "1\n2\n");
kafka_tool('generate', $large, '-n', 200000, '-m', 'x' x 1000);
kafka_tool('generate', $tiny, '-n', 2000000, '-m', '{i}');

# Kilobytes of memory, when they do not change any more
sub memory
{
	my ($before, $now) = (0, 0);
	poll_until(sub {
		$before = $now;
		sleep(1);
		($now) = slurp_file("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m;
		return abs($now - $before) < 1000;
	}, 30);
	return $now;
}

$session->run(<<~"EOF", 60);
	CREATE FOREIGN TABLE large (v text) SERVER k OPTIONS (topic '$large', format 'text');
	CREATE FOREIGN TABLE tiny (v text) SERVER k OPTIONS (topic '$tiny', format 'text');
	DO \$\$
	BEGIN
		FOR i IN 1 .. $tables LOOP
			EXECUTE format('CREATE FOREIGN TABLE t%s (v int) SERVER k OPTIONS (topic %L, format %L)', i, '$small', 'text');
		END LOOP;
	END \$\$;
	EOF
is($session->error, '', 'tables are made');
is($session->run('SELECT count(*) FROM t1'), 2, 'one is read');
my $files = fds($pid);
my $union = join(' UNION ALL ', map { "SELECT v FROM t$_" } 1 .. $tables);
$session->run('SET max_parallel_workers_per_gather = 0');
is($session->run("SELECT count(*), sum(v) FROM ($union) u", 120), 2 * $tables . '|' . 3 * $tables, "a union of $tables tables");
is($session->error, '', 'without an error');
cmp_ok(fds($pid), '<', $files + 30, 'needs the files of a few clients only');
$session->run('RESET max_parallel_workers_per_gather; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0');
like($session->run("EXPLAIN SELECT count(*), sum(v) FROM ($union) u"), qr/Parallel Append/, 'the union by several processes');
is($session->run("SELECT count(*), sum(v) FROM ($union) u", 120), 2 * $tables . '|' . 3 * $tables, 'has the same');
is($session->error, '', 'without an error');
cmp_ok(fds($pid), '<', $files + 30, 'and needs no more files');
$session->run('RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size');

# scans that are not read to their end
my $kilobytes = memory();
$session->run('BEGIN');
$session->run("DECLARE c$_ CURSOR FOR SELECT v FROM large; MOVE 1 FROM c$_") foreach 1 .. 5;
is($session->error, '', 'five cursors are open');
cmp_ok(memory() - $kilobytes, '<', 150000, 'and have bounded memory');
$session->run('ROLLBACK; BEGIN');
$session->run("DECLARE c$_ CURSOR FOR SELECT v FROM tiny; MOVE 1 FROM c$_") foreach 1 .. 5;
is($session->error, '', 'so are five with records of a few bytes');
cmp_ok(memory() - $kilobytes, '<', 300000, 'which take little more');
$session->run('ROLLBACK; BEGIN');
my $open = 0;
while ($open++ < 500)
{
	$session->run("DECLARE c$open CURSOR FOR SELECT v FROM large; MOVE 1 FROM c$open");
	last if $session->error;
}
cmp_ok($open, '>', 25, "more cursors are open: $open");
like($session->error, qr/ERROR: .*too many Kafka clients.*DETAIL: .*"max_files_per_process"/s, 'what limits them is said');
is($session->run('SELECT 1'), '', 'the transaction has failed');
$session->run('ROLLBACK');
is($session->run('SELECT count(*) FROM t1'), 2, 'the session reads again');
ok(poll_until(sub { fds($pid) < $files + 40 }, 20), 'the files are free again');
is($session->run("\\set VERBOSITY sqlstate\nBEGIN; DECLARE a CURSOR FOR SELECT v FROM large; MOVE 1 FROM a; COMMIT; SELECT 'done'", 30), 'done',
	'and cursors can be opened');
ok(!crashed($node), 'no process crashed');
$node->stop;
done_testing();
