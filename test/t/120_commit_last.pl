# Records are sent when everything else that can fail in a COMMIT has been done: deferred triggers, commits
# on other servers, PostgreSQL's check for serialization failures, also one that comes while they are sent.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

need_own_broker();
my $broker = KafkaFdw::Broker->shared;
my $node = new_cluster('main');
my $topic = new_topic(1);
my ($host, $port) = ($node->host, $node->port);
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE t (v text) SERVER k OPTIONS (topic '$topic', format 'text');

	CREATE TABLE far (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
	CREATE USER MAPPING FOR PUBLIC SERVER loop;
	CREATE FOREIGN TABLE near (id int) SERVER loop OPTIONS (table_name 'far');

	CREATE TABLE orders (id int);
	CREATE FUNCTION publish() RETURNS trigger LANGUAGE plpgsql AS \$\$
	  BEGIN INSERT INTO t VALUES ('order ' || NEW.id); RETURN NULL; END \$\$;
	CREATE CONSTRAINT TRIGGER publish AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
	  FOR EACH ROW EXECUTE FUNCTION publish();
	CREATE TABLE duty (name text, present bool);
	INSERT INTO duty VALUES ('one', true), ('two', true);
	EOF

sub sent { return kafka_tool('consume', $topic, '-f', 'v') =~ tr/\n/,/r; }

my ($one, $two) = map { KafkaSession->new($node) } 1 .. 2;
$one->run("BEGIN; INSERT INTO t VALUES ('far'); INSERT INTO near VALUES (1), (1); COMMIT");
like($one->error, qr/duplicate key/, 'a remote COMMIT fails');
is(sent(), '', 'nothing was sent');
$one->run('BEGIN; INSERT INTO orders VALUES (1); INSERT INTO near VALUES (1), (1); COMMIT');
is(sent(), '', 'nor what a deferred trigger inserted');
$one->run('INSERT INTO orders VALUES (2)');
is(sent(), 'order 2', 'what a deferred trigger inserts is sent by the same COMMIT');

# Write skew: the first to commit waits for the broker, and the second cannot overtake it any more
foreach my $session ($one, $two)
{
	my $name = $session == $one ? 'one' : 'two';
	$session->run("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM duty WHERE present");
	is($session->error, '', "$name looks");
}
$one->run("UPDATE duty SET present = false WHERE name = 'one'; INSERT INTO t VALUES ('one left')");
$two->run("UPDATE duty SET present = false WHERE name = 'two'");
$broker->pause;
$one->start('COMMIT');
$one->await_active(20);
$two->run('COMMIT');
like($two->error, qr/could not serialize access/, 'while the first one sends the second one fails');
$broker->resume;
$one->finish(30);
is($one->error, '', 'and the first one commits');
is(sent(), 'order 2,one left', 'its record is sent');
is($node->safe_psql('postgres', 'SELECT name FROM duty WHERE present'), 'two', 'its row is committed');

$node->stop;
done_testing();

END
{
	my $status = $?;
	eval { $broker->resume } if $broker;
	$? = $status;
}
