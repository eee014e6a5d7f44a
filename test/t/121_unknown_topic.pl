# A topic that does not exist stays so, also on a broker that makes topics for whoever asks, as Kafka's do by default.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use Test::More;
use Time::HiRes qw(sleep);

my $broker = KafkaFdw::Broker->new('auto.create.topics.enable' => 'true');
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap);
my $session = KafkaSession->new($node);
$broker->kafka_tool('create-topic', $_, 1) foreach qw(deleted emptied headers);
$session->run(<<~'EOF');
	CREATE FOREIGN TABLE typo (v text) SERVER k OPTIONS (topic 'typo', format 'text');
	CREATE FOREIGN TABLE typo_sent (v text) SERVER k OPTIONS (topic 'typo', format 'text', delivery 'async');
	CREATE FOREIGN TABLE deleted_sent (v text) SERVER k OPTIONS (topic 'deleted', format 'text', delivery 'async', delivery_timeout_ms '2000', linger_ms '500');
	CREATE FOREIGN TABLE typo_feed (v text) SERVER k OPTIONS (topic 'typo', format 'text', group_id 'g');
	CREATE FOREIGN TABLE deleted (v text) SERVER k OPTIONS (topic 'deleted', format 'text', delivery_timeout_ms '2000');
	CREATE FOREIGN TABLE headers_sent (v text, h kafka.header[] OPTIONS (metadata 'headers')) SERVER k OPTIONS (topic 'headers', format 'text', delivery 'async');
	CREATE FOREIGN TABLE emptied (v text) SERVER k OPTIONS (topic 'emptied', format 'text');
	EOF

# Names, without Kafka's own
sub topics { return join(',', grep { !/^__/ } split /\n/, $broker->kafka_tool('list-topics') =~ s/\t.*//gmr); }
is(topics(), 'deleted,emptied,headers', 'the topics at the start');

foreach my $sql ("INSERT INTO typo VALUES ('x')", "COPY typo FROM PROGRAM 'echo x'", "INSERT INTO typo_sent VALUES ('x')", 'SELECT * FROM typo', 'SELECT * FROM typo_feed')
{
	$session->run("BEGIN; $sql; ROLLBACK");
	like($session->error, qr/topic "typo" does not exist/, "$sql: is an error");
	cmp_ok($session->seconds, '<', 3, "$sql: at once");
}
is(topics(), 'deleted,emptied,headers', 'none was made');

# Deleted while a statement writes to it: the library does not take records with headers any more, either
$session->start(<<~'EOF');
	INSERT INTO headers_sent SELECT i, ARRAY[('a', 'b'), ('c', NULL)]::kafka.header[]
	  FROM (SELECT i, pg_sleep(0.05) FROM generate_series(1, 2000) i OFFSET 0) i
	EOF
sleep(0.1) until $broker->kafka_tool('watermark', 'headers') !~ /^0\t0\t0\t/ || $session->is_done;
$broker->kafka_tool('delete-topic', 'headers');
$session->finish(120);
like($session->error, qr/topic "headers"/, 'a topic that is deleted while a statement writes to it is an error of the statement');
$session->run('SELECT count(*) FROM kafka.flush()', 30);

# Deleted between INSERT and COMMIT, and with a record on its way
$session->run("INSERT INTO deleted_sent VALUES ('x'); SELECT kafka.flush(); INSERT INTO deleted_sent VALUES ('y')");
is($session->error, '', 'records are sent');
$session->run("BEGIN; INSERT INTO emptied VALUES ('x'); INSERT INTO deleted VALUES ('x')");
is($session->error, '', 'two topics are written to');
$broker->kafka_tool('delete-topic', 'deleted');
$session->run('COMMIT', 30);
like($session->error, qr/topic "deleted"/, 'COMMIT fails with the name of the one that is not there any more');
is(topics(), 'emptied', 'it does not come back');
$session->run("INSERT INTO deleted VALUES ('x')");
like($session->error, qr/topic "deleted" does not exist/, 'the next INSERT fails');
$session->run("INSERT INTO deleted_sent VALUES ('z')");
like($session->error, qr/topic "deleted" does not exist/, 'also one that does not wait');
like($session->run('SELECT _topic FROM kafka.flush()', 30), qr/^(?:deleted)?$/, 'which was not sent; what was on its way is told of, unless it came before');
$session->run("INSERT INTO emptied VALUES ('y')");
is($session->error, '', 'other topics are written to');
is(topics(), 'emptied', 'still it does not come back');

$node->stop;
done_testing();
