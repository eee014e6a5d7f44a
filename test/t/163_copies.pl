# A copy of a database does not consume again what the original consumes, until it is told to; a standby that is
# promoted is no copy, and logical replication brings nothing of what there is.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "wal_level = logical\nmax_wal_senders = 10\nhot_standby = on");
my $topic = new_topic(1);
produce($topic, "{\"id\":$_}\n") foreach 1 .. 9;
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION kafka_fdw; CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers \'' . bootstrap() . '\')');
$node->safe_psql('shop', "CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g')");

# Before anything was consumed there is nothing to repeat.
$node->safe_psql('postgres', 'CREATE DATABASE fresh TEMPLATE shop');
is($node->safe_psql('fresh', 'SELECT id FROM feed LIMIT 1'), 1, 'a copy of a database that has not consumed begins');

# The first to consume in a database keep nobody waiting.
my $first = KafkaSession->new($node, 'shop');
is($first->run('BEGIN; SELECT id FROM feed LIMIT 1'), 1, 'a session consumes');
$node->safe_psql('shop', "CREATE FOREIGN TABLE second (id int) SERVER k OPTIONS (topic '$topic', group_id 'h')");
my $session = KafkaSession->new($node, 'shop');
is($session->run('SELECT id FROM second LIMIT 1', 10), 1, 'and another one, which does not wait for it');
$first->run('ROLLBACK');
is($session->run('SELECT id FROM feed LIMIT 1'), 1, 'what the first one read is there for the other');
is($session->run('SELECT count(*) FROM kafka.instance'), 1, 'and whose the database is is known');
$first->close;
$session->close;

$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
my ($status, $out, $err) = $node->psql('copy', 'SELECT id FROM feed LIMIT 1');
like($err, qr/ERROR:  the positions and streams of this database belong to another one.*kafka\.adopt_instance/s, 'a copy does not');
is($node->safe_psql('copy', 'SELECT next_offset FROM kafka.offsets ORDER BY group_id LIMIT 1'), 1, 'nothing has moved there');
is($node->safe_psql('shop', 'SELECT id FROM feed LIMIT 1'), 2, 'the original goes on');
my $adopting = KafkaSession->new($node, 'copy');
is($adopting->run("BEGIN; SELECT kafka.adopt_instance('new'); SELECT id FROM feed LIMIT 1; ROLLBACK"), "\n2", 'one that is adopted, too');
$adopting->run('SELECT id FROM feed LIMIT 1');
like($adopting->error, qr/belong to another one/, 'but not when that was rolled back');
$adopting->close;
$node->safe_psql('copy', "SELECT kafka.adopt_instance('keep')");
is($node->safe_psql('copy', 'SELECT id FROM feed LIMIT 1'), 2, 'then from where the copy was made');
$node->safe_psql('copy', 'DROP EXTENSION kafka_fdw CASCADE; CREATE EXTENSION kafka_fdw');
is($node->safe_psql('copy', 'SELECT count(*) FROM kafka.instance'), 0, 'a new extension knows of no other database');

# A publication of all tables brings nothing of these tables, in use or not.
my $sent = new_topic(1);
sub subscribe
{
	my ($database) = @_;
	my $from = $node->connstr('published') =~ s/'/''/gr;
	$node->safe_psql('published', "SELECT pg_create_logical_replication_slot('$database', 'pgoutput')");
	$node->safe_psql($database, "CREATE SUBSCRIPTION $database CONNECTION '$from' PUBLICATION everything WITH (create_slot = false, slot_name = '$database')");
	ok($node->poll_query_until($database, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'", 0), 'what there is already is brought')
	  or diag($node->safe_psql($database, "SELECT srrelid::regclass, srsubstate FROM pg_subscription_rel WHERE srsubstate <> 'r'"));
	return;
}
sub apply
{
	my ($database, $mark) = @_;
	$node->safe_psql('published', "INSERT INTO marks VALUES ($mark)");
	ok($node->poll_query_until($database, "SELECT count(*) FROM marks WHERE id = $mark", 1), 'and what comes then');
	return;
}
foreach my $database (qw(published in_use unused))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION kafka_fdw; CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers \'' . bootstrap() . '\')');
	$node->safe_psql($database, "CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g'); CREATE TABLE marks (id int PRIMARY KEY);
		CREATE FOREIGN TABLE sent (id int) SERVER k OPTIONS (topic '$sent', delivery 'outbox'); CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
		CREATE SERVER down FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '127.0.0.1:1'); CREATE FOREIGN TABLE held (id int) SERVER down OPTIONS (topic 'x', delivery 'outbox')");
}
$node->safe_psql('published', "CREATE PUBLICATION everything FOR ALL TABLES; INSERT INTO sent VALUES (1); SELECT id FROM feed LIMIT 3;
	SELECT kafka.create_stream('s', 'INSERT INTO marks SELECT id + 1000 FROM ids')");
is($node->safe_psql('in_use', 'INSERT INTO held VALUES (1); SELECT id FROM feed LIMIT 1'), 1, 'another database uses the same names');
my $rows = "SELECT array_agg(name), (SELECT array_agg(next_offset ORDER BY group_id) FROM kafka.offsets WHERE group_id = 'g'), (SELECT array_agg(server) FROM kafka.outbox_relays),
	(SELECT sum(records) FROM kafka.outbox) FROM kafka.streams";
subscribe('in_use');
is($node->safe_psql('in_use', $rows), '|{1}|{down}|1', 'it keeps its own');
$node->safe_psql('published', "INSERT INTO sent VALUES (2); SELECT id FROM feed LIMIT 3; SELECT kafka.adopt_instance('new')");
apply('in_use', 1);
is($node->safe_psql('in_use', $rows), '|{1}|{down}|1', 'also when those are changed, and an outbox is emptied');
is($node->safe_psql('in_use', 'SELECT id FROM feed LIMIT 1'), 2, 'and goes on');

# What a trigger does on an applied row is this database's own.
my ($relayed, $read) = (new_topic(1), new_topic(1));
produce($read, "{\"id\":$_}\n") foreach 1 .. 3;
$node->safe_psql('in_use', <<~"EOF");
	CREATE FOREIGN TABLE relayed (key text OPTIONS (metadata 'key'), id int, _offset bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$relayed', delivery 'outbox');
	CREATE FOREIGN TABLE to_take (id int) SERVER k OPTIONS (topic '$read', group_id 'taken');
	CREATE TABLE taken (id int);
	CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS \$\$ BEGIN INSERT INTO taken SELECT id FROM to_take LIMIT 1; RETURN NULL; END \$\$;
	CREATE TRIGGER take AFTER INSERT ON marks FOR EACH ROW EXECUTE FUNCTION take();
	SELECT kafka.publish_table('marks', 'relayed');
	ALTER TABLE marks ENABLE ALWAYS TRIGGER publish_to_relayed, ENABLE ALWAYS TRIGGER take;
	EOF
apply('in_use', $_) foreach 11, 12;
becomes($node, 'in_use', 'SELECT string_agg(id::text, chr(32) ORDER BY _offset) FROM relayed', '11 12', 'what it inserts into an outbox is published');
is($node->safe_psql('in_use', 'SELECT array_agg(id) FROM taken; SELECT id FROM to_take'), "{1,2}\n3", 'and what it consumes is consumed');
$node->safe_psql('in_use', 'DROP SUBSCRIPTION in_use');

# nor one that has the outbox as one table, also of what is set aside
$node->safe_psql('published', "ALTER PUBLICATION everything SET (publish_via_partition_root = true);
	CREATE FOREIGN TABLE aside (id int, p int OPTIONS (metadata 'partition')) SERVER k OPTIONS (topic '$sent', delivery 'outbox')");
subscribe('unused');
$node->safe_psql('published', 'INSERT INTO aside VALUES (3, 7); SELECT id FROM feed LIMIT 1');
ok($node->poll_query_until('published', 'SELECT count(*) FROM kafka.dead_letters', 1), 'a record of an outbox is set aside');
apply('unused', 2);
is($node->safe_psql('unused', "$rows; SELECT count(*) FROM kafka.instance"), "|||\n0", 'where nothing runs it stays so');
$node->safe_psql('unused', 'DROP SUBSCRIPTION unused');

# A standby that is promoted goes on.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$node->stop;
$standby->promote;
is($standby->safe_psql('shop', 'SELECT id FROM feed LIMIT 1'), 3, 'a standby that was promoted goes on');

done_testing();
