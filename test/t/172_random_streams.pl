# Whatever happens to streams, their workers, server, broker and tables: the results are those of the same statements over
# the topics, each once, also in a topic. Those of a partition come in the order of its records where that is promised;
# a table of newest records is that of the topic, and whoever waits for it finds in it what came before; each record that
# was parked or failed is in one place.
#
# KAFKA_FDW_SEED repeats the choices of a run, KAFKA_FDW_SECONDS is for how long it goes on, KAFKA_FDW_BROKERS (1) may be 3,
# so that leaders move.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query_becomes);
use KafkaSession;
use PostgreSQL::Test::Utils;
use RandomWriters;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = begin_random(25);
my $began = time();
my $brokers = $ENV{KAFKA_FDW_BROKERS} // 1;
my $broker = KafkaFdw::Broker->new(brokers => $brokers);
my $partitions = 3;
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap,
	conf => "restart_after_crash = on\nfsync = off\ndeadlock_timeout = '200ms'");
$broker->kafka_tool('create-topic', $_, $partitions, $brokers) foreach qw(orders customer_rows forwarded);

# One record in 69 has a number that payments cannot read, one in 83 one that its target refuses. The customers from 105 on
# have never a row, others a late one.
my $join = 'FROM orders JOIN customers USING (customer_id)';
my %streams = (
	enrich => { target => 'enriched', at => 1,
		create => "create_stream('enrich', 'INSERT INTO enriched SELECT id, name, p, o $join'" },
	add_up => { target => 'totals',
		create => q{create_stream('add_up', 'INSERT INTO totals SELECT customer_id, count(*), sum(id) FROM orders GROUP BY customer_id
			ON CONFLICT (customer_id) DO UPDATE SET n = totals.n + excluded.n, total = totals.total + excluded.total'} },
	keep => { target => 'kept', at => 1,
		create => "create_stream('keep', 'CALL keep()', source => 'payments', on_error => 'dead_letter'" },
	ship => { target => 'shipped', at => 1,
		create => "create_join('ship', 'orders', 'late', 'orders.customer_id = late.customer_id', 'shipped', unmatched => 'park'" },
	forward => { create => "create_stream('forward', 'INSERT INTO forwarded (key, id, name, p, o) SELECT customer_id, id, name, p, o $join'" },
	know => { target => 'known', is_idempotent => 1,
		create => "materialize('know', 'customer_topic', 'known', commit_interval => '1 s'" },
	meet => { target => 'met', at => 1,
		create => q{create_stream('meet', 'INSERT INTO met SELECT s.id, k.name, p, o FROM orders s LEFT JOIN known k ON k.id = s.customer_id
			WHERE s.customer_id >= 1000', wait_for => '{know}', max_task_idle => '1 hour'} });

sub create_stream { my ($name, $more) = @_; return "SELECT kafka.$streams{$name}{create}, workers => 2, max_poll_records => 300" . ($more // '') . ');'; }

$node->safe_psql('postgres', <<~"EOF");
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '5000', ADD delivery_timeout_ms '4000', ADD transaction_timeout_ms '5000');
	CREATE FOREIGN TABLE orders (id bigint, customer_id int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
	  SERVER k OPTIONS (topic 'orders');
	CREATE FOREIGN TABLE payments (id bigint, small smallint, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
	  SERVER k OPTIONS (topic 'orders');
	CREATE FOREIGN TABLE customer_topic (id int OPTIONS (metadata 'key'), name text, _partition int OPTIONS (metadata 'partition'),
	  _offset bigint OPTIONS (metadata 'offset'), _tombstone bool OPTIONS (metadata 'tombstone')) SERVER k OPTIONS (topic 'customer_rows');
	CREATE FOREIGN TABLE forwarded (key int OPTIONS (metadata 'key'), id bigint, name text, p int, o bigint, _p int OPTIONS (metadata 'partition'),
	  _o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic 'forwarded', delivery 'outbox');
	CREATE TABLE customers AS SELECT i AS customer_id, 'customer ' || i AS name, 0 AS filler FROM generate_series(0, 99) i;
	CREATE TABLE late (customer_id int PRIMARY KEY, name text, filler int);
	CREATE TABLE enriched (id bigint, name text, p int, o bigint, n bigserial, filler int);
	CREATE TABLE totals (customer_id int PRIMARY KEY, n bigint, total numeric, filler int);
	CREATE TABLE kept (id bigint CONSTRAINT poison CHECK (id % 83 <> 7), p int, o bigint, filler int);
	CREATE TABLE met (id bigint, name text, p int, o bigint, filler int);
	CREATE TABLE shipped (id bigint, customer_id int, name text, p int, o bigint, filler int);
	CREATE PROCEDURE keep() LANGUAGE plpgsql AS \$\$
	DECLARE r record;
	BEGIN
	  FOR r IN SELECT id, p, o FROM payments LOOP INSERT INTO kept VALUES (r.id, r.p, r.o); END LOOP;
	END \$\$;
	-- a customer whom nobody else writes, and then her order, which all can read
	CREATE PROCEDURE follow(customer int) LANGUAGE plpgsql AS \$\$
	BEGIN
	  INSERT INTO customer_topic (id, name) VALUES (customer, 'follower');
	  COMMIT;
	  INSERT INTO orders (id, customer_id) VALUES (69 * 83 * customer::bigint, customer);
	END \$\$;
	@{[ map { create_stream($_) } sort keys %streams ]}
	ALTER TABLE known ADD filler int;
	EOF

my $random = RandomWriters->new(node => $node, broker => $broker, writers => 3);
my $follower = 1000;
my @wrong;

# A statement may meet a broker that is away, or a partition that was not read yet; then nothing of its transaction has happened.
sub run_sql
{
	my ($sql) = @_;
	$random->await_server;
	my ($status, $out, $err) = $node->psql('postgres', $sql);
	return $out if $status == 0;
	die "$sql: $err\n" unless $err =~ /broker|timed out|no position/i;
	note("refused: $err");
	$random->{outcomes}{refused}++;
	return;
}

sub some_stream
{
	my ($is_suitable) = @_;
	return one(grep { !$is_suitable || $is_suitable->($streams{$_}) } sort keys %streams);
}
sub some_target { my $name = some_stream(sub { $_[0]{target} }); return ($name, $streams{$name}{target}); }

# One of our background processes; none while they restart
sub worker
{
	return one(split /\n/, run_sql("SELECT pid FROM pg_stat_activity WHERE backend_type IN ('kafka_fdw stream', 'kafka_fdw relay')"));
}

sub kill_worker
{
	my $pid = worker() or return;
	crash($node, $pid);
	return;
}

sub signal_worker
{
	my ($function) = @_;
	my $pid = worker() or return;
	run_sql("SELECT $function($pid)");
	return;
}

# Holds locks that a stream waits for, while something else happens.
sub lock_target
{
	my ($what) = @_;
	my ($name, $target) = some_target();
	my $session = KafkaSession->new($node);
	$session->run($name eq 'add_up' && rand() < 0.5
		? 'BEGIN; SELECT FROM totals ORDER BY customer_id DESC LIMIT 3 FOR UPDATE'
		: "BEGIN; LOCK TABLE $target IN SHARE ROW EXCLUSIVE MODE");
	sleep(rand(0.5));
	$what->() if $what;
	$session->run('COMMIT');
	$session->close;
	return;
}

# A target that refuses what comes, or a table that is away: the stream fails, and goes on when it is mended and resumed.
# Where it sets aside what is refused, that is run again in the end.
sub refuse_for_a_while
{
	my ($name, $target) = some_target();
	my ($break, $mend) = @{ one([ "ALTER TABLE $target ADD CONSTRAINT refuse CHECK (false) NOT VALID", "ALTER TABLE $target DROP CONSTRAINT refuse" ],
		[ 'ALTER TABLE customers RENAME TO gone', 'ALTER TABLE gone RENAME TO customers' ]) };
	run_sql($break);
	sleep(rand(1));
	run_sql("$mend; SELECT kafka.resume_stream(name) FROM kafka.streams");
	return;
}

# What a stream has made is taken back, and made again; its dead letters go with its positions.
sub empty
{
	my ($name, $condition) = @_;
	return $streams{$name}{is_idempotent} ? '' : "DELETE FROM $streams{$name}{target}" . ($condition // '') . ';';
}

sub create_again
{
	my $name = some_stream(sub { $_[0]{target} });
	run_sql("BEGIN; SELECT kafka.drop_stream('$name');" . empty($name) . create_stream($name) . 'COMMIT');
	return;
}

# A stream that is another one reads on where the one before was.
sub create_at_position
{
	my $name = some_stream(sub { !$_[0]{target} });
	run_sql("SELECT kafka.pause_stream('$name')");
	my $positions = run_sql("SELECT string_agg(format('SELECT kafka.reset_stream(%L, partition => %s, next_offset => %s);', group_id, partition, next_offset), '')
		FROM kafka.offsets WHERE group_id = '$name'");
	return run_sql("SELECT kafka.resume_stream('$name')") if !$positions;
	run_sql("BEGIN; SELECT kafka.drop_stream('$name');" . create_stream($name) . "$positions COMMIT") // run_sql("SELECT kafka.resume_stream('$name')");
	return;
}

sub reset_to_earliest
{
	my $name = some_stream(sub { $_[0]{target} });
	run_sql("BEGIN; SELECT kafka.reset_stream('$name', 'earliest');" . empty($name) . 'COMMIT');
	return;
}

sub reset_a_partition
{
	my $name = some_stream(sub { $_[0]{at} });
	my $partition = int(rand($partitions));
	my $back = 1 + int(rand(one(10, 1000)));
	my $position = "(SELECT next_offset FROM kafka.offsets WHERE group_id = '$name' AND partition = $partition)";
	run_sql("BEGIN; SELECT kafka.reset_stream('$name', partition => $partition, shift_by => -$back);"
		. empty($name, " WHERE p = $partition AND o >= $position") . 'COMMIT');
	return;
}

sub alter
{
	my $name = some_stream();
	my $workers = 1 + int(rand(3));
	my $bound = one('max_poll_records => 3', 'max_poll_records => 40', 'max_poll_bytes => 500', "commit_interval => '100 ms'", 'max_records_per_second => 5000',
		"reset => '{max_poll_records, max_poll_bytes, commit_interval, max_records_per_second}'");
	run_sql("SELECT kafka.alter_stream('$name', workers => $workers, $bound)");
	run_sql("SELECT kafka.alter_stream('ship', park_timeout => '" . one('1 hour', '1 hour', '10 ms') . "')") if rand() < 0.5;
	return;
}

# The tables are rewritten, too.
sub change_schema
{
	my $table = one(qw(customers late), map { $_->{target} // () } values %streams);
	my $type = one('int', 'bigint', 'numeric');
	my @changes = ('ADD COLUMN IF NOT EXISTS more text', 'DROP COLUMN IF EXISTS more', ("ALTER filler TYPE $type") x 3);
	push @changes, ("ALTER id TYPE $type") x 3 if $table =~ /enriched|shipped|kept|known|met/;
	run_sql("ALTER TABLE $table " . one(@changes));
	run_sql('ALTER FOREIGN TABLE orders ' . one(@changes[ 0, 1 ])) if rand() < 0.3;
	return;
}

sub pause_for_a_while
{
	my ($name, $target) = some_target();
	my $state = "SELECT (SELECT count(*) FROM $target), sum(next_offset) FROM kafka.offsets WHERE group_id = '$name'";
	run_sql("SELECT kafka.pause_stream('$name')");
	my $before = run_sql($state);
	sleep(rand(0.5));
	my $after = run_sql($state);
	push @wrong, "paused $name: $after instead of $before" if $after ne $before;
	run_sql("SELECT kafka.resume_stream('$name')");
	return;
}

sub add_partition
{
	return if $partitions >= 8 || $random->{mended};
	$broker->kafka_tool('add-partitions', 'orders', ++$partitions);
	return;
}

sub some_node { return $brokers > 1 ? 1 + int(rand($brokers)) : (); }

# At every moment each record that was read is in one place: what it gives is 0.
my $look = join(', ', map { "coalesce(sum(next_offset) FILTER (WHERE group_id = '$_->[0]'), 0) - $_->[1]" }
	[ 'add_up', '(SELECT coalesce(sum(n), 0) FROM totals)' ],
	map { [ $_, "(SELECT count(*) FROM $streams{$_}{target}) - (SELECT count(*) FROM kafka.parked WHERE stream = '$_')
		- (SELECT count(*) FROM kafka.dead_letters WHERE stream = '$_')" ] } qw(keep ship));

# The table that a stream waits for: more and more of its rows come, some go for a while.
sub change_late
{
	my $last = 10 + 95 * (time() - $began) / $seconds;
	my $ids = join(',', sort { $a <=> $b } map { int(rand($last > 105 ? 105 : $last)) } 1 .. 1 + int(rand(3)));
	my $change = one(("INSERT INTO late SELECT i, 'late ' || i FROM unnest('{$ids}'::int[]) i ON CONFLICT DO NOTHING") x 2,
		"UPDATE late SET filler = 1 WHERE customer_id = " . int(rand(105)), 'DELETE FROM late WHERE customer_id = ' . int(rand(105)));
	return 'BEGIN; ' . $change . '; SELECT pg_sleep(' . rand(0.3) . '); ' . one('COMMIT', 'COMMIT', 'ROLLBACK');
}

sub start_writer
{
	my ($writer) = @_;
	my $what = rand();
	$writer->{looks} = $what < 0.3;
	$writer->{follows} = $what > 0.8;
	$writer->{session}->start($writer->{looks} ? "SELECT $look FROM kafka.offsets; SELECT pg_sleep(0.1)"
		: $writer->{follows} ? 'CALL follow(' . $follower++ . ')' : $what < 0.4 ? 'SELECT count(*) FROM kafka.status' : change_late());
	return;
}

sub take_answer
{
	my ($writer, $out) = @_;
	my $error = $writer->{session}->error;
	return if $random->is_lost($writer);
	push @wrong, time() . ": $error" if $error && $error !~ /canceling statement due to user request/ && !$writer->{follows};
	push @wrong, time() . ": $out records are lost or there twice" if $writer->{looks} && !$error && $out !~ /^0\|0\|0$/m;
	$random->{outcomes}{looked}++ if $writer->{looks} && !$error;
	$random->{outcomes}{followed}++ if $writer->{follows} && !$error;
	return;
}

# An idempotent producer gives up where a killed broker has forgotten it; results are compared with what is in the topics
my @generators = map { $broker->start_generator(@$_, '-X', 'enable.idempotence=false') }
  [ 'orders', '-r', 500, '-k', '{i%97}', '-m', '{"id":{i},"customer_id":{i%110},"small":327{i%69}}' ],
  [ 'customer_rows', '-r', 60, '-k', '{i%89}', '-m', '{"name":"name {i}"}' ],
  [ 'customer_rows', '-r', 7, '-k', '{i%83}', '-m', '\N' ];
$random->run(
	seconds => $seconds,
	least => { looked => 11, followed => 11 },
	pause => 0.5,
	start => \&start_writer,
	take => \&take_answer,
	faults => {
		'session cancelled' => sub { $random->signal('pg_cancel_backend') },
		'session terminated' => sub { $random->signal('pg_terminate_backend') },
		'session killed' => sub { $random->kill9_session if rand() < 0.5 },
		'worker cancelled' => sub { signal_worker('pg_cancel_backend') },
		'worker terminated' => sub { signal_worker('pg_terminate_backend') },
		'worker killed' => \&kill_worker,
		'postmaster killed' => sub { $random->kill9_postmaster if rand() < 0.5 },
		'server stopped' => sub { $node->stop(one('immediate', 'fast')); $node->start },
		'broker killed' => sub { $random->broken('kill9', 'restart', 3, some_node()) },
		'broker restarted' => sub { $random->broken('stop', 'restart', 1, some_node()) },
		'broker silent' => sub { $random->broken('pause', 'resume', 4, some_node()) },
		lock => sub { lock_target() },
		'worker killed while locked' => sub { lock_target(\&kill_worker) },
		'worker terminated while locked' => sub { lock_target(sub { signal_worker('pg_terminate_backend') }) },
		paused => \&pause_for_a_while,
		refused => \&refuse_for_a_while,
		'created again' => \&create_again,
		'created at its position' => \&create_at_position,
		replaced => sub { run_sql(create_stream(some_stream(), ', replace => true')) },
		'read again' => \&reset_to_earliest,
		'partition read again' => \&reset_a_partition,
		'dead letters run again' => sub { run_sql("SELECT kafka.retry_dead_letters('" . one(qw(keep ship)) . "')") },
		altered => \&alter,
		'schema changed' => \&change_schema,
		'partition added' => \&add_partition,
		settings => sub { run_sql("ALTER SERVER k OPTIONS (SET request_timeout_ms '" . (5000 + int(rand(9))) . "')") } });
$_->{session}->close foreach $random->writers;
stop_generator($_) foreach @generators;
note($random->summary);
is(join("\n", splice(@wrong, 0, 10)), '', 'at every moment each record is in one place');

# All is read: a fault may have made a stream fail only where it was refused.
my %produced;
foreach my $topic (qw(orders customer_rows))
{
	$produced{$topic} += (split /\t/)[2] foreach split /\n/, $broker->kafka_tool('watermark', $topic);
}
run_sql("INSERT INTO late SELECT i, 'late ' || i FROM generate_series(0, 104) i ON CONFLICT DO NOTHING;
	SELECT kafka.alter_stream(name, reset => '{max_poll_records, max_poll_bytes, commit_interval, max_records_per_second}') FROM kafka.streams;
	SELECT kafka.alter_stream('ship', park_timeout => '1 hour')");
foreach my $name (sort keys %streams)
{
	query_becomes("SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = '$name'", $produced{ $name eq 'know' ? 'customer_rows' : 'orders' }, "$name reads all");
}
query_becomes("SELECT count(*) FROM kafka.parked WHERE (convert_from(value, 'UTF8')::json->>'customer_id')::int < 105", 0, 'what has its row is parked no more');
run_sql("SELECT kafka.alter_stream('ship', park_timeout => '1 ms')");
query_becomes('SELECT count(*) FROM kafka.parked', 0, 'what has none neither, after its time');
run_sql("ALTER TABLE kept DROP CONSTRAINT poison; SELECT kafka.retry_dead_letters('keep'), kafka.retry_dead_letters('ship')");
query_becomes('SELECT sum(unsent) FROM kafka.stat_outbox', 0, 'the outbox is empty');
ok(poll_until(sub { $broker->is_settled('forwarded') }, 60), 'and no Kafka transaction is open');

# Two queries have the same rows as often, but for some
sub is_same
{
	my ($one, $two, $name) = @_;
	my $differences = "(($one) EXCEPT ALL ($two)) UNION ALL (($two) EXCEPT ALL ($one))";
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(run_sql("SELECT count(*) FROM ($differences) x"), 0, $name) or diag(run_sql("$differences ORDER BY 1 LIMIT 20"));
	return;
}
is_same('SELECT id, name, p, o FROM enriched', "SELECT id, name, p, o $join", 'the join is that of the topic');
is_same('SELECT customer_id, n, total FROM totals', 'SELECT customer_id, count(*), sum(id) FROM orders GROUP BY 1', 'the sums are those of the topic');
is_same('SELECT id, p, o FROM kept', "SELECT id, p, o FROM orders WHERE id % 69 <> 68", 'the procedure got the records of the topic');
is_same("SELECT _partition, _offset, stage FROM kafka.dead_letters WHERE stream = 'keep'", "SELECT p, o, 'decode' FROM orders WHERE id % 69 = 68",
	'but for those that cannot be read');
is_same('SELECT id, name, p, o FROM shipped', 'SELECT id, name, p, o FROM orders JOIN late USING (customer_id)', 'each record was joined to its late row');
is_same("SELECT _partition, _offset, stage FROM kafka.dead_letters WHERE stream = 'ship'", "SELECT p, o, 'join' FROM orders WHERE customer_id >= 105",
	'or set aside, as it has none');
is_same('SELECT key, id, name, p, o FROM forwarded', "SELECT customer_id, id, name, p, o $join", 'the other topic has the join');
is_same('SELECT id, name, _partition, _offset FROM known', 'SELECT id, name, _partition, _offset FROM (SELECT DISTINCT ON (id) * FROM customer_topic
	ORDER BY id, _offset DESC) n WHERE NOT _tombstone', 'the table of newest records is that of the topic');
is_same('SELECT id, name, p, o FROM met', "SELECT id, 'follower', p, o FROM orders WHERE customer_id >= 1000", 'each order that followed its customer found her');
is(run_sql('SELECT count(*) FROM (SELECT o < lag(o) OVER (PARTITION BY p ORDER BY n) AS back FROM enriched) x WHERE back'),
	0, 'the order of a partition is kept');
is(run_sql('SELECT count(*) FROM (SELECT o < lag(o) OVER (PARTITION BY _p, key, p ORDER BY _o) AS back FROM forwarded) x WHERE back'),
	0, 'that of a key in the other topic, too');
unlike(slurp_file($node->logfile), qr/terminated by signal (?!9:)|TRAP:/, 'nothing crashed that was not killed');
note(join(', ', map { "$produced{$_} $_" } sort keys %produced));

$node->stop;
$broker->stop;
done_testing();
