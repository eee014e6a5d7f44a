# The examples of README.md and of the manual's chapters run as they are written, one after the other: each document in a
# database of its own, with what it takes for granted. Statements that are meant for one's own data fail as told here.
use strict;
use warnings;

use File::Basename;
use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(__FILE__) . '/../..';
my $broker = KafkaFdw::Broker->new;
my $servers = $broker->bootstrap;
my $node = new_cluster('main', bootstrap_servers => $servers, extension => 0);

my $events = PostgreSQL::Test::Utils::tempdir() . '/events.csv';
append_to_file($events, "18,paid,18\n");
chmod(0755, dirname($events));

$broker->kafka_tool('create-topic', $_, 4)
  foreach qw(orders order_events payments audit stock word-counts clicks payment_events customer_events page_views sales large_sales shopper_events shopper_rows customer_rows
  dbserver1.public.orders);
$broker->kafka_tool('create-topic', 'orders_eu', 8);
sub fill { return KafkaFdw::_run(join('', map { "$_\n" } @_[ 1 .. $#_ ]), 'kafka_tool', '-b', $servers, 'produce', $_[0], '-p', 2); }
fill('orders', '{"id": 1, "customer_id": 101, "amount": 17.50}', '{"id": 3, "customer_id": 101, "amount": 4.25}');

my $extension = 'CREATE EXTENSION kafka_fdw';
my $server = "$extension; CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers')";
my $customers = 'CREATE TABLE customers (id int PRIMARY KEY, name text)';

# What a document takes for granted, and the errors that are expected
my @documents = (
	[ 'README.md' ],
	[ 'doc/reading.md', '',
		'consumer group "billing" has committed nothing in Kafka for topic "orders"',
		'stream "enrich_orders" does not exist' ],
	[ 'doc/writing.md', "$server; $customers; CREATE TABLE orders_table (id int, status text)" ],
	[ 'doc/streams.md' ],
	[ 'doc/stream_examples.md' ],
	[ 'doc/stream_operation.md', "$server; $customers; CREATE FOREIGN TABLE orders (id bigint, customer_id int) SERVER k OPTIONS (topic 'orders');
		CREATE TABLE enriched (id bigint, name text); SELECT kafka.create_stream('enrich_orders',
		'INSERT INTO enriched SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id')" ],
	[ 'doc/change_data.md', $server,
		'offset 43 is out of range in topic "dbserver1.public.orders", partition 0' ],
	[ 'doc/administration.md', "$server; CREATE FOREIGN TABLE orders (id int) SERVER k OPTIONS (topic 'orders')" ]);

foreach my $document (@documents)
{
	my ($file, $setup, @expected) = @$document;
	my $database = basename($file, '.md');
	my $sql = join("\n", slurp_file("$root/$file") =~ /^```sql\n(.*?)^```/msg);

	$sql =~ s/localhost:9092/$servers/g;
	$sql =~ s/\/tmp\/events\.csv/$events/g;
	$sql =~ s/'10 s'/'0.1 s'/g;
	$sql =~ s/replication_factor => 3/replication_factor => 1/g;
	$node->safe_psql('postgres', "CREATE DATABASE \"$database\"");
	$node->safe_psql($database, $setup) if $setup;
	my ($status, $out, $err) = $node->psql($database, $sql, on_error_stop => 0);
	my @errors = $err =~ /ERROR:  (.*)$/mg;
	is_deeply(\@errors, \@expected, "the examples of $file") or diag($err);
}

my $enriched = "SELECT string_agg(order_id::text, ',' ORDER BY order_id) FROM enriched";
becomes($node, 'README', $enriched, '1,3', 'the stream of README.md does its work');
becomes($node, 'writing', 'SELECT sum(unsent) FROM kafka.stat_outbox', '0', 'so does the outbox');
my %results = (
	enriched => '(1,5,Ada) (1,6,Ada) (2,7,Blaise) (3,20,)',
	made => '(1,tea,Kew) (1,tea,Kew) (2,tea,Kew) (3,cup,Delft)',
	priced => '(1,2) (1,2) (2,1) (3,)',
	newest => '(1,6) (2,7) (3,20)',
	hourly => '(cup,"2024-02-10 13:00:00+00",1,20) (tea,"2024-01-10 12:00:00+00",1,7) (tea,"2024-02-10 12:00:00+00",2,11)',
	'(SELECT id, amount, _key FROM large_sales)' => '(3,20,3)',
	'(SELECT id FROM audit)' => '(3)',
	known => '(1,Ada) (1,Ada) (2,Blaise)',
	unknown => '(3,999)');
becomes($node, 'stream_examples', "SELECT string_agg(format('%s', r), ' ' ORDER BY r) FROM $_ r", $results{$_}, "what comes of the examples: $_")
	foreach sort keys %results;
is($node->safe_psql('README', 'SELECT sum(amount) FROM invoices'), '21.75', 'and the consumer');

# What the manual shows of a statement that is written for the user is what is written
my ($shown) = slurp_file("$root/doc/streams.md") =~ /^NOTICE:  stream "ship" runs this statement:\n(.*?)\n```/ms;
is($node->safe_psql('streams', "SELECT statement FROM kafka.streams WHERE name = 'ship'"), $shown, 'create_join writes the statement of the manual');
($shown) = slurp_file("$root/doc/streams.md") =~ /^(MERGE INTO known_customers .*?);\n```/ms;
is($node->safe_psql('streams', "SELECT statement FROM kafka.streams WHERE name = 'known_customers'"), $shown, 'materialize writes the statement of the manual');

$node->stop;
$broker->stop;
done_testing();
