# What the workers and the wrapper trust is the extension's: no schema, table or type that somebody else made in its
# place, and no row that somebody else wrote.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', extension => 0);
my $topic = new_topic(1);
my $bootstrap = bootstrap();
produce($topic, "{\"id\":1}\n");
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; GRANT CREATE ON DATABASE postgres TO mallory; GRANT CREATE ON SCHEMA public TO mallory');

# What goes wrong when she runs statements.
sub as_mallory
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', 'mallory' ]);
	return $err;
}

# A schema that somebody made first
is(as_mallory('CREATE SCHEMA kafka'), '', 'a role makes the schema first');
my ($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION kafka_fdw');
like($err, qr/schema "kafka" is owned by role "mallory"/, 'the extension does not move in');
like($err, qr/HINT:  Drop the schema/, 'and says what to do');
is(as_mallory("CREATE FUNCTION kafka.format(text, text) RETURNS text LANGUAGE sql AS 'SELECT current_user'"), '', 'she has a function in it');
$node->safe_psql('postgres', 'ALTER SCHEMA kafka OWNER TO CURRENT_USER');
($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION kafka_fdw');
like($err, qr/schema "kafka" has functions or operators already/, 'the extension does not take it for PostgreSQL\'s own');
$node->psql('postgres', 'DROP FUNCTION kafka.format; CREATE EXTENSION kafka_fdw');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'kafka_fdw'"), 1, 'unless the schema belongs to who creates it');

$node->safe_psql('postgres', <<"EOF");
	CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap');
	GRANT USAGE ON FOREIGN SERVER k TO mallory;
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g');
	CREATE TABLE copied (id int);
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
EOF
becomes($node, 'postgres', 'SELECT count(*) FROM copied', 1, 'a stream runs');

# Rows that somebody else writes
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my $columns = 'kafka.streams (name, owner, statement, search_path, source, workers, settings)';
my $row = "'steal', '$superuser', 'CALL public.steal()', 'public', 'public.ids', 1, '{\"max_poll_records\": 10}'";
$node->safe_psql('postgres', 'GRANT ALL ON ALL TABLES IN SCHEMA kafka TO mallory; GRANT pg_write_all_data TO mallory');
foreach my $sql ("INSERT INTO $columns VALUES ($row)", "UPDATE kafka.streams SET statement = 'CALL public.steal()'",
	'DELETE FROM kafka.streams', 'TRUNCATE kafka.streams', 'UPDATE kafka.instance SET database_oid = 1', 'DELETE FROM kafka.instance')
{
	like(as_mallory("BEGIN; $sql; ROLLBACK"), qr/permission denied to change table "kafka\.(streams|instance)"/, "refused: $sql");
}
$node->safe_psql('postgres', 'REVOKE ALL ON ALL TABLES IN SCHEMA kafka FROM mallory; REVOKE pg_write_all_data FROM mallory');

# A schema and tables in the place of the extension's
$node->safe_psql('postgres', 'ALTER SCHEMA kafka OWNER TO mallory');
my $log = -s $node->logfile;
is(as_mallory(<<"EOF"), '', 'a role makes tables like ours');
	CREATE PROCEDURE public.steal() LANGUAGE plpgsql AS 'BEGIN ALTER ROLE mallory SUPERUSER; END';
	ALTER SCHEMA kafka RENAME TO aside;
	CREATE SCHEMA kafka;
	GRANT USAGE ON SCHEMA kafka TO PUBLIC;
	CREATE TABLE kafka.offsets (LIKE aside.offsets INCLUDING ALL);
	CREATE TABLE kafka.instance AS SELECT * FROM aside.instance;
	CREATE TABLE kafka.streams (LIKE aside.streams INCLUDING ALL);
	INSERT INTO $columns VALUES ($row);
	CREATE TYPE kafka.header AS (nothing int);
	CREATE FOREIGN TABLE headers (h kafka.header[] OPTIONS (metadata 'headers')) SERVER k OPTIONS (topic '$topic');
EOF
$node->restart;
ok(poll_until(sub { slurp_file($node->logfile, $log) =~ /table "kafka\.\w+" does not belong to extension "kafka_fdw"/ }, 20),
	'the workers do not trust them');
is($node->safe_psql('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"), 'f', 'and run nothing of what they say');
($status, $out, $err) = $node->psql('postgres', 'SELECT * FROM feed');
like($err, qr/table "kafka\.\w+" does not belong to extension "kafka_fdw"/, 'nor does who consumes');
($status, $out, $err) = $node->psql('postgres', 'SELECT * FROM headers');
like($err, qr/cannot have the type kafka\.header\[\]/, 'a type like ours is another type');

done_testing();
