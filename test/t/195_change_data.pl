# The manual's stream of change events keeps a table the same as their source.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(3);

# An event as Debezium writes it, with an empty schema: operation and row; then a tombstone, where the row is gone
sub event
{
	my ($op, $id, $customer) = @_;
	my $row = defined $customer ? qq({"id":$id,"customer":"$customer","amount":"BOI=","price":"1.5","created_at":1700000000123456}) : 'null';
	my $key = qq({"schema":{},"payload":{"id":$id}});
	my $event = qq($key|{"schema":{},"payload":{"before":null,"after":$row,"source":{"lsn":1},"op":"$op","ts_ms":1700000000500}}\n);
	return $op eq 'd' ? "$event$key|\\N\n" : $event;
}

sub events { return produce($topic, join('', @_), '-K', '|'); }

$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE order_changes (
		id int OPTIONS (metadata 'key', key_field 'payload.id', field 'payload.after.id'),
		customer text OPTIONS (field 'payload.after.customer'),
		price numeric OPTIONS (field 'payload.after.price'),
		amount text OPTIONS (field 'payload.after.amount'),
		created_at timestamp OPTIONS (field 'payload.after.created_at', timestamp_format 'epoch_us'),
		op text OPTIONS (field 'payload.op'),
		_offset bigint OPTIONS (metadata 'offset')
	) SERVER k OPTIONS (topic '$topic', key_format 'json');
	CREATE TABLE orders_copy (id int PRIMARY KEY, customer text, price numeric, amount numeric, created_at timestamp);
	EOF
events((map { event('r', $_, "row $_") } 1 .. 20), (map { event('u', $_, "new $_") } 5 .. 8), event('d', 20), event('c', 21, 'x'), event('d', 21));
$node->safe_psql('postgres', <<~'EOF');
	SELECT kafka.create_stream('copy_orders', $$
		MERGE INTO orders_copy t
		USING (SELECT DISTINCT ON (id) * FROM order_changes
			   WHERE op IN ('c', 'u', 'r', 'd') ORDER BY id, _offset DESC) n ON t.id = n.id
		WHEN MATCHED AND n.op = 'd' THEN DELETE
		WHEN MATCHED THEN UPDATE SET customer = n.customer, price = n.price,
			amount = kafka.connect_decimal(n.amount, 2), created_at = n.created_at
		WHEN NOT MATCHED AND n.op <> 'd' THEN
			INSERT VALUES (n.id, n.customer, n.price, kafka.connect_decimal(n.amount, 2), n.created_at)
	$$);
	EOF
becomes($node, 'postgres', 'SELECT sum(next_offset) FROM kafka.offsets', '29', 'all events are read');
is($node->safe_psql('postgres', "SELECT count(*), sum(id), count(*) FILTER (WHERE customer LIKE 'new%') FROM orders_copy"), '19|190|4',
	'rows are inserted, updated and deleted');
is($node->safe_psql('postgres', 'SELECT DISTINCT price, amount, created_at FROM orders_copy'), '1.5|12.50|2023-11-14 22:13:20.123456',
	'their values are converted');

events(event('d', 1), event('u', 2, 'changed'), event('c', 1, 'again'), event('d', 3), event('r', 4, 'row 4'));
becomes($node, 'postgres', 'SELECT sum(next_offset) FROM kafka.offsets', '36', 'later events are read');
is($node->safe_psql('postgres', 'SELECT id, customer FROM orders_copy WHERE id <= 4 ORDER BY id'), "1|again\n2|changed\n4|row 4",
	'the newest event of a key counts');

done_testing();
