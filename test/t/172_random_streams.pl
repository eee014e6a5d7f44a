# Whatever happens to a stream's workers, server, broker and target: its results are those of the same statement over
# the topic, each once, and those of a partition come in the order of its records.
#
# KAFKA_FDW_SEED repeats the choices of a run, KAFKA_FDW_SECONDS is for how long it goes on.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{KAFKA_FDW_SEED} // int(rand(1 << 31));
my $seconds = $ENV{KAFKA_FDW_SECONDS} // 20;
srand($seed);
note("KAFKA_FDW_SEED=$seed KAFKA_FDW_SECONDS=$seconds");

my $broker = KafkaFdw::Broker->new;
my $partitions = 3;
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap, conf => "restart_after_crash = on\nfsync = off");
$broker->kafka_tool('create-topic', 'orders', $partitions);

my %streams = (
	enrich => q{INSERT INTO enriched SELECT id, name, p, o FROM orders JOIN customers USING (customer_id)},
	add_up => q{INSERT INTO totals SELECT customer_id, count(*), sum(id) FROM orders GROUP BY customer_id
		ON CONFLICT (customer_id) DO UPDATE SET n = totals.n + excluded.n, total = totals.total + excluded.total},
	call => q{CALL keep()});
my %targets = (enrich => 'enriched', add_up => 'totals', call => 'kept');

sub create_stream
{
	my ($name) = @_;
	my $source = $name eq 'call' ? ", source => 'orders'" : '';
	return "SELECT kafka.create_stream('$name', \$stream\$$streams{$name}\$stream\$, "
	  . "workers => 2, max_poll_records => 300$source)";
}

$node->safe_psql('postgres', <<~'EOF', on_error_stop => 1);
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '5000');
	CREATE FOREIGN TABLE orders (id bigint, customer_id int, p int OPTIONS (metadata 'partition'),
	  o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic 'orders');
	CREATE TABLE customers AS SELECT i AS customer_id, 'customer ' || i AS name FROM generate_series(0, 99) i;
	CREATE TABLE enriched (id bigint, name text, p int, o bigint, n bigserial);
	CREATE TABLE totals (customer_id int PRIMARY KEY, n bigint, total numeric);
	CREATE TABLE kept (id bigint, p int, o bigint);
	CREATE PROCEDURE keep() LANGUAGE plpgsql AS $$
	DECLARE r record;
	BEGIN
	  FOR r IN SELECT id, p, o FROM orders LOOP INSERT INTO kept VALUES (r.id, r.p, r.o); END LOOP;
	END $$;
	EOF
$node->safe_psql('postgres', create_stream($_)) foreach sort keys %streams;

sub run_sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }

sub await_server
{
	poll_until(sub { system('pg_isready', '-q', '-d', $node->connstr('postgres')) == 0 }, 60) or die "no server\n";
	return;
}

# The process of one of the workers; none while they restart
sub worker
{
	my @pids = split /\n/, run_sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'kafka_fdw stream'");
	return $pids[ rand(@pids) ];
}

sub one { return $_[ int(rand(@_)) ]; }

# Holds locks that a stream waits for, while something else happens.
sub lock_target
{
	my ($what) = @_;
	my $name = one(sort keys %streams);
	my $session = KafkaSession->new($node);
	$session->run($name eq 'add_up' && rand() < 0.5
		? 'BEGIN; SELECT FROM totals ORDER BY customer_id DESC LIMIT 3 FOR UPDATE'
		: "BEGIN; LOCK TABLE $targets{$name} IN SHARE ROW EXCLUSIVE MODE");
	sleep(rand(0.5));
	$what->() if $what;
	$session->run('COMMIT');
	$session->close;
	return;
}

# A target that refuses what comes: the stream fails, and goes on when it is mended and resumed.
sub refuse_for_a_while
{
	my $name = one(sort keys %streams);
	run_sql("ALTER TABLE $targets{$name} ADD CONSTRAINT refuse CHECK (false) NOT VALID");
	sleep(rand(1));
	run_sql("ALTER TABLE $targets{$name} DROP CONSTRAINT refuse; SELECT kafka.resume_stream('$name')");
	return;
}

sub create_again
{
	my $name = one(sort keys %streams);
	run_sql("BEGIN; SELECT kafka.drop_stream('$name'); TRUNCATE $targets{$name}; " . create_stream($name) . '; COMMIT');
	return;
}

sub alter
{
	my $name = one(sort keys %streams);
	my $workers = 1 + int(rand(4));
	my $bound = one("max_poll_records => 3", "max_poll_bytes => 500", "commit_interval => '100 ms'", "max_records_per_second => 5000",
		"reset => '{max_poll_records, max_poll_bytes, commit_interval, max_records_per_second}'");
	run_sql("SELECT kafka.alter_stream('$name', workers => $workers, $bound)");
	return;
}

sub pause_for_a_while
{
	my $name = one(sort keys %streams);
	run_sql("SELECT kafka.pause_stream('$name')");
	my $count = run_sql("SELECT count(*) FROM $targets{$name}");
	sleep(rand(0.5));
	is(run_sql("SELECT count(*) FROM $targets{$name}"), $count, 'a paused stream writes nothing');
	run_sql("SELECT kafka.resume_stream('$name')");
	return;
}

sub signal_worker
{
	my ($function) = @_;
	my $pid = worker();
	run_sql("SELECT $function($pid)") if $pid;
	return;
}

sub add_partition
{
	return if $partitions >= 8;
	$broker->kafka_tool('add-partitions', 'orders', ++$partitions);
	return;
}

my %faults = (
	'kill -9 of a worker' => sub { my $pid = worker(); kill9($pid) if $pid; await_server() },
	'immediate stop' => sub { $node->stop('immediate'); $node->start },
	'fast stop' => sub { $node->stop('fast'); $node->start },
	'terminate' => sub { signal_worker('pg_terminate_backend') },
	'cancel' => sub { signal_worker('pg_cancel_backend') },
	'broker killed' => sub { $broker->kill9; sleep(rand(2)); $broker->restart },
	'broker killed while locked' => sub { lock_target(sub { $broker->kill9; sleep(rand(1)); $broker->restart }) },
	'broker restarted' => sub { $broker->restart },
	'broker silent' => sub { $broker->pause; sleep(rand(3)); $broker->resume },
	'lock' => sub { lock_target() },
	'terminate while locked' => sub { lock_target(sub { signal_worker('pg_terminate_backend') }) },
	'paused' => \&pause_for_a_while,
	'refused' => \&refuse_for_a_while,
	'created again' => \&create_again,
	'altered' => \&alter,
	'partition added' => \&add_partition,
	'settings' => sub { run_sql("ALTER SERVER k OPTIONS (SET request_timeout_ms '" . (5000 + int(rand(9))) . "')") },
	'nothing' => sub { sleep(rand(1)) });

my $generator = $broker->start_generator('orders',
	'-r', 1000, '-k', '{i%97}', '-m', '{"id":{i},"customer_id":{i%110}}');
my @done;
my $end = time() + $seconds;
while (time() < $end)
{
	push @done, one(sort keys %faults);
	note(join(' ', time(), $done[-1]));
	$faults{ $done[-1] }->();
	sleep(rand(0.4));
}
stop_generator($generator);
note(scalar(@done) . ' faults: ' . join(', ', @done));

# A fault may have made a stream fail only where it was refused
my $produced = 0;
$produced += (split /\t/)[2] foreach split /\n/, $broker->kafka_tool('watermark', 'orders');
foreach my $name (sort keys %streams)
{
	becomes($node, 'postgres', "SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = '$name'", $produced, "$name reads all");
}

# The number of rows of one query that another has not got as often, in both directions
sub differing
{
	my ($one, $two) = @_;
	return run_sql("SELECT (SELECT count(*) FROM ($one EXCEPT ALL $two) x), (SELECT count(*) FROM ($two EXCEPT ALL $one) x)");
}
is(differing('SELECT id, name, p, o FROM enriched', $streams{enrich} =~ s/INSERT INTO enriched//r), '0|0', 'the join is that of the topic');
is(differing('SELECT * FROM totals', 'SELECT customer_id, count(*), sum(id) FROM orders GROUP BY 1'), '0|0', 'the sums are those of the topic');
is(differing('SELECT * FROM kept', 'SELECT id, p, o FROM orders'), '0|0', 'the procedure got the records of the topic');
is(run_sql('SELECT count(*) FROM (SELECT o < lag(o) OVER (PARTITION BY p ORDER BY n) AS back FROM enriched) x WHERE back'),
	0, 'the order of a partition is kept');
note("$produced records");

$node->stop;
$broker->stop;
done_testing();
