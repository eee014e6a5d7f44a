# On a standby no stream runs; after its promotion it goes on exactly where the primary was.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_cluster('primary', conf => "wal_level = replica\nmax_wal_senders = 4\nhot_standby = on", start => 0);
$primary->append_conf('postgresql.conf', "listen_addresses = ''");
$primary->append_conf('pg_hba.conf', 'local replication all trust');
$primary->start;
my $topic = new_topic(2);
my $bootstrap = bootstrap();

$primary->safe_psql('postgres', <<~"EOF");
	CREATE EXTENSION kafka_fdw;
	CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap');
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE copied (id int);
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
	EOF
kafka_tool('generate', $topic, '-n', 1000, '-m', '{"id":{i}}');
ok($primary->poll_query_until('postgres', 'SELECT count(*) FROM copied', 1000), 'a stream runs on the primary');

$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
my $generator = start_generator($topic, '-r', 1000, '-m', '{"id":{i}}', '-s', 1000);
ok($standby->poll_query_until('postgres', 'SELECT count(*) > 1500 FROM copied'), 'its results are replicated');
is($standby->safe_psql('postgres', "SELECT state, last_error FROM kafka.stat_streams"), 'paused|this server is a standby', 'a standby says why it runs none');
is($standby->safe_psql('postgres', "SELECT kind, state, problem, to_do FROM kafka.status"),
	"server|paused|this server is a standby|They run on its primary, and here when it is promoted.\nstream|paused||", 'and what will make it run some');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'kafka%'"), 0, 'and has no process of streams');

$primary->stop('immediate');
$standby->promote;
my $produced = 1000 + stop_generator($generator);
ok($standby->poll_query_until('postgres', 'SELECT count(*), count(DISTINCT id) FROM copied', "$produced|$produced"),
	'once promoted it runs the stream, each record once')
  or diag($standby->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM copied'), $standby->safe_psql('postgres', 'TABLE kafka.stat_streams'));
$standby->stop;
ok(!crashed($standby), 'no process crashed');

done_testing();
