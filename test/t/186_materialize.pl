# Tables of the newest record of each key: whatever comes in whatever pieces, also again, the table is that of the topic.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => 'kafka_fdw.max_workers = 16');

# a stream has read so many records
sub reads
{
	my ($stream, $records, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return query_becomes("SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = '$stream'", $records, $name);
}

my $columns = q{_partition int OPTIONS (metadata 'partition'), _offset bigint OPTIONS (metadata 'offset'), _tombstone boolean OPTIONS (metadata 'tombstone')};
my $topic = new_topic(3);
query(<<~"EOF");
	CREATE FOREIGN TABLE customer_topic (id int OPTIONS (metadata 'key'), name text, $columns) SERVER k OPTIONS (topic '$topic');
	SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customers', workers => 2, max_poll_records => 40);
	-- no row ever goes back
	CREATE FUNCTION forward() RETURNS trigger LANGUAGE plpgsql AS \$\$
	BEGIN
		IF NEW._offset < OLD._offset THEN RAISE 'row % goes back', OLD.id USING ERRCODE = 'XX000'; END IF;
		RETURN NEW;
	END \$\$;
	CREATE TRIGGER forward BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION forward();
	CREATE VIEW expected AS SELECT * FROM (SELECT DISTINCT ON (id) id, name, _partition, _offset, _tombstone FROM customer_topic
		ORDER BY id, _offset DESC) n WHERE NOT _tombstone;
	CREATE VIEW differences AS SELECT (SELECT count(*) FROM (SELECT id, name, _partition, _offset FROM customers EXCEPT
		SELECT id, name, _partition, _offset FROM expected) x) + (SELECT count(*) FROM (SELECT id, name, _partition, _offset FROM expected
		EXCEPT SELECT id, name, _partition, _offset FROM customers) x) AS n;
	EOF

# Of 50 keys, each record in ten a tombstone
my $written = 0;
sub some_records { return join('', map { int(rand(50)) . '|' . (rand() < 0.1 ? "\\N\n" : '{"name":"' . ++$written . "\"}\n") } 1 .. $_[0]); }
produce($topic, some_records(500), '-K', '|');
reads('customers', 500, 'all records are read');
is(query('SELECT n FROM differences'), 0, 'the newest record of each key is the row, a tombstone deletes it');
ok(query('SELECT count(DISTINCT _partition) FROM customers') == 3, 'of all partitions');

query("SELECT kafka.reset_stream('customers', 'earliest')");
produce($topic, some_records(200), '-K', '|');
reads('customers', 700, 'they are read again, and others');
is(query("SELECT (SELECT n FROM differences), (SELECT count(*) FROM kafka.stat_streams WHERE last_error LIKE '%goes back%')"), '0|0',
	'older ones change nothing');
query("UPDATE customers SET name = 'mine'; SELECT kafka.reset_stream('customers', 'earliest')");
query_becomes('SELECT n FROM differences', 0, 'a row is made again of the record that it is of');

# Another session writes the same row
query("ALTER TABLE customers ADD more text DEFAULT 'x'");
foreach my $sql ("INSERT INTO customers (id, name) VALUES (100, 'theirs')", 'DELETE FROM customers WHERE id = 100',
	"UPDATE customers SET name = 'theirs' WHERE id = 100")
{
	my $session = KafkaSession->new($node);
	$session->run("BEGIN; $sql");
	produce($topic, '100|{"name":"' . ++$written . "\"}\n", '-K', '|');
	query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE wait_event LIKE 'Lock:%'", 1, 'a writer of the same row is waited for');
	$session->run('COMMIT');
	$session->close;
	query_becomes('SELECT name FROM customers WHERE id = 100', $written, 'then the record counts');
}
is(query("SELECT string_agg(DISTINCT state, ',') FROM kafka.stat_streams"), 'idle', 'no stream has failed');

# A record without a key
produce($topic, "{\"name\":\"nobody\"}\n", '-p', 1);
query_becomes("SELECT count(*) FROM kafka.stat_streams WHERE state = 'failed' AND last_error LIKE
	'null value in column \"id\"%violates not-null constraint%skip_record%'", 1, 'a record without a key is an error that says so');
query("SELECT kafka.skip_record('customers')");
query_becomes("SELECT count(*) FROM kafka.dead_letters WHERE stream = 'customers' AND key IS NULL", 1, 'and can be set aside');
query("DELETE FROM kafka.dead_letters; SELECT kafka.alter_stream('customers', on_error => 'dead_letter')");
produce($topic, "{\"name\":\"nobody\"}\n\\N\n", '-p', 1);
query_becomes('SELECT count(*) FROM kafka.dead_letters', 2, 'also where all of them are, and tombstones');

# A key that cannot be read
produce($topic, "who|{\"name\":\"nobody\"}\n", '-K', '|');
query_becomes("SELECT stage, sqlstate, convert_from(key, 'UTF8') FROM kafka.dead_letters WHERE key IS NOT NULL", 'decode|22P02|who', 'so is a record whose key cannot be read');

# A dead letter that is run again when a newer record was there
query("ALTER TABLE customers ADD CHECK (name <> 'bad'); DELETE FROM kafka.dead_letters");
produce($topic, "7|{\"name\":\"good\"}\n7|{\"name\":\"bad\"}\n", '-K', '|');
query_becomes('SELECT count(*) FROM kafka.dead_letters', 1, 'a record is set aside');
produce($topic, "7|{\"name\":\"better\"}\n", '-K', '|');
query_becomes('SELECT name FROM customers WHERE id = 7', 'better', 'a later one is not');
is(query("ALTER TABLE customers DROP CONSTRAINT customers_name_check; SELECT kafka.retry_dead_letters('customers')"), 1, 'run again');
is(query('SELECT name FROM customers WHERE id = 7'), 'better', 'it changes nothing any more');

# A key of several columns, in a table with more than the records have
$topic = new_topic(2);
query(<<~"EOF");
	CREATE FOREIGN TABLE stock_topic (shop int OPTIONS (metadata 'key', key_field 'shop'), item text OPTIONS (metadata 'key', key_field 'item'),
		n int, $columns) SERVER k OPTIONS (topic '$topic', key_format 'json');
	CREATE TABLE stock (item text, shop int, n int, changes int DEFAULT 1, PRIMARY KEY (item, shop));
	SELECT kafka.materialize('stock', source => 'stock_topic', into_table => 'stock');
	EOF
produce($topic, join('', map { my ($key, $value) = @$_; '{"shop":' . substr($key, 1) . ',"item":"' . substr($key, 0, 1) . "\"}|$value\n" }
	  [ 'a1', '{"n":1}' ], [ 'a2', '{"n":2}' ], [ 'b1', '{"n":3}' ], [ 'a1', '{"n":4}' ], [ 'a2', '\\N' ]), '-K', '|');
reads('stock', 5, 'records with a key of two columns are read');
is(query('SELECT item, shop, n, changes FROM stock ORDER BY 1, 2'), "a|1|4|1\nb|1|3|1", 'both are the key of the row');

# Types that other writers of tables have trouble with
$topic = new_topic(1);
my @ids = map { "00000000-0000-0000-0000-00000000000$_" } 1 .. 3;
query(<<~"EOF");
	CREATE FOREIGN TABLE thing_topic (id uuid OPTIONS (metadata 'key'), doc jsonb, tags text[], $columns) SERVER k OPTIONS (topic '$topic');
	SELECT kafka.materialize('things', source => 'thing_topic', into_table => 'things');
	EOF
produce($topic, join('', (map { "$_|{\"doc\":{\"a\":[1]},\"tags\":[\"x\",\"y\"]}\n" } @ids), "$ids[0]|\\N\n"), '-K', '|');
reads('things', 4, 'records with a key of type uuid are read');
is(query('SELECT count(*), min(id::text), min(doc::text), min(tags::text) FROM things'), "2|$ids[1]|{\"a\": [1]}|{x,y}", 'jsonb and arrays are kept, and a tombstone deletes by a uuid');

# Debezium's events, with and without a schema around them
foreach my $schema (0, 1)
{
	$topic = new_topic(2);
	my $name = $schema ? 'changes' : 'plain_changes';
	my $prefix = $schema ? 'payload.' : '';
	my $around = sub { return $schema ? "{\"schema\":{},\"payload\":$_[0]}" : $_[0] };
	my $event = sub {
		my ($op, $id, $row) = @_;
		my $key = $around->("{\"id\":$id}");
		my $value = $around->("{\"before\":null,\"after\":" . (defined $row ? "{\"id\":$id,\"name\":\"$row\"}" : 'null') . ",\"op\":\"$op\"}");
		return "$key|$value\n" . ($op eq 'd' ? "$key|\\N\n" : '');
	};
	query(<<~"EOF");
		CREATE FOREIGN TABLE ${name}_topic (id int OPTIONS (metadata 'key', key_field '${prefix}id', field '${prefix}after.id'),
			name text OPTIONS (field '${prefix}after.name'), op text OPTIONS (field '${prefix}op'), $columns)
			SERVER k OPTIONS (topic '$topic', key_format 'json');
		SELECT kafka.materialize('$name', source => '${name}_topic', into_table => '$name');
		EOF
	produce($topic, join('', (map { $event->('r', $_, "row $_") } 1 .. 9), $event->('u', 2, 'changed'), $event->('d', 3),
		  $event->('d', 4), $event->('c', 4, 'again'), $event->('d', 5), $event->('c', 50, 'row 5')), '-K', '|');
	reads($name, 9 + 1 + 2 + 2 + 1 + 2 + 1, "all events of $name are read");
	is(query("SELECT string_agg(id || ':' || name, ',' ORDER BY id) FROM $name"),
		'1:row 1,2:changed,4:again,6:row 6,7:row 7,8:row 8,9:row 9,50:row 5', 'rows are read, changed, deleted, made again and given another key');
	produce($topic, $around->('{"id":1}') . "|\\N\n" . $around->('{"id":2}') . "|{\"name\":\"no event\"}\n", '-K', '|');
	query_becomes("SELECT string_agg(split_part(last_error, ' (', 1), '') FROM kafka.stat_streams WHERE stream = '$name' AND state = 'failed'",
		'the record is no change event: it has no operation', 'what is no event is an error');
	query("SELECT kafka.skip_record('$name')");
	query_becomes("SELECT min(id) FROM $name", 2, 'a tombstone alone deletes');
}

# A TRUNCATE of the source, with events before and behind it in a batch; the table may not know of which events its rows are
foreach my $name (qw(emptied emptied_plain))
{
	$topic = new_topic(1);
	my $events = sub {
		foreach my $event (map { [ split(/:/) ] } @_)
		{
			my ($op, $id) = @$event;
			my $value = '{"before":null,"after":' . ($op eq 'c' ? "{\"id\":$id}" : 'null') . ",\"op\":\"$op\"}\n";
			if ($op eq 't') { produce($topic, $value) } else { produce($topic, "{\"id\":$id}|$value", '-K', '|') }
		}
	};
	my $fails_at = sub {
		query_becomes("SELECT last_error LIKE 'the change event says that all rows were deleted by TRUNCATE%partition 0, offset $_[0]%' AND
			hint LIKE '%TRUNCATE the table, and have kafka.reset_stream()%' FROM kafka.stat_streams WHERE stream = '$name' AND state = 'failed'",
			't', "$name: the event at offset $_[0] is an error");
	};
	my $go_on_behind = sub {
		query("BEGIN; TRUNCATE $name; DELETE FROM kafka.dead_letters WHERE stream = '$name' AND _partition = 0 AND _offset <= $_[0];
			SELECT kafka.reset_stream('$name', partition => 0, next_offset => $_[0] + 1); COMMIT");
	};
	my $rows = "SELECT string_agg(id::text, ',' ORDER BY id) FROM $name";

	query("CREATE TABLE $name (id int PRIMARY KEY)") if $name eq 'emptied_plain';
	query(<<~"EOF");
		CREATE FOREIGN TABLE ${name}_topic (id int OPTIONS (metadata 'key', key_field 'id', field 'after.id'), op text, $columns)
			SERVER k OPTIONS (topic '$topic', key_format 'json');
		SELECT kafka.materialize('$name', source => '${name}_topic', into_table => '$name');
		EOF
	$events->('c:9');
	query_becomes($rows, '9', "$name: a row is there");
	query("SELECT kafka.pause_stream('$name')");
	$events->('c:1', 'c:2', 't', 'c:3', 'c:2', 'd:2', 't', 'c:3', 'c:5');
	query("SELECT kafka.resume_stream('$name')");
	$fails_at->(3);
	$go_on_behind->(3);
	$fails_at->(7);
	$go_on_behind->(7);
	query_becomes($rows, '3,5', "$name: what came behind the last one is there, and nothing else");
	$events->('t');
	$fails_at->(10);
	$go_on_behind->(10);
	reads($name, 11, "$name: nothing may be behind it");
	is(query($rows), '', "$name: then no row is there");
	query("SELECT kafka.alter_stream('$name', on_error => 'dead_letter')");
	$events->('c:6', 't', 'c:7');
	query_becomes($rows, '6,7', "$name: it may be set aside");
	$go_on_behind->(12);
	query_becomes($rows, '7', "$name: then the same is done later");
	is(query("SELECT count(*) FROM kafka.dead_letters WHERE stream = '$name'"), 0, "$name: nothing is left of it");
}

$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
