# What fails, is cancelled or rolled back leaves no threads, no files and no memory behind in its backend.
use strict;
use warnings;

use IO::Socket::INET;
use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $session = KafkaSession->new($node);
my $silent = IO::Socket::INET->new(Listen => 200, LocalAddr => '127.0.0.1');
my $topic = new_topic(3);
my $broken = new_topic(1);
my $small = new_topic(1, 'max.message.bytes=500');
produce($broken, qq({"id": 1}\n{"id": "x"}\n{"id": 3}\n));
kafka_tool('generate', $topic, '-n', 3000, '-m', '{"id": {i}}');
$node->safe_psql('postgres', <<~"EOF");
	CREATE SERVER silent FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '127.0.0.1:@{[$silent->sockport]}');
	CREATE FOREIGN TABLE silent (id int) SERVER silent OPTIONS (topic 'nowhere');
	CREATE FOREIGN TABLE t (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g', max_poll_records '10');
	CREATE FOREIGN TABLE broken (id int) SERVER k OPTIONS (topic '$broken');
	CREATE FOREIGN TABLE unknown (id int) SERVER k OPTIONS (topic '$topic-unknown');
	CREATE FOREIGN TABLE small (id int, name text) SERVER k OPTIONS (topic '$small', compression_type 'none');
	EOF

sub memory_mb
{
	my ($pid) = @_;
	my ($pages) = (split ' ', slurp_file("/proc/$pid/statm"))[1];
	return $pages * 4096 / 1048576;
}

# Repeats statements, 10 times to warm up and then 100 times, and compares. All must end by such an error.
sub leaks_nothing
{
	my ($what, $sql, $error, $patience) = @_;
	my $pid = $session->pid;
	my $run = sub {
		my ($times) = @_;
		$session->run(join(";\n", ($sql) x $times), 120);
		my $count = () = $session->error =~ /$error/g;
		is($count, $times, "$what: $times times the error");
	};

	$run->(10);
	$session->run('SELECT count(*) FROM t; BEGIN; INSERT INTO t VALUES (-1); COMMIT');
	my ($threads, $fds, $memory) = (0, 0, 0);
	poll_until(sub { my $same = $threads == threads($pid) && $fds == fds($pid); ($threads, $fds) = (threads($pid), fds($pid)); sleep(1); $same }, 40);
	$memory = memory_mb($pid);
	$run->(100);
	$session->run('SELECT count(*) FROM t; BEGIN; INSERT INTO t VALUES (-1); COMMIT');
	poll_until(sub { threads($pid) <= $threads && fds($pid) <= $fds }, $patience // 15);
	cmp_ok(threads($pid), '<=', $threads, "$what: threads");
	cmp_ok(fds($pid), '<=', $fds, "$what: files");
	cmp_ok(memory_mb($pid), '<', $memory + 40, "$what: memory");
	return;
}

leaks_nothing('division by zero in mid-scan', 'SELECT 1 / (id - 1000) FROM t', qr/division by zero/);
leaks_nothing('the same, consuming', 'SELECT 1 / 0 * id FROM feed', qr/division by zero/);
leaks_nothing('unknown topic, reading', 'SELECT * FROM unknown', qr/does not exist/);
leaks_nothing('unknown topic, writing', 'INSERT INTO unknown VALUES (1)', qr/does not exist/);
leaks_nothing('decode error', 'SELECT id FROM broken', qr/invalid input syntax/);
leaks_nothing('cursor closed early by an error', 'BEGIN; DECLARE c CURSOR FOR SELECT * FROM t; FETCH c; SELECT 1 / 0; ROLLBACK', qr/division by zero/);
leaks_nothing('failed INSERT', 'INSERT INTO t SELECT 1 / (500 - i) FROM generate_series(1, 1000) i', qr/division by zero/);
leaks_nothing('failed COMMIT', "INSERT INTO small SELECT i, repeat('x', 1000) FROM generate_series(1, 100) i", qr/could not deliver/);
leaks_nothing('subtransactions', <<~'EOF', qr/NOTICE:  done/);
	DO $$ DECLARE n int; BEGIN
	  FOR i IN 1 .. 5 LOOP
	    BEGIN
	      SELECT count(*) INTO n FROM feed;
	      INSERT INTO t VALUES (i);
	      RAISE division_by_zero;
	    EXCEPTION WHEN division_by_zero THEN NULL;
	    END;
	  END LOOP;
	  RAISE NOTICE 'done';
	END $$
	EOF
leaks_nothing('broker that is silent', "SET statement_timeout = '50 ms'; SELECT * FROM silent; RESET statement_timeout", qr/canceling statement/, 30);
leaks_nothing('broker that is silent, writing', "SET statement_timeout = '50 ms'; INSERT INTO silent VALUES (1); RESET statement_timeout", qr/canceling statement/, 30);
leaks_nothing('cancelled in mid-scan', "SET statement_timeout = '50 ms'; SELECT count(pg_sleep(0.01)) FROM t; RESET statement_timeout", qr/canceling statement/);

is($session->run('SELECT count(*), min(id), max(id) FROM t WHERE id >= 0') =~ /^\d+\|0\|2999$/, 1, 'the session reads as before');
is($session->run('SELECT count(*) FROM feed'), 10, 'and consumes');
$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
