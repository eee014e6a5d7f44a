# What changes below a running stream: its source's options, the server's and the user mapping's, a position.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my ($first, $second) = (new_topic(1), new_topic(1));

produce($first, "{\"id\":1}\n");
$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$first');
	CREATE TABLE copied (id int);
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
	EOF
becomes($node, 'postgres', 'SELECT array_agg(id ORDER BY id) FROM copied', '{1}', 'a stream reads its topic');
becomes($node, 'postgres', 'SELECT state FROM kafka.stat_streams', 'idle', 'and waits');
my $pid = backend_pid($node, "backend_type = 'kafka_fdw stream'");

# The topic: no batch of the old one commits after the change
my $session = KafkaSession->new($node);
$session->run("BEGIN; ALTER FOREIGN TABLE ids OPTIONS (SET topic '$second')");
produce($first, "{\"id\":2}\n");
becomes($node, 'postgres', "SELECT wait_event_type FROM pg_stat_activity WHERE pid = $pid", 'Lock', 'a batch waits for the change of its source');
$session->run('COMMIT');
produce($second, "{\"id\":3}\n");
becomes($node, 'postgres', 'SELECT array_agg(id ORDER BY id) FROM copied', '{1,3}', 'and goes to the new topic');
produce($first, "{\"id\":4}\n");
produce($second, "{\"id\":5}\n");
becomes($node, 'postgres', 'SELECT array_agg(id ORDER BY id) FROM copied', '{1,3,5}', 'where the stream stays');

# The server and the user mapping, while the worker waits
foreach my $change (
	[ 'ALTER SERVER k OPTIONS (SET bootstrap_servers \'127.0.0.1:1\')', 'stalled', 'another server' ],
	[ 'ALTER SERVER k OPTIONS (SET bootstrap_servers \'' . bootstrap() . '\')', 'idle', 'the old server' ],
	[ 'ALTER SERVER k OPTIONS (ADD security_protocol \'sasl_plaintext\', ADD sasl_mechanism \'PLAIN\')', 'failed', 'a missing password' ],
	[ 'CREATE USER MAPPING FOR PUBLIC SERVER k OPTIONS (sasl_username \'a\', sasl_password \'b\');
	   ALTER SERVER k OPTIONS (DROP security_protocol, DROP sasl_mechanism);
	   SELECT kafka.resume_stream(\'copy\')', 'idle', 'a user mapping' ])
{
	$node->safe_psql('postgres', $change->[0]);
	becomes($node, 'postgres', 'SELECT state FROM kafka.stat_streams', $change->[1], "$change->[2] is noticed");
}
my $log = -s $node->logfile;
$node->safe_psql('postgres', "DROP USER MAPPING FOR PUBLIC SERVER k; ALTER SERVER k OPTIONS (ADD client_id 'changed')");
ok($node->wait_for_log(qr/stream "copy", worker 0, reads/, $log), 'and so is another property of the client');
produce($second, "{\"id\":6}\n");
becomes($node, 'postgres', 'SELECT array_agg(id ORDER BY id) FROM copied', '{1,3,5,6}', 'nothing is lost or read twice');
unlike(slurp_file($node->logfile, $log), qr/reads .* reads /s, 'a change is noticed once');

# A position beyond the ends that were asked for before it was moved
$node->safe_psql('postgres', "SELECT kafka.pause_stream('copy')");
becomes($node, 'postgres', "SELECT state, pid FROM kafka.stat_streams", 'paused|', 'a stream pauses');
$session->run('BEGIN; LOCK TABLE kafka.offsets');
$node->safe_psql('postgres', "SELECT kafka.resume_stream('copy')");
becomes($node, 'postgres', "SELECT wait_event_type FROM pg_stat_activity WHERE backend_type = 'kafka_fdw stream'", 'Lock', 'its worker reads the positions');
produce($second, "{\"id\":7}\n{\"id\":8}\n");
$session->run("UPDATE kafka.offsets SET next_offset = next_offset + 1, generation = generation + 1 WHERE topic = '$second'; COMMIT");
becomes($node, 'postgres', 'SELECT array_agg(id ORDER BY id) FROM copied', '{1,3,5,6,8}', 'a position that moved past the known ends is no error');
is($node->safe_psql('postgres', 'SELECT state FROM kafka.stat_streams WHERE last_error ~ \'out of range\''), '', 'nor has it been one');

# What happens at a commit cannot happen at COMMIT PREPARED.
my ($status, $out, $err) = $node->psql('postgres', "BEGIN; SELECT kafka.pause_stream('copy'); PREPARE TRANSACTION 'p'");
like($err, qr/cannot prepare a transaction that has changed a stream/, 'a transaction that changed a stream is not prepared');
is($node->safe_psql('postgres', 'SELECT enabled FROM kafka.streams'), 't', 'and has changed nothing');

# Dropping takes the positions of both topics along, also when the table is gone.
$node->safe_psql('postgres', "DROP FOREIGN TABLE ids; SELECT kafka.drop_stream('copy')");
is($node->safe_psql('postgres', 'SELECT count(*) FROM kafka.offsets'), 0, 'no position is left');
$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
