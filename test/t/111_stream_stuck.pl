# A batch that waits for a lock is seen: how far behind the stream is, since when the batch runs and what it waits for.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);

$node->safe_psql('postgres', <<~"EOF");
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE copied (id int);
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
	EOF
produce($topic, "{\"id\":1}\n");
becomes($node, 'postgres', 'SELECT state, lag, lag_seconds, batch_since, wait_event FROM kafka.stat_streams', 'idle|0|0||',
	'an idle stream is not behind, and runs no batch');

my $session = KafkaSession->new($node);
$session->run('BEGIN; LOCK TABLE copied');
produce($topic, join('', map { "{\"id\":$_}\n" } 2 .. 11));
becomes($node, 'postgres', 'SELECT state, lag > 0, lag_seconds > 0, batch_since < clock_timestamp(), wait_event FROM kafka.stat_streams',
	'running|t|t|t|Lock: relation', 'a batch that waits for a lock is behind');
produce($topic, join('', map { "{\"id\":$_}\n" } 12 .. 511));
becomes($node, 'postgres', 'SELECT state, lag FROM kafka.stat_streams', 'running|510', 'also by what arrives while it waits');
like($node->safe_psql('postgres', 'SELECT state, lag, problem, to_do FROM kafka.status'),
	qr/^running\|510\|a batch runs since [0-9:]+ and waits for Lock: relation\|SELECT \* FROM pg_stat_activity WHERE pid = ANY \(pg_blocking_pids\(\d+\)\);$/,
	'kafka.status says how to find who holds it up');
is($node->safe_psql('postgres', "SELECT extract(epoch FROM clock_timestamp() - batch_since) < 100 FROM kafka.stat_streams"), 't', 'since it waits');
$node->safe_psql('postgres', 'CREATE ROLE other');
is($node->safe_psql('postgres', 'SET ROLE other; SELECT count(wait_event) FROM kafka.stat_streams'), '0', 'what for is for the owner only');
$session->run('COMMIT');
becomes($node, 'postgres', 'SELECT state, lag, lag_seconds, batch_since, wait_event FROM kafka.stat_streams', 'idle|0|0||', 'then it is not any more');

# Where nobody looks, nothing is said.
$node->safe_psql('postgres', "SELECT kafka.pause_stream('copy')");
becomes($node, 'postgres', 'SELECT state, lag, lag_seconds FROM kafka.stat_streams', 'paused||', 'a paused stream does not know how far behind it is');
is($node->safe_psql('postgres', 'SELECT state, problem, to_do FROM kafka.status'), "paused|it was paused|SELECT kafka.resume_stream('copy');", 'but how it goes on');

# Records of an open transaction cannot be read yet: nobody is behind by them.
produce($topic, "{\"id\":512}\n");
produce($topic, "{\"id\":513}\n", '-x', 'open', '-i', "$topic-open", '-t', 600000);
$node->safe_psql('postgres', "SELECT kafka.resume_stream('copy')");
becomes($node, 'postgres', 'SELECT state, lag, lag_seconds, max(id) FROM kafka.stat_streams, copied GROUP BY 1, 2, 3', 'idle|0|0|512',
	'before an open transaction a stream is not behind');
produce($topic, '', '-x', 'abort', '-i', "$topic-open");
produce($topic, "{\"id\":514}\n");
becomes($node, 'postgres', 'SELECT state, lag, lag_seconds, max(id), count(*) FROM kafka.stat_streams, copied GROUP BY 1, 2, 3', 'idle|0|0|514|513',
	'when it ends the stream goes on');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
