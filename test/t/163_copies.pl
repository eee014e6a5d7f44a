# A copy of a database does not consume again what the original consumes, until it is told to; a standby that is
# promoted is no copy.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "wal_level = replica\nmax_wal_senders = 5\nhot_standby = on");
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
