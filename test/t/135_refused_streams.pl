# A broker that refuses the user of a stream, or his right, may be starting: the stream waits and goes on by itself. What
# PostgreSQL refuses is for somebody to change.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $broker = KafkaFdw::Broker->new;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = new_cluster('main', bootstrap_servers => "127.0.0.1:$port");
my $module = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
my $produced = 0;

# The broker starts again, with this user on its second listener, and with these rights.
sub restart_broker
{
	my ($user, $superusers) = @_;
	$broker->configure(1, 'listener.name.login.plain.sasl.jaas.config' => "$module $user;", 'super.users' => $superusers);
	$broker->restart;
	return;
}

sub a_record_arrives
{
	my ($name) = @_;
	$produced++;
	$broker->kafka_tool('generate', 'refused', '-n', 1, '-s', $produced, '-m', '{"id": {i}}');
	becomes($node, 'postgres', 'SELECT count(*), count(DISTINCT id) FROM copied', "$produced|$produced", $name);
	return;
}

sub stalls
{
	my ($error, $name) = @_;
	becomes($node, 'postgres', "SELECT state, last_error ~ '$error' FROM kafka.stat_streams", 'stalled|t', $name);
	return;
}

$broker->kafka_tool('create-topic', 'refused', 1);
$broker->configure(1,
	'listeners' => $broker->property(1, 'listeners') . ",LOGIN://127.0.0.1:$port",
	'advertised.listeners' => $broker->property(1, 'advertised.listeners') . ",LOGIN://127.0.0.1:$port",
	'listener.security.protocol.map' => $broker->property(1, 'listener.security.protocol.map') . ',LOGIN:SASL_PLAINTEXT',
	'sasl.enabled.mechanisms' => 'PLAIN',
	'authorizer.class.name' => 'org.apache.kafka.metadata.authorizer.StandardAuthorizer');
$node->safe_psql('postgres', <<~"EOF");
	ALTER SERVER k OPTIONS (ADD security_protocol 'sasl_plaintext', ADD sasl_mechanism 'PLAIN');
	CREATE USER MAPPING FOR PUBLIC SERVER k OPTIONS (sasl_username 'stream', sasl_password 'secret');
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic 'refused');
	CREATE TABLE copied (id int);
	EOF
my ($none, $user, $few, $all) = ('user_other="secret"', 'user_stream="secret"', 'User:ANONYMOUS', 'User:ANONYMOUS;User:stream');

restart_broker($none, $few);
$node->safe_psql('postgres', "SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids')");
stalls('28000', 'a stream whose user is not known waits');
restart_broker($user, $few);
stalls('42501', 'so it does without a right');
restart_broker($user, $all);
a_record_arrives('and goes on when it has it');
restart_broker($none, $all);
stalls('SASL authentication error', 'also one that was reading waits');
restart_broker($user, $all);
a_record_arrives('and goes on');
is($node->safe_psql('postgres', 'SELECT state FROM kafka.stat_streams'), 'idle', 'whatever trouble there was is over');
unlike(slurp_file($node->logfile), qr/has failed/, 'it has not failed in between');

$node->safe_psql('postgres', 'CREATE ROLE poor LOGIN');
$node->safe_psql('postgres', "GRANT SELECT ON ids TO poor; GRANT USAGE ON FOREIGN SERVER k TO poor; GRANT INSERT ON copied TO poor;
	SELECT kafka.alter_stream_owner('copy', 'poor')");
a_record_arrives('it runs as another role');
$node->safe_psql('postgres', 'REVOKE INSERT ON copied FROM poor');
$broker->kafka_tool('generate', 'refused', '-n', 1, '-s', ++$produced, '-m', '{"id": {i}}');
becomes($node, 'postgres', "SELECT state, last_error ~ 'permission denied for table copied' FROM kafka.stat_streams", 'failed|t', 'what PostgreSQL refuses is a failure');

$node->stop;
ok(!crashed($node), 'no process crashed');
$broker->stop;
done_testing();
