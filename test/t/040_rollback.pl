# Records that were inserted leave at COMMIT. Whatever ends a transaction otherwise, nothing was sent.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main', conf => 'restart_after_crash = on');
my $topic = new_topic(2);
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE t (id int, name text) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE local (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'refused at the end'; END \$\$;
	CREATE TABLE refusing (id int);
	CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON refusing DEFERRABLE INITIALLY DEFERRED
	  FOR EACH ROW EXECUTE FUNCTION refuse();
	EOF

my $small = "INSERT INTO t SELECT i, 'lost' FROM generate_series(1, 100) i";
my $large = "INSERT INTO t SELECT i, repeat('lost', 100) FROM generate_series(1, 50000) i";

sub temporary_files
{
	my @files = glob($node->data_dir . '/base/pgsql_tmp/*');
	return scalar @files;
}

# The offsets of the topic: a record that was sent and taken back would move them, too.
sub sent
{
	my $total = 0;
	$total += (split /\t/)[2] foreach split /\n/, kafka_tool('watermark', $topic);
	return $total;
}

$node->safe_psql('postgres', "INSERT INTO t VALUES (0, 'kept')");
is(sent(), 1, 'a COMMIT sends');

foreach my $insert ($small, $large)
{
	my $size = $insert eq $small ? 'in memory' : 'in a file';
	my $session = KafkaSession->new($node);

	$session->run("SET work_mem = '64 kB'; BEGIN; $insert");
	is(temporary_files() > 0 ? 'a file' : 'none', $insert eq $small ? 'none' : 'a file', "$size: held so");
	$session->run('ROLLBACK');
	is($session->error, '', "$size: ROLLBACK");
	is(temporary_files(), 0, "$size: nothing is left of it");

	$session->run("BEGIN; $insert; SELECT 1 / 0; COMMIT");
	like($session->error, qr/division by zero/, "$size: an error before COMMIT");
	$session->run("$insert RETURNING 1 / 0");
	$session->run("BEGIN; INSERT INTO refusing VALUES (1); $insert; COMMIT");
	like($session->error, qr/refused at the end/, "$size: a constraint trigger refuses at COMMIT");
	$session->run("BEGIN; INSERT INTO local VALUES (1), (1); $insert; COMMIT");
	like($session->error, qr/duplicate key/, "$size: a deferred constraint fails at COMMIT");
	$session->run("BEGIN; SAVEPOINT a; $insert; ROLLBACK TO a; INSERT INTO local VALUES (2); ROLLBACK");
	$session->run("BEGIN; SAVEPOINT a; $insert; RELEASE a; SAVEPOINT b; $insert; ROLLBACK TO b; ROLLBACK");
	$session->run("BEGIN; $insert; PREPARE TRANSACTION 'p'");
	like($session->error, qr/cannot prepare/, "$size: PREPARE TRANSACTION is refused");

	$session->run("BEGIN; $insert");
	is($session->error, '', "$size: held again");
	$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $session->pid . ')');
	ok(poll_until(sub { !-d '/proc/' . $session->pid }, 5), "$size: pg_terminate_backend ended it");
	is(temporary_files(), 0, "$size: nothing is left of it");
	is(sent(), 1, "$size: nothing was sent");
}

my $session = KafkaSession->new($node);
$session->run("SET work_mem = '64 kB'; BEGIN; $large");
crash($node, $session->pid);
is(sent(), 1, 'kill -9 of the backend: nothing was sent');

# What a savepoint took back is cut out of what is sent, in memory, in the file and across both
$session = KafkaSession->new($node);
$session->run(<<~"EOF");
	SET work_mem = '64 kB';
	BEGIN;
	INSERT INTO t VALUES (1, 'kept');
	SAVEPOINT a;
	$large;
	SAVEPOINT b;
	$small;
	ROLLBACK TO a;
	INSERT INTO t VALUES (2, 'kept');
	SAVEPOINT c;
	INSERT INTO t SELECT i, 'kept' FROM generate_series(3, 20000) i;
	SAVEPOINT d;
	$small;
	ROLLBACK TO d;
	INSERT INTO t VALUES (20001, 'kept');
	RELEASE c;
	SAVEPOINT e;
	$large;
	ROLLBACK TO e;
	COMMIT;
	EOF
is($session->error, '', 'savepoints are rolled back');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), min(id), max(id), min(name), max(name) FROM t'),
	'20002|20002|0|20001|kept|kept', 'exactly what was kept is in the topic');

$node->stop;
done_testing();
