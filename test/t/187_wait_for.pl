# Streams that wait for tables: an order that follows its customer is joined with her, however late her row comes,
# unless that takes longer than max_task_idle.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

need_own_broker();
my $broker = KafkaFdw::Broker->shared;
my $node = new_cluster('main', conf => 'kafka_fdw.max_workers = 16');
my ($customers, $orders, $cities) = (new_topic(3), new_topic(2), new_topic(1));

query(<<~"EOF");
	ALTER SERVER k OPTIONS (ADD request_timeout_ms '5000');
	CREATE FOREIGN TABLE customer_topic (id int OPTIONS (metadata 'key'), version int, _partition int OPTIONS (metadata 'partition'),
		_offset bigint OPTIONS (metadata 'offset'), _tombstone boolean OPTIONS (metadata 'tombstone'))
		SERVER k OPTIONS (topic '$customers');
	CREATE FOREIGN TABLE city_topic (id int OPTIONS (metadata 'key'), name text, _offset bigint OPTIONS (metadata 'offset'),
		_tombstone boolean OPTIONS (metadata 'tombstone')) SERVER k OPTIONS (topic '$cities');
	CREATE FOREIGN TABLE orders (n int, customer_id int, version int) SERVER k OPTIONS (topic '$orders');
	CREATE TABLE enriched (n int, customer_id int, version int, found int);
	SELECT kafka.materialize('customers', source => 'customer_topic', into_table => 'customers', workers => 2);
	SELECT kafka.materialize('cities', source => 'city_topic', into_table => 'cities');
	SELECT kafka.create_stream('enrich', 'INSERT INTO enriched SELECT o.n, o.customer_id, o.version, c.version
		FROM orders o LEFT JOIN customers c ON c.id = o.customer_id', wait_for => '{customers,cities}', max_task_idle => '1 hour');
	-- customers, new ones and changed ones, and at once orders of theirs
	CREATE PROCEDURE rounds(first int, last int) LANGUAGE plpgsql AS \$\$
	BEGIN
		FOR i IN first .. last LOOP
			INSERT INTO customer_topic (id, version) SELECT (random() * 30)::int, i FROM generate_series(1, 1 + (random() * 5)::int);
			COMMIT;
			INSERT INTO orders (n, customer_id, version) SELECT i, id, max(version) FROM customer_topic GROUP BY id ORDER BY random() LIMIT 4;
			COMMIT;
			PERFORM pg_sleep(CASE WHEN random() < 0.3 THEN random() * 0.05 ELSE 0 END);
		END LOOP;
	END \$\$;
	EOF
my $late = 'SELECT count(*) FILTER (WHERE found IS NULL OR found < version) FROM enriched';
my $all = "SELECT sum(next_offset) FROM kafka.offsets WHERE group_id = 'enrich'";
query('CALL rounds(1, 60)');
my $produced = query('SELECT count(*) FROM orders');
query_becomes($all, $produced, 'all orders are read');
is(query($late), 0, 'each with its customer as she was when it came, or newer');

# One order and its customer
my $number = 1000;
sub follow
{
	$number++;
	$produced++;
	query("INSERT INTO customer_topic (id, version) VALUES ($number, 1)");
	query("INSERT INTO orders VALUES ($number, $number, 1)");
	return $number;
}
my $waits = "SELECT state FROM kafka.stat_streams WHERE wait_event = 'Stream: customers' AND stream = 'enrich'";

# The table is locked: its worker cannot write, and the order waits
my $locker = KafkaSession->new($node);
$locker->run('BEGIN; LOCK TABLE customers IN SHARE MODE');
my $order = follow();
query_becomes($waits, 'running', 'it is shown what a batch waits for');
query("SELECT pg_cancel_backend(pid) FROM kafka.stat_streams WHERE stream = 'enrich'");
query_becomes("SELECT restarts || ':' || (last_error LIKE 'canceling%') FROM kafka.stat_streams WHERE stream = 'enrich'", '0:true', 'the wait can be cancelled');
query_becomes($waits, 'running', 'the batch then waits again');
query("SELECT kafka.pause_stream('enrich')");
query_becomes("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stream enrich'", 0, 'a waiting stream can be paused');
query("SELECT kafka.resume_stream('enrich')");
query_becomes($waits, 'running', 'and goes on to wait');
$locker->run('COMMIT');
query_becomes("SELECT found FROM enriched WHERE n = $order", 1, 'when the table has caught up the order is joined');

# A limit
query("SELECT kafka.alter_stream('enrich', max_task_idle => '100 ms')");
$locker->run('BEGIN; LOCK TABLE customers IN SHARE MODE');
$order = follow();
query_becomes("SELECT count(*) - count(found) FROM enriched WHERE n = $order", 1, 'after max_task_idle it goes on');
$locker->run('COMMIT');
$locker->close;
query_becomes("SELECT count(*) FROM customers WHERE id = $order", 1, 'the customer comes later');

# A stream that is paused, or has failed, is waited for as long; one that is dropped is not
query("SELECT kafka.pause_stream('customers')");
$order = follow();
query_becomes("SELECT count(*) - count(found) FROM enriched WHERE n = $order", 1, 'a paused stream is not waited for longer');
query("SELECT kafka.alter_stream('enrich', max_task_idle => '1 hour')");
$order = follow();
query_becomes($waits, 'running', 'nor shorter');
query("ALTER TABLE customers ADD CONSTRAINT c CHECK (id <> $order); SELECT kafka.resume_stream('customers')");
query_becomes("SELECT count(*) > 0 FROM kafka.stat_streams WHERE stream = 'customers' AND state = 'failed'", 't', 'the stream fails');
is(query($waits), 'running', 'that is waited for, too');
query("ALTER TABLE customers DROP CONSTRAINT c; SELECT kafka.resume_stream('customers')");
query_becomes("SELECT found FROM enriched WHERE n = $order", 1, 'until it goes on');
query("SELECT kafka.alter_stream('customers', workers => 3)");
$order = follow();
query_becomes("SELECT found FROM enriched WHERE n = $order", 1, 'its workers may be others');

# Transactions leave markers behind the records
query("ALTER FOREIGN TABLE customer_topic OPTIONS (ADD delivery 'transactional')");
query('CALL rounds(5001, 5005)');
$produced = query('SELECT count(*) FROM orders');
query_becomes($all, $produced, 'what comes in transactions is waited for');
is(query("$late WHERE n > 5000"), 0, 'and found');
query("ALTER FOREIGN TABLE customer_topic OPTIONS (DROP delivery)");

# Nobody can say where the topics end
query("SELECT kafka.alter_stream('enrich', max_task_idle => '2 s')");
my $session = KafkaSession->new($node);
$session->run('BEGIN; LOCK TABLE customers IN SHARE MODE');
$order = follow();
query_becomes($waits, 'running', 'a batch waits');
$broker->pause;
query_becomes("SELECT count(*) FROM enriched WHERE n = $order", 1, 'while the broker is silent it goes on in time');
$session->run('COMMIT');
$session->close;
$broker->resume;
query("SELECT kafka.alter_stream('enrich', max_task_idle => '1 hour')");
$order = follow();
query_becomes("SELECT found FROM enriched WHERE n = $order", 1, 'and waits again when that answers');

query("SELECT kafka.drop_stream('customers')");
$order = follow();
query_becomes("SELECT count(*) - count(found) FROM enriched WHERE n = $order", 1, 'a dropped stream is not waited for');

$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
