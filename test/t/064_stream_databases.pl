# Streams of several databases: dropping, renaming and copying databases, dropping the extension, switching streams off.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_cluster('main');
my $topic = new_topic(1);
my $bootstrap = bootstrap();
produce($topic, "{\"id\":1}\n");

sub create_stream
{
	my ($database) = @_;
	$node->safe_psql($database, <<~"EOF");
		CREATE EXTENSION IF NOT EXISTS kafka_fdw;
		CREATE SERVER IF NOT EXISTS k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap');
		CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
		CREATE TABLE IF NOT EXISTS copied (id int);
		SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
		EOF
	is_idle($database, "a stream runs in $database");
	return;
}

sub is_idle
{
	my ($database, $name) = @_;
	becomes($node, $database, 'SELECT state FROM kafka.stat_streams', 'idle', $name);
	return;
}

sub worker_pid
{
	my ($database) = @_;
	return backend_pid($node, "datname = '$database' AND backend_type = 'kafka_fdw stream'");
}

sub is_quick
{
	my ($name, $sql) = @_;
	my $began = time();
	$node->safe_psql('postgres', $sql);
	cmp_ok(time() - $began, '<', 5, "$name within seconds");
	return;
}

$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(shop other);
create_stream($_) foreach qw(shop other postgres);

# Who may not drop a database ends nothing there.
$node->safe_psql('postgres', 'CREATE ROLE ann LOGIN');
my $pid = worker_pid('shop');
my ($status, $out, $err) = $node->psql('postgres', 'SET ROLE ann; DROP DATABASE shop');
like($err, qr/must be owner of database shop/, 'a database is dropped by its owner only');
($status, $out, $err) = $node->psql('shop', 'SET ROLE ann; DROP EXTENSION kafka_fdw CASCADE');
like($err, qr/must be owner of extension kafka_fdw/, 'and so is the extension');
is(worker_pid('shop'), $pid, 'the worker has not noticed');

is_quick('renaming a database', 'ALTER DATABASE shop RENAME TO store');
becomes($node, 'store', 'SELECT state FROM kafka.stat_streams', 'idle', 'its stream goes on');

# DROP EXTENSION, first undone
my $log = -s $node->logfile;
$node->safe_psql('store', 'BEGIN; DROP EXTENSION kafka_fdw CASCADE; ROLLBACK');
is_idle('store', 'after a DROP EXTENSION that is rolled back the stream goes on');
$node->safe_psql('store', 'DROP EXTENSION kafka_fdw CASCADE');
is(worker_pid('store'), '', 'after DROP EXTENSION there is no worker');
unlike(slurp_file($node->logfile, $log), qr/does not exist|ERROR/, 'and none has stumbled over it');
create_stream('store');
$node->safe_psql('store', 'DROP SCHEMA kafka CASCADE');
is(worker_pid('store'), '', 'nor after its schema was dropped');
$node->safe_psql('store', 'TRUNCATE copied');
create_stream('store');
is($node->safe_psql('store', 'SELECT count(*) FROM copied'), 1, 'a new extension starts from the beginning');

# A copy of a database stays quiet until it is adopted.
$node->append_conf('postgresql.conf', 'kafka_fdw.streams = off');
$node->reload;
becomes($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'kafka_fdw stream'", 0, 'streams can be switched off');
is($node->safe_psql('store', 'SELECT state, last_error FROM kafka.stat_streams'), 'paused|kafka_fdw.streams is off', 'which is told');
is($node->safe_psql('store', "SELECT kind, state, problem, to_do ~ '^ALTER SYSTEM' FROM kafka.status"),
	"server|paused|kafka_fdw.streams is off|t\nstream|paused||", 'once, with what to do');
$node->safe_psql('postgres', 'CREATE DATABASE clone TEMPLATE store');
$node->append_conf('postgresql.conf', 'kafka_fdw.streams = on');
$node->restart;
is_idle('store', 'and on again');
produce($topic, "{\"id\":2}\n");
becomes($node, 'store', 'SELECT count(*) FROM copied', 2, 'the original goes on');
is($node->safe_psql('clone', 'SELECT state, last_error FROM kafka.stat_streams'),
	'paused|this database is a copy of another one: see kafka.adopt_instance()', 'the copy is quiet');
like($node->safe_psql('clone', "SELECT to_do FROM kafka.status WHERE kind = 'server'"), qr/kafka\.adopt_instance\('keep'\).*kafka\.adopt_instance\('new'\)/,
	'and kafka.status says how it may run');
($status, $out, $err) = $node->psql('clone', "SELECT kafka.create_stream('more', 'INSERT INTO copied SELECT id FROM ids')");
like($err, qr/the positions and streams of this database belong to another one.*adopt_instance/s, 'also for new streams');
my $id = $node->safe_psql('clone', 'SELECT id FROM kafka.instance');
$node->safe_psql('clone', "SELECT kafka.adopt_instance('new')");
becomes($node, 'clone', 'SELECT count(*) FROM copied', 2, 'until it is adopted');
isnt($node->safe_psql('clone', 'SELECT id FROM kafka.instance'), $id, 'with an identity of its own');

# A database is copied while its streams run.
$node->safe_psql('postgres', 'ALTER ROLE ann CREATEDB');
$pid = worker_pid('store');
($status, $out, $err) = $node->psql('postgres', 'SET ROLE ann; CREATE DATABASE second TEMPLATE store');
like($err, qr/permission denied to copy database "store"/, 'who may not copy a database');
is(worker_pid('store'), $pid, 'ends nothing there');
is_quick('copying a database', 'CREATE DATABASE second TEMPLATE store');
is_idle('store', 'its stream goes on');
is($node->safe_psql('second', 'SELECT count(*) FROM copied'), 2, 'the copy is complete');
$node->safe_psql('postgres', 'DROP DATABASE second');

# A dump keeps streams with their settings and positions, and is quiet as well.
$node->safe_psql('store', "SELECT kafka.alter_stream('copy', max_poll_bytes => 1000, commit_interval => '90 ms', max_records_per_second => 50, on_error => 'dead_letter', reject_limit => 3)");
command_ok([ 'pg_dump', '-f', $node->basedir . '/dump.sql', $node->connstr('store') ], 'a database can be dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $node->basedir . '/dump.sql' ], 'and restored');
my $stream = 'SELECT s.*, o.next_offset FROM kafka.streams s JOIN kafka.offsets o ON group_id = name';
is($node->safe_psql('restored', $stream), $node->safe_psql('store', $stream), 'with streams and positions');
is($node->safe_psql('restored', 'SELECT state FROM kafka.stat_streams'), 'paused', 'and quiet');
$node->safe_psql('restored', "SELECT kafka.adopt_instance('keep')");
is_idle('restored', 'until it is adopted, too');
is($node->safe_psql('restored', 'SELECT count(*) FROM copied'), 2, 'it goes on where the dump was made');

# So is one in the database that it was made of: what streams write to, and its constraints, come after them.
command_ok([ 'pg_dump', '--clean', '--if-exists', '-f', $node->basedir . '/clean.sql', $node->connstr('restored') ], 'a dump that drops first');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $node->basedir . '/clean.sql' ], 'is restored in its own database');
is($node->safe_psql('restored', 'SELECT state, last_error FROM kafka.stat_streams'),
	'paused|this database is a copy of another one: see kafka.adopt_instance()', 'and quiet');
$node->safe_psql('restored', "SELECT kafka.adopt_instance('keep')");
is_idle('restored', 'until it is adopted again');
is($node->safe_psql('restored', 'SELECT count(*) FROM copied'), 2, 'and goes on');

is_quick("dropping database $_", "DROP DATABASE $_") foreach qw(store clone);
is_quick('dropping database restored by force', 'DROP DATABASE restored WITH (FORCE)');
is($node->safe_psql('other', 'SELECT state, records_in FROM kafka.stat_streams'), 'idle|1', 'the stream of another database was not disturbed');

# Workers are not in the way of copies of a template, nor of a database that nobody is to enter.
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'other' AND backend_type = 'kafka_fdw stream'";
$node->safe_psql('postgres', 'ALTER DATABASE other IS_TEMPLATE true');
becomes($node, 'postgres', $workers, 0, 'a template has no workers');
is($node->safe_psql('other', "SELECT state, problem, to_do FROM kafka.status WHERE kind = 'server'"),
	'paused|this database is a template|ALTER DATABASE other IS_TEMPLATE false;', 'which is said');
$node->safe_psql('postgres', 'ALTER DATABASE other IS_TEMPLATE false');
is_idle('other', 'until it is none any more');
$node->safe_psql('postgres', 'ALTER DATABASE other ALLOW_CONNECTIONS false');
$node->restart;
is($node->safe_psql('postgres', $workers), 0, 'nor has a database without connections');
$node->safe_psql('postgres', 'ALTER DATABASE other ALLOW_CONNECTIONS true');
is_idle('other', 'until they are allowed again');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
