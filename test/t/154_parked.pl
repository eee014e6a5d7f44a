# Streams of kafka.create_join(): records whose row is not there yet are parked, and each is joined once when it comes.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{KAFKA_FDW_SEED} // int(rand(1 << 31));
srand($seed);
note("KAFKA_FDW_SEED=$seed");

my $node = new_cluster('main', conf => "restart_after_crash = on\nkafka_fdw.max_workers = 16");

# The error of a query that fails
sub fails
{
	my ($query) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $query);
	return $err;
}

# A topic, a table of it, one to join and one for the results
sub tables
{
	my ($name, $partitions) = @_;
	my $topic = new_topic($partitions // 1);
	query("CREATE FOREIGN TABLE $name (id int, customer_id int, _key text OPTIONS (metadata 'key'), _headers kafka.header[] OPTIONS (metadata 'headers'),
			_timestamp timestamptz OPTIONS (metadata 'timestamp')) SERVER k OPTIONS (topic '$topic');
		CREATE TABLE ${name}_customers (customer_id int, name text);
		CREATE TABLE ${name}_got (id int NOT NULL CHECK (id >= 0), customer_id int, name text, _key text, _headers kafka.header[], _timestamp timestamptz)");
	return $topic;
}

sub join_tables
{
	my ($name, $settings, $table) = @_;
	$table //= "${name}_customers";
	return query("SELECT kafka.create_join('$name', source => '$name', join_table => '$table', join_on => '$name.customer_id = $table.customer_id',
		into_table => '${name}_got', unmatched => 'park'" . ($settings ? ", $settings" : '') . ')');
}

sub orders { return join('', map { defined $_->[1] ? "{\"id\":$_->[0],\"customer_id\":$_->[1]}\n" : "{\"id\":$_->[0]}\n" } @_); }

# The same in four partitions
sub spread { my $p = 0; return join('', map { $p++ % 4 . "|$_\n" } split /\n/, orders(@_)); }

my $got = q{SELECT string_agg(id || ':' || coalesce(name, '-'), ' ' ORDER BY id) FROM %s_got};
my $parked = q{SELECT coalesce(string_agg(_offset::text, ' ' ORDER BY _offset), '') FROM kafka.parked WHERE stream = '%s'};

# Rows of a table that inherits from the source are none of a batch
my $parent = tables('parents');
join_tables('parents');
query('CREATE TABLE children () INHERITS (parents); INSERT INTO children (id, customer_id) SELECT i, 1000 + i FROM generate_series(1, 300) i');
produce($parent, orders([ 1, 1 ], [ 2, 2 ], [ 3, 3 ]));
query_becomes("SELECT parked FROM kafka.stat_streams WHERE stream = 'parents'", 3, 'what has no row is parked, and nothing else');

# A table that somebody else uses keeps its trigger; a stream that did not wait for its rows does not wait for that
query('CREATE TABLE elsewhere (i int); CREATE TRIGGER tells AFTER INSERT ON elsewhere EXECUTE FUNCTION kafka.wake_streams()');
my $reader = KafkaSession->new($node);
$reader->run('BEGIN; TABLE elsewhere');
is(fails("SET lock_timeout = '20 s'; SELECT kafka.drop_stream('parents')"), '', 'a stream is dropped beside a table with the trigger that is in use');
is(query("SELECT string_agg(tgrelid::regclass::text, ' ') FROM pg_trigger WHERE tgfoid = 'kafka.wake_streams'::regproc"), 'elsewhere', 'which keeps it');
$reader->close;
query('DROP TABLE children, elsewhere');

# A row that comes late wakes the worker: its timer goes once a minute where there is a trigger
my $topic = tables('wakes');
query("INSERT INTO wakes_customers VALUES (1, 'one')");
join_tables('wakes');
produce($topic, orders([ 1, 1 ], [ 2, 2 ], [ 3, 3 ], [ 4, undef ]), qw(-T 1700000000123 -H a=1 -H b=2));
query_becomes("SELECT parked FROM kafka.stat_streams WHERE stream = 'wakes'", 2, 'what has no row is parked, and counted');
is(query(sprintf($got, 'wakes')), '1:one', 'what has one is joined; what can have none, as its key is NULL, is dropped');
is(query(sprintf($parked, 'wakes')), '1 2', 'the parked records are there to be seen');
is(query("SELECT parked, problem FROM kafka.status WHERE name = 'wakes'"), '2|', 'kafka.status has their number');
is(query("SELECT next_offset FROM kafka.offsets WHERE group_id = 'wakes'"), 4, 'the position is past all');
query("INSERT INTO wakes_customers VALUES (2, 'two')");
query_becomes(sprintf($got, 'wakes'), '1:one 2:two', 'a row that is inserted finds its record');
query("UPDATE wakes_customers SET customer_id = 3 WHERE name = 'one'");
query_becomes(sprintf($got, 'wakes'), '1:one 2:two 3:one', 'so does one that is updated');
query_becomes("SELECT parked FROM kafka.stat_streams WHERE stream = 'wakes'", 0, 'then nothing is parked');
is(query(sprintf($parked, 'wakes')), '', 'nothing at all');
is(query("SELECT count(DISTINCT (_timestamp, _headers)), min(extract(epoch FROM _timestamp)) FROM wakes_got"), '1|1700000000.123000',
	'a record that was parked is what it was');
is(query('SELECT count(*) FROM kafka.dead_letters'), 0, 'none was set aside');

# What does not come: dead letters, which can be run again
produce($topic, orders([ 5, 5 ], [ 6, 6 ]));
query_becomes("SELECT parked FROM kafka.stat_streams WHERE stream = 'wakes'", 2, 'two more');
query("SELECT kafka.alter_stream('wakes', park_timeout => '10 ms')");
query_becomes("SELECT string_agg(concat_ws(' ', _offset, stage, sqlstate, error), ', ' ORDER BY _offset) FROM kafka.dead_letters",
	join(', ', map { "$_ join 02000 no row of public.wakes_customers meets wakes.customer_id = wakes_customers.customer_id" } 4, 5),
	'are dead letters when the time is over');
query_becomes("SELECT parked || ' ' || dead_letters FROM kafka.stat_streams WHERE stream = 'wakes'", '0 2', 'and counted as such');
is(query("SELECT kafka.retry_dead_letters('wakes')"), 0, 'run again, they stay');
query("INSERT INTO wakes_customers VALUES (6, 'six')");
is(query("SELECT kafka.retry_dead_letters('wakes')"), 1, 'but for those that have their row then');
is(query(sprintf($got, 'wakes')), '1:one 2:two 3:one 6:six', 'which are joined');
query("SELECT kafka.drop_stream('wakes')");

# A source on another server meanwhile: a dead letter is of the cluster that the record came from
$topic = tables('servers');
join_tables('servers');
produce($topic, orders([ 1, 1 ]));
query_becomes(sprintf($parked, 'servers'), '0', 'a record is parked');
query("CREATE SERVER k2 FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '" . bootstrap() . "');
	CREATE FOREIGN TABLE servers_2 (id int, customer_id int, _key text OPTIONS (metadata 'key')) SERVER k2 OPTIONS (topic '$topic', auto_offset_reset 'latest');
	SELECT kafka.create_join('servers', source => 'servers_2', join_table => 'servers_customers', join_on => 'servers_2.customer_id = servers_customers.customer_id',
		into_table => 'servers_got', unmatched => 'park', park_timeout => '10 ms', replace => true)");
query_becomes("SELECT server || ' ' || _offset || ' ' || stage FROM kafka.dead_letters WHERE stream = 'servers'", 'k 0 join',
	'one that is given up later is of the server that it was parked from');
query("SELECT kafka.drop_stream('servers')");

# A row whose transaction is prepared comes when that is committed
$topic = tables('prepares');
join_tables('prepares');
produce($topic, orders([ 1, 1 ]));
query_becomes(sprintf($parked, 'prepares'), '0', 'a record is parked');
my $parked_at = time();
query("BEGIN; INSERT INTO prepares_customers VALUES (1, 'one'); PREPARE TRANSACTION 'late'");
query("COMMIT PREPARED 'late'");
query_becomes(sprintf($got, 'prepares'), '1:one', 'a row of a prepared transaction finds its record');
cmp_ok(time() - $parked_at, '<', 50, 'before the timer goes, once a minute');
query("SELECT kafka.drop_stream('prepares')");

# Records without a value, which have no size, wait like others, and are dead letters in their order
$topic = new_topic(1);
query("CREATE FOREIGN TABLE graves (_key text OPTIONS (metadata 'key'), o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE graves_names (name text);
	CREATE TABLE graves_got (n serial, o bigint)");
query("SELECT kafka.create_join('graves', 'graves', 'graves_names', 'graves._key = graves_names.name', 'graves_got', unmatched => 'park')");
produce($topic, "a|\\N\nb|\\N\nc|\\N\nd|{}\n", '-K', '|');
query_becomes(sprintf($parked, 'graves'), '0 1 2 3', 'tombstones are parked');
query("INSERT INTO graves_names VALUES ('a'), ('b'), ('c'), ('d')");
query_becomes("SELECT string_agg(o::text, ' ' ORDER BY n) FROM graves_got", '0 1 2 3', 'and all of them find their row');
query("TRUNCATE graves_names, graves_got; SELECT kafka.alter_stream('graves', park_timeout => '10 ms')");
produce($topic, "a|\\N\nb|\\N\nc|\\N\nb|{}\n", '-K', '|');
query_becomes("SELECT count(*) FROM kafka.dead_letters WHERE stream = 'graves'", 4, 'or become dead letters');
query("INSERT INTO graves_names VALUES ('a'), ('b'), ('c')");
is(query("SELECT kafka.retry_dead_letters('graves')"), 4, 'which are run again');
is(query("SELECT string_agg(o::text, ' ' ORDER BY n) FROM graves_got"), '4 5 6 7', 'in the order of the topic');
query("SELECT kafka.drop_stream('graves')");

# A left join goes on without a row, in the end
$topic = tables('lefts');
join_tables('lefts', "kind => 'left', on_error => 'dead_letter', park_timeout => '10 min'");
produce($topic, orders([ 1, 1 ], [ 2, undef ], [ 3, 3 ], [ -4, 4 ], [ 5, undef ]) . "no JSON\n");
query_becomes("SELECT parked FROM kafka.stat_streams WHERE stream = 'lefts'", 3, 'a left join parks, too');
is(query(sprintf($got, 'lefts')), '2:- 5:-', 'but not what can have no row, which goes out at once');
is(query("SELECT _offset, stage FROM kafka.dead_letters WHERE stream = 'lefts'"), '5|decode', 'what cannot be decoded is set aside');
query("BEGIN; SELECT kafka.alter_stream('lefts', park_timeout => '1 ms'); INSERT INTO lefts_customers VALUES (3, 'three'); COMMIT");
query_becomes(sprintf($got, 'lefts'), '1:- 2:- 3:three 5:-', 'what has waited goes out with what there is');
is(query("SELECT _offset, stage FROM kafka.dead_letters WHERE stream = 'lefts' ORDER BY 1"), "3|statement\n5|decode", 'unless it fails');
query_becomes("SELECT parked FROM kafka.stat_streams WHERE stream = 'lefts'", 0, 'and nothing is parked any more');
query("SELECT kafka.drop_stream('lefts')");

# A parked record that fails stops the stream, which says how to go on
$topic = tables('fails');
join_tables('fails');
produce($topic, orders([ 1, 1 ], [ -2, 1 ], [ 3, 1 ]));
query_becomes(sprintf($parked, 'fails'), '0 1 2', 'records are parked, whatever is in them');
query("INSERT INTO fails_customers VALUES (1, 'one')");
query_becomes("SELECT state FROM kafka.stat_streams WHERE stream = 'fails'", 'failed', 'one that fails when it is joined stops the stream');
like(query("SELECT last_error FROM kafka.stat_streams WHERE stream = 'fails'"),
	qr/violates check constraint.*HINT:  SELECT kafka.skip_record\('fails'\).*topic "\Q$topic\E", partition 0, offset 1/s, 'and is named');
is(query(sprintf($parked, 'fails')), '0 1 2', 'nothing of what was tried with it has moved');
query("SELECT kafka.skip_record('fails')");
query_becomes(sprintf($got, 'fails'), '1:one 3:one', 'the stream goes on without it');
is(query("SELECT _offset, stage, sqlstate FROM kafka.dead_letters WHERE stream = 'fails'"), '1|statement|23514', 'a dead letter');
is(query(sprintf($parked, 'fails')), '', 'and no parked record any more');

# A position that is moved back takes along what is parked behind it
produce($topic, orders([ 4, 4 ], [ 5, 5 ]));
query_becomes(sprintf($parked, 'fails'), '3 4', 'parked again');
query("SELECT kafka.pause_stream('fails'); SELECT kafka.reset_stream('fails', partition => 0, next_offset => 4)");
is(query(sprintf($parked, 'fails')), '3', 'what will be read again is parked no more');
query("SELECT kafka.resume_stream('fails')");
query_becomes(sprintf($parked, 'fails'), '3 4', 'until it is read');
query("DELETE FROM kafka.parked WHERE stream = 'fails' AND _offset = 3");
query("INSERT INTO fails_customers VALUES (4, 'four'), (5, 'five')");
query_becomes(sprintf($got, 'fails'), '1:one 3:one 5:five', 'who deletes a parked record gives it up');
query_becomes("SELECT parked FROM kafka.stat_streams WHERE stream = 'fails'", 0, 'which is noticed');
produce($topic, orders([ 6, 6 ]));
query_becomes(sprintf($parked, 'fails'), '5', 'one more');

# An owner who may not look into the schema
my $of_parker = tables('rights');
query("CREATE ROLE parker LOGIN; GRANT USAGE ON FOREIGN SERVER k TO parker; GRANT EXECUTE ON FUNCTION kafka.create_join TO parker;
	GRANT ALL ON rights, rights_customers, rights_got TO parker");
query("SET ROLE parker; SELECT kafka.create_join('rights', source => 'rights', join_table => 'rights_customers',
	join_on => 'rights.customer_id = rights_customers.customer_id', into_table => 'rights_got', unmatched => 'park')");
query("REVOKE USAGE ON SCHEMA kafka FROM PUBLIC; SELECT kafka.pause_stream('rights')");
query("SELECT kafka.resume_stream('rights')");
produce($of_parker, orders([ 1, 1 ]));
query_becomes("SELECT state, parked FROM kafka.stat_streams WHERE stream = 'rights'", 'idle|1', 'a worker parks without a right to the schema');
query("GRANT USAGE ON SCHEMA kafka TO PUBLIC; SELECT kafka.drop_stream('rights')");

# A dump has them; other roles do not see them
my ($dump) = run_command([ 'pg_dump', '-d', $node->connstr('postgres'), '-t', 'kafka.stored_parked', '-e', 'kafka_fdw' ]);
like($dump, qr/^COPY kafka\.stored_parked .*\nfails\tk\t\Q$topic\E\t0\t5\t/m, 'a dump has what is parked');
query('CREATE ROLE ann LOGIN; CREATE ROLE bob');
is(query('SET ROLE bob; SELECT count(*) FROM kafka.parked'), 0, 'other roles do not see it');
query("GRANT EXECUTE ON FUNCTION kafka.create_stream TO ann; GRANT ALL ON fails, fails_customers, fails_got TO ann; GRANT USAGE ON FOREIGN SERVER k TO ann;
	SELECT kafka.alter_stream_owner('fails', 'ann')");
is(query('SET ROLE ann; SELECT count(*) FROM kafka.parked'), 1, 'who gets the stream does');
query("INSERT INTO fails_customers VALUES (6, 'six')");
query_becomes(sprintf($got, 'fails'), '1:one 3:one 5:five 6:six', 'and his workers go on with it');
produce($topic, orders([ 7, 7 ]));
query_becomes(sprintf($parked, 'fails'), '6', 'again one');
query("SELECT kafka.drop_stream('fails')");
is(query('SELECT count(*) FROM kafka.parked'), 0, 'what is parked goes with its stream');

# Nobody tells of changes of a view, or of rows that are written into a partition: the timer finds them
$topic = tables('views');
query("CREATE VIEW named AS SELECT * FROM views_customers WHERE name <> ''");
like(fails("SELECT kafka.create_join('views', source => 'views', join_table => 'named', join_on => 'views.customer_id = named.customer_id',
	into_table => 'views_got', unmatched => 'park')"), qr/parked records are tried by a timer only/, 'a notice says that nobody tells of changes');
produce($topic, orders([ 1, 1 ], [ 2, 2 ]));
query_becomes(sprintf($parked, 'views'), '0 1', 'without a trigger');
query("INSERT INTO views_customers VALUES (1, 'one'), (2, '')");
query_becomes(sprintf($got, 'views'), '1:one', 'the timer finds the row');
query('TRUNCATE views_customers');
is(query(sprintf($parked, 'views')), '1', 'what has no row stays');
query("DROP VIEW named");
produce($topic, orders([ 3, 3 ]));
query_becomes("SELECT state FROM kafka.stat_streams WHERE stream = 'views'", 'failed', 'without its table the stream fails');
query("SELECT kafka.drop_stream('views')");

# A table that is made again, with its trigger or without, is the one that is watched then
$topic = tables('remade');
join_tables('remade');
produce($topic, orders([ 1, 1 ], [ 2, 2 ], [ 3, 3 ], [ 4, 4 ]));
query_becomes(sprintf($parked, 'remade'), '0 1 2 3', 'records wait for rows of a table');

# What has come of it before the timer goes where there is a trigger, once a minute
sub soon
{
	my ($expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $began = time();
	query_becomes(sprintf($got, 'remade'), $expected, $name);
	return cmp_ok(time() - $began, '<', 50, "soon: $name");
}
query("BEGIN; DROP TABLE remade_customers; CREATE TABLE remade_customers (customer_id int, name text); INSERT INTO remade_customers VALUES (1, 'one');
	CREATE TRIGGER kafka_wake_streams AFTER INSERT OR UPDATE ON remade_customers EXECUTE FUNCTION kafka.wake_streams(); COMMIT");
soon('1:one', 'those of one that was restored are found');
query("INSERT INTO remade_customers VALUES (2, 'two')");
soon('1:one 2:two', 'and its trigger tells of more');
query("BEGIN; CREATE TABLE remade_next (LIKE remade_customers); INSERT INTO remade_next VALUES (3, 'three');
	ALTER TABLE remade_customers RENAME TO remade_before; ALTER TABLE remade_next RENAME TO remade_customers; COMMIT");
soon('1:one 2:two 3:three', 'those of one that was put in its place');
query("INSERT INTO remade_customers VALUES (4, 'four')");
soon('1:one 2:two 3:three 4:four', 'the timer finds the others, as that has no trigger');
query("SELECT kafka.drop_stream('remade')");

# Which records have a row, and what is joined, is seen at one moment, whatever is committed in between
$topic = tables('race');
query(q{CREATE FUNCTION passes(int) RETURNS bool STABLE LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN true; END $$;
	INSERT INTO race_customers VALUES (1, 'one')});
my $locker = KafkaSession->new($node);
$locker->run('SELECT pg_advisory_lock(7)');
query("SELECT kafka.create_join('race', 'race', 'race_customers', 'race.customer_id = race_customers.customer_id AND passes(race_customers.customer_id)',
	'race_got', unmatched => 'park')");
produce($topic, orders([ 1, 1 ], [ 2, 2 ]));
query_becomes("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stream race' AND wait_event = 'advisory'", 1, 'a batch looks for rows');
query('BEGIN; DELETE FROM race_customers; INSERT INTO race_customers VALUES (2, $$two$$); COMMIT');
$locker->run('SELECT pg_advisory_unlock(7)');
$locker->close;
query_becomes(sprintf($got, 'race'), '1:one 2:two', 'one that goes meanwhile is joined, one that comes is not missed');
is(query(sprintf($parked, 'race')), '', 'nothing is parked in the end');
query("SELECT kafka.drop_stream('race')");

# More than a portion, in several workers whose number changes
$topic = tables('many', 4);
join_tables('many', 'workers => 2');
produce($topic, spread(map { [ $_, $_ % 1000 ] } 0 .. 24999), '-P', '|');
query_becomes("SELECT sum(parked) FROM kafka.stat_streams WHERE stream = 'many'", 25000, 'many records are parked');
query("INSERT INTO many_customers SELECT i, 'c' || i FROM generate_series(0, 499) i");
query_becomes('SELECT count(*) FROM many_got', 12500, 'half of them are joined');
query("SELECT kafka.alter_stream('many', workers => 3)");
query_becomes("SELECT sum(parked) FROM kafka.stat_streams WHERE stream = 'many'", 12500, 'other workers share what is parked');
query("SELECT kafka.pause_stream('many')");
$node->restart;
is(query("SELECT state, parked FROM kafka.status WHERE name = 'many'"), 'paused|12500', 'what is parked is known also where no worker has looked');
query("SELECT kafka.resume_stream('many')");
query("INSERT INTO many_customers SELECT i, 'c' || i FROM generate_series(500, 999) i");
query_becomes('SELECT count(*) FROM many_got', 25000, 'and join the rest');
is(query('SELECT count(DISTINCT id), min(name), count(*) FILTER (WHERE right(name, -1)::int <> customer_id) FROM many_got'), '25000|c0|0', 'each once');
query("SELECT kafka.drop_stream('many')");

# Who reads a partition looks at what is parked of it, whatever the topics, the partitions that are read, and the workers
my ($one, $two, $four) = (tables('lists'), new_topic(1), tables('parts', 4));
query("ALTER FOREIGN TABLE lists OPTIONS (SET topic '$one,$two'); ALTER FOREIGN TABLE parts OPTIONS (ADD partitions '1,3')");
my @shared = qw(lists parts);
my $counted = "SELECT string_agg(concat_ws(' ', stream, worker, parked), ', ' ORDER BY stream, worker) FROM kafka.stat_streams WHERE stream IN ('lists', 'parts')";

sub produce_to_shared
{
	my (@orders) = @_;
	produce($two, orders(@orders));
	produce($four, join('', map { "1|$_\n" } split /\n/, orders(@orders)), '-P', '|');
	return;
}
join_tables($_, 'workers => 2') foreach @shared;
produce_to_shared([ 1, 1 ]);
query_becomes($counted, 'lists 0 0, lists 1 1, parts 0 1, parts 1 0', 'a worker counts what it parks');
is(query("SELECT parked FROM kafka.status WHERE name = 'lists'"), 1, 'kafka.status has the same');
query("INSERT INTO ${_}_customers VALUES (1, 'one')") foreach @shared;
query_becomes(sprintf($got, $_), '1:one', "$_: and finds the row") foreach @shared;
query_becomes($counted, 'lists 0 0, lists 1 0, parts 0 0, parts 1 0', 'then nothing is parked');
produce_to_shared([ 2, 2 ], [ 3, 3 ]);
query_becomes($counted, 'lists 0 0, lists 1 2, parts 0 2, parts 1 0', 'two more');
query("SELECT kafka.alter_stream('$_', workers => 3)") foreach @shared;
query_becomes($counted, 'lists 0 0, lists 1 2, lists 2 0, parts 0 2, parts 1 0, parts 2 0', 'other workers share them');
query("ALTER FOREIGN TABLE lists OPTIONS (SET topic '$one'); ALTER FOREIGN TABLE parts OPTIONS (SET partitions '3')");
query_becomes($counted, 'lists 0 2, lists 1 0, lists 2 0, parts 0 2, parts 1 0, parts 2 0', 'what nobody reads any more is the first one\'s');
query("INSERT INTO ${_}_customers VALUES (2, 'two')") foreach @shared;
query_becomes(sprintf($got, $_), '1:one 2:two', "$_: and finds its row") foreach @shared;
query("SELECT kafka.alter_stream('$_', park_timeout => '10 ms')") foreach @shared;
query_becomes("SELECT string_agg(stream || ' ' || stage, ', ' ORDER BY stream) FROM kafka.dead_letters WHERE stream IN ('lists', 'parts')",
	'lists join, parts join', 'or becomes a dead letter');
query("SELECT kafka.drop_stream('$_')") foreach @shared;

# At random: records, some of which fail, and rows in any order, and workers that are killed
$topic = tables('random', 4);
join_tables('random', "workers => 2, max_poll_records => 50, on_error => 'dead_letter'");
my %missing = map { $_ => 1 } 0 .. 299;
my $orders = 0;
my $bad = 0;

sub random_order
{
	$orders++;
	return [ rand() < 0.02 ? -(++$bad) : $orders, int(rand(300)) ];
}

sub add_customers
{
	my (@customers) = @_;
	delete @missing{@customers};
	query('INSERT INTO random_customers VALUES ' . join(', ', map { "($_, 'c$_')" } @customers)) if @customers;
	return;
}

sub disturb
{
	my $pid = query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'kafka_fdw stream' ORDER BY random() LIMIT 1");
	return unless $pid;
	return query("SELECT pg_terminate_backend($pid)") if rand() < 0.5;
	return crash($node, $pid);
}

foreach my $round (1 .. 12)
{
	produce($topic, spread(map { random_order() } 1 .. 150), '-P', '|');
	add_customers(grep { rand() < 0.05 } keys %missing) for 1 .. 3;
	disturb() if $round % 3 == 0;
	sleep(rand(0.3));
}
add_customers(keys %missing);
my $good = $orders - $bad;
query_becomes("SELECT count(*), (SELECT count(*) FROM kafka.dead_letters WHERE stream = 'random' AND stage = 'statement') FROM random_got", "$good|$bad",
	'all records find their rows, those that fail are set aside');
is(query('SELECT count(DISTINCT id), count(*) FILTER (WHERE right(name, -1)::int <> customer_id) FROM random_got'), "$good|0", 'each once, and the right ones');
is(query("SELECT count(DISTINCT value) FROM kafka.dead_letters WHERE stream = 'random'"), $bad, 'these, too');
is(query('SELECT count(*) FROM kafka.parked'), 0, 'nothing is left');

$node->stop;
done_testing();
