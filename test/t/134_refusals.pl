# A topic that goes while it is read, and brokers that refuse the client, are told from brokers that do not answer.
use strict;
use warnings;

use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $session = KafkaSession->new($node);
my $servers = bootstrap();
my ($topic, $other) = (new_topic(2), new_topic(1));
kafka_tool('generate', $topic, '-n', 300000, '-m', 'x' x 300);

$session->run(<<~"EOF");
	\\set VERBOSITY verbose
	CREATE FOREIGN TABLE t (v text) SERVER k OPTIONS (topic '$topic', format 'text');
	CREATE FOREIGN TABLE feed (v text) SERVER k OPTIONS (topic '$topic', format 'text', group_id 'g');
	CREATE SERVER tls FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers', security_protocol 'ssl', request_timeout_ms '5000');
	CREATE FOREIGN TABLE tls (v text) SERVER tls OPTIONS (topic '$other', format 'text');
	CREATE SERVER sasl FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers', security_protocol 'sasl_plaintext', sasl_mechanism 'PLAIN', request_timeout_ms '3000');
	CREATE USER MAPPING FOR PUBLIC SERVER sasl OPTIONS (sasl_username 'a', sasl_password 'b');
	CREATE FOREIGN TABLE sasl (v text) SERVER sasl OPTIONS (topic '$other', format 'text');
	EOF
is($session->error, '', 'tables are made');

$session->run('BEGIN; DECLARE c CURSOR FOR SELECT v FROM t; MOVE 1 FROM c');
is($session->error, '', 'a scan has begun');
kafka_tool('delete-topic', $topic);
$session->run('MOVE ALL FROM c', 40);
like($session->error, qr/HV00R: topic "$topic" does not exist/, 'its topic is deleted: that is what the error says');
cmp_ok($session->seconds, '<', 12, 'soon');
$session->run('ROLLBACK; SELECT count(*) FROM t', 40);
like($session->error, qr/HV00R: topic "$topic" does not exist/, 'and the next scan');
cmp_ok($session->seconds, '<', 3, 'at once');

my ($kept, $gone) = (new_topic(1), new_topic(1));
kafka_tool('generate', $_, '-n', 100000, '-m', 'x' x 300) foreach $kept, $gone;
$session->run("CREATE FOREIGN TABLE list (v text) SERVER k OPTIONS (topic '$kept,$gone', format 'text')");
$session->run('BEGIN; DECLARE c CURSOR FOR SELECT v FROM list; MOVE 1 FROM c');
is($session->error, '', 'a scan of two topics has begun');
kafka_tool('delete-topic', $gone);
$session->run('MOVE ALL FROM c', 40);
like($session->error, qr/HV00R: topic "$gone" does not exist/, 'the error names the one that was deleted');
$session->run('ROLLBACK');

# where the library says that the connection was lost in it, it is tried again until the time is up
my $refused = qr/08001: Kafka at "\Q$servers\E" refused the connection/;
my $lost = qr/08006: could not reach Kafka at "\Q$servers\E".*SSL/s;
$session->run('SELECT * FROM tls', 40);
like($session->error, qr/$refused.*HINT: .*security_protocol|$lost/s, 'a handshake that fails is a refusal');
cmp_ok($session->seconds, '<', 8, 'at once, or then');
$session->run('SELECT * FROM sasl', 40);
like($session->error, qr/ERROR: .*Kafka at "\Q$servers\E"/, 'so is a login that nobody asks for, or there is no answer');
$session->run('INSERT INTO tls VALUES (1)', 40);
like($session->error, qr/$refused|$lost/s, 'writing is no different');
ok(!crashed($node), 'no process crashed');
$node->stop;
done_testing();
