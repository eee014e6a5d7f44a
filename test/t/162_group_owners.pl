# A consumer group belongs to the owner of the table that placed its first position: nobody else moves it.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);
produce($topic, "{\"id\":$_}\n") foreach 1 .. 9;

my $superuser = $node->safe_psql('postgres', 'SELECT quote_ident(current_user)');

sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SET ROLE $role; $sql");
	return $status == 0 && $err !~ /ERROR/ ? $out : $err;
}

sub table
{
	my ($name) = @_;
	return "CREATE FOREIGN TABLE $name (id int) SERVER k OPTIONS (topic '$topic', group_id 'g')";
}

sub owner
{
	return $node->safe_psql('postgres', 'SELECT server, group_id, owner FROM kafka.groups');
}

$node->safe_psql('postgres', "CREATE ROLE $_ LOGIN; GRANT ALL ON SCHEMA public TO $_; GRANT USAGE ON FOREIGN SERVER k TO $_") foreach qw(ann bob mallory);
$node->safe_psql('postgres', "SET ROLE ann; " . table('feed'));
is(as('ann', 'BEGIN; SELECT id FROM feed LIMIT 1; ROLLBACK'), 1, 'the first read is rolled back');
is(owner(), '', 'and with it whose the group is');
is(as('ann', 'SELECT id FROM feed LIMIT 1'), 1, 'the owner of a table consumes');
is(owner(), 'k|g|ann', 'and the group is hers');

my $denied = qr/permission denied for consumer group "g".*It belongs to role "ann".*kafka\.alter_group_owner/s;
is(as('mallory', table('steal')), '', 'another role makes a table of that group');
like(as('mallory', 'SELECT id FROM steal LIMIT 1'), $denied, 'but moves no position of it');
like(as('mallory', "SELECT kafka.alter_group_owner('k', 'g', 'mallory')"), qr/must be owner of consumer group "g"/, 'nor takes it');
like(as('mallory', "UPDATE kafka.groups SET owner = 'mallory'"), qr/permission denied/, 'nor writes that it is his');
is($node->safe_psql('postgres', 'SELECT next_offset FROM kafka.offsets'), 1, 'nothing has moved');

$node->safe_psql('postgres', 'GRANT SELECT, UPDATE ON feed TO mallory; ' . table('admins'));
is(as('mallory', 'SELECT id FROM feed LIMIT 1'), 2, 'who may read and update her table consumes for her');
is($node->safe_psql('postgres', 'SELECT id FROM admins LIMIT 1'), 3, 'a table of a superuser may use any group');
is(owner(), 'k|g|ann', 'which stays hers');
$node->safe_psql('postgres', 'GRANT ann TO bob; SET ROLE bob; ' . table('bobs'));
is(as('bob', 'SELECT id FROM bobs LIMIT 1'), 4, 'so may one of a member of the role');

# Other owners
$node->safe_psql('postgres', 'ALTER TABLE feed OWNER TO mallory');
like(as('mallory', 'SELECT id FROM feed LIMIT 1'), $denied, 'a table that is given away leaves the group behind');
like(as('ann', "SELECT kafka.alter_group_owner('k', 'g', 'mallory')"), qr/must be (?:member of role|able to SET ROLE) "mallory"/, 'the group is not given to whom one is not');
like(as('ann', "SELECT kafka.alter_group_owner('k', 'none', 'ann')"), qr/consumer group "none" of server "k" has no owner/, 'nor one that nobody has used');
$node->safe_psql('postgres', "SELECT kafka.alter_group_owner('k', 'g', 'mallory')");
is(as('mallory', 'SELECT id FROM feed LIMIT 1'), 5, 'until the group is given, too');
$node->safe_psql('postgres', "SELECT kafka.alter_group_owner('k', 'g', 'ann'); ALTER TABLE feed OWNER TO ann; ALTER SERVER k RENAME TO l");
is(owner(), 'l|g|ann', 'it follows the name of its server');
like(as($superuser, 'REASSIGN OWNED BY bob TO ann; DROP OWNED BY bob; DROP ROLE bob'), qr/^$/, 'a role that owns no group is dropped');
$node->safe_psql('postgres', 'DROP FOREIGN TABLE feed, bobs; REVOKE ALL ON SCHEMA public FROM ann; REVOKE ALL ON FOREIGN SERVER l FROM ann');
like(as($superuser, 'DROP ROLE ann'), qr/cannot be dropped.*privileges for column owner of table kafka\.groups/s, 'the owner of a group is not');
$node->safe_psql('postgres', 'REASSIGN OWNED BY ann TO mallory; DROP ROLE ann');
is(as('mallory', 'SELECT id FROM steal LIMIT 1'), 6, 'REASSIGN OWNED gives it to another one');

$node->safe_psql('postgres', "SET ROLE mallory; CREATE FOREIGN TABLE lost (id int) SERVER l
	OPTIONS (topic '$topic', format 'text', group_id 'h', on_error 'dead_letter'); SELECT id FROM lost");
is($node->safe_psql('postgres', 'SET ROLE mallory; SELECT count(*) FROM kafka.dead_letters'), 9, 'who owns a group sees its dead letters');

# Who commits first has placed the first position, whoever read first
$topic = new_topic(2);
produce($topic, "{\"id\":1}\n", '-p', $_) foreach 0, 1;
$node->safe_psql('postgres', "CREATE ROLE ann LOGIN; GRANT ALL ON SCHEMA public TO ann; GRANT USAGE ON FOREIGN SERVER l TO ann");
$node->safe_psql('postgres', "SET ROLE $_; CREATE FOREIGN TABLE first_of_$_ (id int) SERVER l OPTIONS (topic '$topic', group_id 'first', max_partitions '1')") foreach qw(ann mallory);
my $first = "SELECT string_agg(owner::text, ' ') FROM kafka.groups WHERE group_id = 'first'";
my $session = KafkaSession->new($node);
is($session->run('SET ROLE mallory; BEGIN; SELECT id FROM first_of_mallory'), 1, 'a role reads in a new group');
is(as('ann', 'SELECT id FROM first_of_ann'), 1, 'and another one, who is the first to commit');
is($node->safe_psql('postgres', $first), 'ann', 'so it is hers');
$session->run('COMMIT');
like($session->error, qr/permission denied for consumer group "first"/, 'and the other one cannot commit');
$session->run('BEGIN; SAVEPOINT s; SELECT id FROM first_of_mallory');
like($session->error, qr/permission denied for consumer group "first"/, 'nor read any more');
$session->close;
$node->safe_psql('postgres', "DROP OWNED BY ann; DROP ROLE ann");

# What was set aside of an outbox belongs to who inserted it.
my $outbox = "id int, p int OPTIONS (metadata 'partition')) SERVER l OPTIONS (topic '$topic', delivery 'outbox')";
$node->safe_psql('postgres', 'CREATE ROLE zoe LOGIN; GRANT ALL ON SCHEMA public TO zoe; GRANT USAGE ON FOREIGN SERVER l TO zoe');
$node->safe_psql('postgres', "SET ROLE zoe; CREATE FOREIGN TABLE out_of_zoe ($outbox; INSERT INTO out_of_zoe VALUES (1, 77)");
my $set_aside = "SELECT convert_from(value, 'UTF8'), inserted_by FROM kafka.dead_letters WHERE stage = 'publish'";
ok($node->poll_query_until('postgres', $set_aside, '{"id":1}|zoe'), 'a record is set aside');
like($node->safe_psql('postgres', q(BEGIN; ALTER ROLE zoe RENAME TO "Zoe"; SELECT to_do FROM kafka.status WHERE to_do ~ 'retry_outbox'; ROLLBACK)),
	qr/ SELECT kafka\.retry_outbox\('l', '"Zoe"'\);$/, 'kafka.status says how to publish it, whatever the name of the role');

# So does what Kafka knows of it
my $relays_group = $node->safe_psql('postgres', "SELECT group_id FROM kafka.dead_letters WHERE stage = 'publish'");
$node->safe_psql('postgres', "SET ROLE mallory; CREATE FOREIGN TABLE forged (id int) SERVER l OPTIONS (topic '$topic', group_id '$relays_group', report_offsets 'true')");
$node->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION kafka.create_stream TO mallory; CREATE TABLE ids (id int)');
like(as('mallory', $_), qr/permission denied for consumer group "\Q$relays_group\E".*By it Kafka knows/s, 'nobody moves the position of a relay')
	foreach "SELECT kafka.seek('forged', 'latest')", 'SELECT id FROM forged', "SELECT kafka.create_stream('$relays_group', 'INSERT INTO ids SELECT id FROM forged')";
like(as('mallory', "SELECT kafka.create_stream('$_', 'INSERT INTO ids SELECT id FROM forged')"), qr/permission denied for consumer group "$_"/,
	'not that of another database either') foreach map { "$_-2f1e6a3c-9d0b-4c47-8a55-0123456789ab-relay-7" } 'kafka_fdw', 'my-relay-app';
$node->safe_psql('postgres', "ALTER FOREIGN TABLE forged OPTIONS (SET group_id 'my-relay-1', DROP report_offsets)");
unlike(as('mallory', 'SELECT id FROM forged'), qr/ERROR/, 'other names are free');
$node->safe_psql('postgres', "DROP FOREIGN TABLE forged; REVOKE EXECUTE ON FUNCTION kafka.create_stream FROM mallory");

# A dump
my $dump = $node->basedir . '/dump.sql';
command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a database can be dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'and restored');
my $state = 'SELECT g.*, topic, partition, next_offset, i.id FROM kafka.groups g JOIN kafka.offsets USING (server, group_id), kafka.instance i ORDER BY g';
my $letters = 'SET ROLE mallory; TABLE kafka.dead_letters ORDER BY _offset';
is($node->safe_psql('restored', $state), $node->safe_psql('postgres', $state), 'with groups, positions and instance');
is($node->safe_psql('restored', $letters), $node->safe_psql('postgres', $letters), 'and dead letters');
my ($status, $out, $err) = $node->psql('restored', 'SELECT id FROM steal');
like($err, qr/the positions and streams of this database belong to another one.*adopt_instance/s, 'nobody consumes there');
$node->safe_psql('restored', "SELECT kafka.adopt_instance('new')");
is($node->safe_psql('restored', 'SET ROLE mallory; SELECT min(id) FROM steal'), 7, 'until it is adopted');

# There is a relay of the same number there, of another role.
$node->safe_psql('restored', "SET ROLE mallory; CREATE FOREIGN TABLE out_of_mallory ($outbox; INSERT INTO out_of_mallory VALUES (2, 0)");
my $relay = 'SELECT id FROM kafka.outbox_relays WHERE owner::text = ';
is($node->safe_psql('restored', "$relay 'mallory'"), $node->safe_psql('postgres', "$relay 'zoe'"), 'the relays of a restored database begin anew');
is($node->safe_psql('restored', "SET ROLE mallory; $set_aside"), '', 'what another role inserted is not seen');
is($node->safe_psql('restored', "SET ROLE mallory; DELETE FROM kafka.dead_letters WHERE stage = 'publish' RETURNING value"), '', 'nor deleted');
is($node->safe_psql('restored', "SET ROLE mallory; SELECT kafka.retry_outbox('l')"), 0, 'nor published');
is($node->safe_psql('restored', "SET ROLE zoe; $set_aside"), '{"id":1}|zoe', 'except by that role');
foreach my $command ('DROP OWNED BY zoe', 'REASSIGN OWNED BY zoe TO mallory', 'DROP SERVER l CASCADE')
{
	($status, $out, $err) = $node->psql('postgres', $command);
	like($err, qr/the outbox of server "l" has records that were set aside/, "$command is refused while it is there");
}
$node->safe_psql('postgres', "SET ROLE zoe; DELETE FROM kafka.dead_letters");
$node->safe_psql($_, 'DROP OWNED BY zoe') foreach qw(postgres restored);
$node->safe_psql('postgres', 'DROP ROLE zoe');
is($node->safe_psql('restored', "$set_aside; SET ROLE mallory; $set_aside"), '{"id":1}|', 'of a role that is gone only superusers see it');

$node->safe_psql($_, 'DROP OWNED BY mallory') foreach qw(postgres restored);
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM kafka.groups) + (SELECT count(*) FROM kafka.offsets) + (SELECT count(*) FROM kafka.dead_letters)'), 0,
	'DROP OWNED drops groups with their positions and dead letters');
$node->safe_psql('postgres', 'DROP ROLE mallory');

done_testing();
