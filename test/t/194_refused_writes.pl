# A broker that lets nobody write to a topic: what each delivery says of it; and one that a session does not trust any more.
use strict;
use warnings;

use File::Basename;
use KafkaFdw;
use KafkaSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $broker = KafkaFdw::Broker->new('authorizer.class.name' => 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
	'allow.everyone.if.no.acl.found' => 'true');
my $node = new_cluster('main', bootstrap_servers => $broker->bootstrap);
my $session = KafkaSession->new($node);
my $columns = "(v text, k text OPTIONS (metadata 'key'), o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS";
$broker->kafka_tool('create-topic', $_, 1) foreach ('allowed', 'refused');
$broker->kafka_tool('create-topic', 'compacted', 1, 1, 'cleanup.policy=compact');

sub change_acl
{
	my @change = @_;
	my ($out, $err);
	IPC::Run::run([ 'bash', dirname(__FILE__) . '/../kafka/kafka.sh', 'tool', 'org.apache.kafka.tools.AclCommand', '--bootstrap-server', $broker->bootstrap,
			@change ], '>', \$out, '2>', \$err) or die "$out$err";
	return;
}
change_acl(qw(--add --topic refused --allow-principal User:* --operation Read --operation Describe));
$session->run(<<~"EOSQL");
	CREATE FOREIGN TABLE synced $columns (topic 'refused', format 'text');
	CREATE FOREIGN TABLE sent $columns (topic 'refused', format 'text', delivery 'async');
	CREATE FOREIGN TABLE allowed $columns (topic 'allowed', format 'text', delivery 'async');
	CREATE FOREIGN TABLE together $columns (topic 'refused', format 'text', delivery 'transactional');
	CREATE FOREIGN TABLE later $columns (topic 'refused', format 'text', delivery 'outbox');
	CREATE FOREIGN TABLE also $columns (topic 'allowed', format 'text', delivery 'outbox');
	CREATE FOREIGN TABLE keyed $columns (topic 'compacted', format 'text', delivery 'outbox');
	CREATE TABLE beside (v text);
	EOSQL
ok(poll_until(sub { $session->run("INSERT INTO synced VALUES ('x')", 40); $session->error }, 20), 'the topic is refused');
like($session->error, qr/ERROR:  could not deliver a record to topic "refused".*[Aa]uthorization failed/, 'sync: COMMIT fails and says why');
$session->run("BEGIN; INSERT INTO beside VALUES ('x'); INSERT INTO synced VALUES ('x'); COMMIT", 40);
is($session->run('SELECT count(*) FROM beside'), 0, 'sync: nothing commits with it');
$session->run("INSERT INTO synced VALUES ('x') RETURNING o", 40);
like($session->error, qr/ERROR:  could not deliver a record to topic "refused".*[Aa]uthorization failed/, 'at once: the same');
$session->run("INSERT INTO together VALUES ('x')", 40);
like($session->error, qr/ERROR:  could not deliver records in a Kafka transaction: .*[Aa]uthorization failed/, 'transactional: the same');
$session->run("INSERT INTO together SELECT 'x' FROM generate_series(1, 50000)", 40);
like($session->error, qr/ERROR:  could not deliver records in a Kafka transaction: .*[Aa]uthorization failed/, 'also while they are sent');
$session->run("BEGIN; INSERT INTO later VALUES ('set aside'); INSERT INTO also VALUES ('published'); COMMIT");
$session->run("INSERT INTO sent VALUES ('x', 'key'); INSERT INTO allowed VALUES ('y')");
like($session->run("SELECT _topic, convert_from(key, 'UTF8'), error FROM kafka.flush()", 40), qr/^refused\|key\|.*[Aa]uthorization failed$/, 'async: flush() tells');
is($session->run('SELECT v FROM allowed', 40), 'y', 'other topics are none the worse');
becomes($node, 'postgres', "SELECT convert_from(value, 'UTF8'), sqlstate, error ~ '[Aa]uthorization failed' FROM kafka.dead_letters", 'set aside|42501|t',
	'outbox: what is refused is set aside');
becomes($node, 'postgres', "SELECT v FROM allowed WHERE v <> 'y'", 'published', 'and the rest is published');
is($session->run('SELECT count(*) FROM synced', 40), 0, 'nothing has arrived');

# A relay that may not read its group
my @refused_group = qw(--group kafka_fdw --resource-pattern-type prefixed --deny-principal User:* --operation Read);
change_acl('--add', @refused_group);
$session->run("INSERT INTO also VALUES ('late')");
becomes($node, 'postgres',
	q{SELECT hint ~ '^The client''s user needs the right to Read the group "kafka_fdw-[^"]+-relay-1" and the topic "[^"]+"\.$' FROM kafka.stat_outbox},
	't', 'outbox: that the group is refused is said');
becomes($node, 'postgres',
	q{SELECT last_error ~ '^could not read a position' AND hint ~ 'needs the right to Read the group' FROM kafka.stat_outbox},
	't', 'again and again');
change_acl('--remove', '--force', @refused_group);
becomes($node, 'postgres', "SELECT v FROM allowed WHERE v = 'late'", 'late', 'and it is published when it is not any more');

# Newer libraries say of the others in a batch that they are not the ones that are refused
$session->run("INSERT INTO keyed VALUES ('1', 'key'), ('2', NULL), ('3', NULL), ('4', 'key')");
becomes($node, 'postgres', "SELECT string_agg(convert_from(value, 'UTF8') || ' ' || sqlstate, ', ' ORDER BY value) FROM kafka.dead_letters WHERE _topic = 'compacted'",
	'2 22023, 3 22023', 'outbox: of a batch only what is refused is set aside');
becomes($node, 'postgres', "SELECT string_agg(v, ', ' ORDER BY o) FROM keyed", '1, 4', 'and the others are published');

# The producer of a transaction that was refused is gone, with its requests, before the next one has its transactional id
$session->run("CREATE FOREIGN TABLE whole $columns (topic 'compacted', format 'text', delivery 'transactional', batch_size '500')");
my (@refused, @failed);
foreach (1 .. 20)
{
	$session->run("INSERT INTO whole SELECT i, CASE WHEN i <> 7 THEN 'key' END FROM generate_series(1, 20) i", 40);
	push @refused, $session->error if $session->error =~ /ERROR:  could not deliver/;
	$session->run("INSERT INTO whole VALUES ('good', 'key')", 40);
	push @failed, $session->error if $session->error;
}
is(@refused, 20, 'transactional: what is refused fails');
is("@failed", '', 'and the next transaction does not');
is($session->run("SELECT count(*) FROM whole WHERE v = 'good'", 40), 20, 'each is there');

# Brokers whose certificates are replaced, with the file of those that the session trusts
my $certificates = PostgreSQL::Test::Utils::tempdir('certificates');
chmod 0755, $certificates;

sub certify
{
	run_command([ qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1),
			'-keyout', "$certificates/key", '-out', "$certificates/trusted" ]);
	my $pem = "$certificates/broker.pem";
	unlink $pem;
	append_to_file($pem, slurp_file("$certificates/key") . slurp_file("$certificates/trusted"));
	chmod 0644, $pem, "$certificates/trusted";
	$broker->restart;
	return;
}
my $port = PostgreSQL::Test::Cluster::get_free_port();
$broker->configure(1, (map { $_ => $broker->property(1, $_) . ",TLS://127.0.0.1:$port" } qw(listeners advertised.listeners)),
	'listener.security.protocol.map' => $broker->property(1, 'listener.security.protocol.map') . ',TLS:SSL',
	'ssl.keystore.type' => 'PEM', 'ssl.keystore.location' => "$certificates/broker.pem");
certify();
$session->run(<<~"EOSQL");
	CREATE SERVER tls FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '127.0.0.1:$port', security_protocol 'ssl', ssl_ca_location '$certificates/trusted');
	CREATE FOREIGN TABLE secret (v text) SERVER tls OPTIONS (topic 'allowed', format 'text', delivery 'async', delivery_timeout_ms '2000');
	SELECT kafka.flush();
	INSERT INTO secret VALUES ('with the first certificate');
	EOSQL
is($session->run('SELECT error FROM kafka.flush()', 40), '', 'async: what is encrypted arrives');
certify();
poll_until(sub { $session->run("INSERT INTO secret VALUES ('with another one'); SELECT error FROM kafka.flush()", 40) eq '' && $session->error eq '' }, 60);
is($session->run("SELECT DISTINCT v FROM secret WHERE v LIKE 'with%' ORDER BY v DESC", 40), "with the first certificate\nwith another one",
	'after the certificates were replaced, too');

$session->close;
$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
