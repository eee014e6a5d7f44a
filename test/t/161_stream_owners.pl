# A stream belongs to a role like any object: that role cannot be dropped, its streams are reassigned and dropped with
# what else it owns, and a dump finds it by its name or says that it is missing.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);
produce($topic, "{\"id\":1}\n");
$node->safe_psql('postgres', "CREATE ROLE $_ LOGIN; GRANT EXECUTE ON FUNCTION kafka.create_stream TO $_; GRANT ALL ON SCHEMA public TO $_; GRANT USAGE ON FOREIGN SERVER k TO $_")
  foreach qw(ann bob cid);
$node->safe_psql('postgres', "CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic'); CREATE TABLE copied (id int)");
$node->safe_psql('postgres', 'GRANT SELECT ON ids TO PUBLIC; GRANT INSERT ON copied TO PUBLIC');

sub create_stream
{
	my ($owner, $name) = @_;
	$node->safe_psql('postgres', "SET ROLE $owner; SELECT kafka.create_stream('$name', 'INSERT INTO copied SELECT id FROM ids')");
	becomes($node, 'postgres', "SELECT state FROM kafka.stat_streams WHERE stream = '$name'", 'idle', "$owner has a stream");
	return;
}

sub fails
{
	my ($database, $sql, $expected, $name) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql);
	like($err, $expected, $name);
	return;
}

sub owner
{
	my ($name) = @_;
	return $node->safe_psql('postgres', "SELECT owner FROM kafka.streams WHERE name = '$name'");
}

sub runs_as
{
	my ($role, $name) = @_;
	becomes($node, 'postgres', "SELECT string_agg(DISTINCT usename, ',') FROM pg_stat_activity WHERE backend_type = 'kafka_fdw stream'", $role, $name);
	return;
}

create_stream('ann', 'one');
$node->safe_psql('postgres', 'REVOKE ALL ON SCHEMA public FROM ann; REVOKE ALL ON FOREIGN SERVER k FROM ann; REVOKE ALL ON FUNCTION kafka.create_stream FROM ann');
fails('postgres', 'DROP ROLE ann', qr/cannot be dropped.*privileges for column owner of table kafka\.streams/s, 'the owner of a stream cannot be dropped');
fails('template1', 'DROP ROLE ann', qr/cannot be dropped.*1 object in database postgres/s, 'nor from another database');
$node->safe_psql('postgres', 'ALTER ROLE ann RENAME TO "Ann A."');
is(owner('one'), 'Ann A.', 'but renamed');
$node->safe_psql('postgres', 'ALTER ROLE "Ann A." RENAME TO ann; REASSIGN OWNED BY ann TO bob; DROP ROLE ann');
is(owner('one'), 'bob', 'its streams are reassigned');
runs_as('bob', 'and then run as the new owner');

create_stream('bob', 'two');
$node->safe_psql('postgres', 'GRANT bob TO cid');
fails('postgres', "SET ROLE bob; SELECT kafka.alter_stream_owner('two', 'cid')", qr/must be (?:member of role|able to SET ROLE) "cid"/, 'nobody gives a stream to a role that he is not');
$node->safe_psql('postgres', "SET ROLE cid; SELECT kafka.alter_stream_owner('two', 'cid')");
is(owner('two'), 'cid', 'but to one that he is');
$node->safe_psql('postgres', 'CREATE ROLE dan LOGIN; GRANT dan TO cid; GRANT CREATE ON SCHEMA public TO dan');
fails('postgres', "SET ROLE cid; $_", qr/role "dan" may not create streams/, 'not to one who could not create it')
  foreach "SELECT kafka.alter_stream_owner('two', 'dan')", 'REASSIGN OWNED BY cid TO dan';
is(owner('two'), 'cid', 'it stays whose it was');
$node->safe_psql('postgres', 'REVOKE ALL ON SCHEMA public FROM dan; DROP ROLE dan');
$node->safe_psql('postgres', "SET ROLE cid; SELECT kafka.drop_stream('two')");
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_shdepend WHERE refobjid = 'cid'::regrole AND classid = 'pg_class'::regclass AND objsubid > 0"), 0,
	'what does not own anything any more can be dropped');
$node->safe_psql('postgres', 'DROP OWNED BY bob');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kafka.streams') . $node->safe_psql('postgres', 'SELECT count(*) FROM kafka.offsets'), '00',
	'streams are dropped with what else a role owns');
becomes($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'kafka_fdw stream'", 0, 'and end');
$node->safe_psql('postgres', 'DROP ROLE bob');

# A setting of the role makes nobody else of its workers.
my $outbox = new_topic(1);
$node->safe_psql('postgres', <<~"EOF");
	CREATE ROLE ann LOGIN; CREATE ROLE other; GRANT other TO ann; ALTER ROLE ann SET role = other;
	CREATE SCHEMA anns AUTHORIZATION ann;
	GRANT EXECUTE ON FUNCTION kafka.create_stream TO ann; GRANT USAGE ON FOREIGN SERVER k TO ann;
	SET ROLE ann; SET search_path = anns;
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE FOREIGN TABLE sent (who text) SERVER k OPTIONS (topic '$outbox', format 'text', delivery 'outbox');
	CREATE TABLE who (id int, name text DEFAULT current_user, again text);
	CREATE FUNCTION reset_role() RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN RESET ROLE; RETURN current_user; END \$\$;
	SELECT kafka.create_stream('anns', 'INSERT INTO who (id, again) SELECT id, reset_role() FROM ids');
	INSERT INTO sent VALUES (current_user);
	EOF
becomes($node, 'postgres', 'SELECT name, again FROM anns.who', 'ann|ann', 'a stream runs as its owner, whatever role he is given');
ok(poll_until(sub { kafka_tool('consume', $outbox, '-f', 'v') eq 'ann' }, 60), 'and an outbox is published');
$node->safe_psql('postgres', "SELECT kafka.drop_stream('anns'); DROP OWNED BY ann; DROP ROLE ann; DROP ROLE other");

# A dump
create_stream('cid', 'three');
create_stream($node->safe_psql('postgres', 'SELECT quote_ident(current_user)'), 'four');
foreach my $source (qw(dropped left_out))
{
	$node->safe_psql('postgres', "CREATE FOREIGN TABLE $source (id int) SERVER k OPTIONS (topic '$topic');
		SELECT kafka.create_stream('by_$source', 'INSERT INTO copied SELECT id + 100 FROM $source')");
	becomes($node, 'postgres', "SELECT count(*) FROM kafka.offsets WHERE group_id = 'by_$source'", 1, "a stream reads table $source");
}
$node->safe_psql('postgres', 'DROP FOREIGN TABLE dropped');
my $dump = $node->basedir . '/dump.sql';
command_ok([ 'pg_dump', '--no-owner', '--no-acl', '-T', 'left_out', '-f', $dump, $node->connstr('postgres') ], 'a database can be dumped');
my $streams = $node->safe_psql('postgres', 'SELECT count(*) FROM kafka.streams');
$node->safe_psql('postgres', 'DROP OWNED BY cid; DROP ROLE cid; CREATE DATABASE restored');
my ($out, $err) = run_command([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ]);
like($err, qr/WARNING:  role "cid" does not exist.*kafka\.alter_stream_owner/s, 'and restored where a role is missing, which is said');
is($node->safe_psql('restored', 'SELECT count(*) FROM kafka.streams'), $streams, 'with all streams');
is($node->safe_psql('restored', "SELECT owner = 0, owner FROM kafka.streams WHERE name = 'three'"), 't|', 'that one belongs to nobody');
$node->safe_psql('restored', "SELECT kafka.adopt_instance('new')");
is($node->safe_psql('restored', "SELECT state, last_error FROM kafka.stat_streams WHERE stream = 'three'"),
	'failed|its owner does not exist: see kafka.alter_stream_owner()', 'and does not run');
fails('restored', "SELECT kafka.$_", qr/the owner of stream "three" does not exist/, "nor is it of use: $_")
  foreach "alter_stream('three', max_poll_records => 9)", "retry_dead_letters('three')";
$node->safe_psql('restored', "GRANT INSERT ON copied TO PUBLIC; GRANT SELECT ON ids TO PUBLIC; SELECT kafka.alter_stream_owner('three', current_user::regrole)");
becomes($node, 'restored', "SELECT state FROM kafka.stat_streams WHERE stream = 'three'", 'idle', 'until somebody takes it');
is($node->safe_psql('restored', "SELECT '10'::kafka.role = 0"), 't', 'a number is never a role');

# What is restored without its source waits for one.
like($err, qr/WARNING:  relation "public\.left_out" does not exist.*Drop the stream, or create the table/s, 'a table that is missing is said, too');
foreach my $source (qw(dropped left_out))
{
	is($node->safe_psql('restored', "SELECT source = 0, source FROM kafka.streams WHERE name = 'by_$source'"), 't|', 'a stream has no source');
	becomes($node, 'restored', "SELECT state, last_error ~ 'the source of stream \"by_$source\" does not exist' FROM kafka.stat_streams WHERE stream = 'by_$source'",
		'failed|t', 'and says so');
	$node->safe_psql('restored', "CREATE FOREIGN TABLE $source (id int) SERVER k OPTIONS (topic '$topic');
		SELECT kafka.alter_stream('by_$source', source => '$source')");
	becomes($node, 'restored', "SELECT state FROM kafka.stat_streams WHERE stream = 'by_$source'", 'idle', 'until it is given one');
}
produce($topic, "{\"id\":2}\n");
becomes($node, 'restored', 'SELECT array_agg(id ORDER BY id) FROM copied WHERE id IN (2, 102)', '{2,2,102,102}', 'and goes on');
is($node->safe_psql('restored', 'SELECT count(*) FROM copied WHERE id IN (1, 101)'),
	$node->safe_psql('postgres', 'SELECT count(*) FROM copied WHERE id IN (1, 101)'), 'from where it was');
is($node->safe_psql('restored', "SELECT 'public.\"no\"'::kafka.relation = 0, '16384'::kafka.relation = 0, 'ids'::kafka.relation = 'ids'::regclass"), 't|t|t',
	'a number is never a table');

done_testing();
