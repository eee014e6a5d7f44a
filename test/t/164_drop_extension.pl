# The extension is dropped while the server starts its streams: none of their processes stumbles over it.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $topic = new_topic(1);
my $bootstrap = bootstrap();
produce($topic, "{\"id\":$_}\n") foreach 1 .. 3;

my $setup = <<"SQL";
	CREATE EXTENSION IF NOT EXISTS kafka_fdw;
	CREATE SERVER IF NOT EXISTS k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap');
	CREATE FOREIGN TABLE ids (id int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE copied (id int);
	SELECT kafka.create_stream('copy', 'INSERT INTO copied SELECT id FROM ids');
SQL
my $state = "SELECT state FROM kafka.stat_streams WHERE stream = 'copy'";
$node->safe_psql('postgres', $setup);
becomes($node, 'postgres', $state, 'idle', 'a stream runs');

foreach my $round (1 .. 5)
{
	my $log = -s $node->logfile;
	$node->restart;
	$node->safe_psql('postgres', 'DROP EXTENSION kafka_fdw CASCADE');
	unlike(slurp_file($node->logfile, $log), qr/ERROR/, "no process stumbles over an extension that goes, round $round");
	$node->safe_psql('postgres', "DROP TABLE copied; $setup");
	becomes($node, 'postgres', $state, 'idle', 'and a new one runs');
}

# Its own statement cannot end a worker that has to commit it.
$node->safe_psql('postgres', <<~'EOF');
	CREATE FUNCTION drop_all() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DROP EXTENSION kafka_fdw CASCADE; END';
	CREATE TRIGGER drop_all BEFORE INSERT ON copied FOR EACH ROW EXECUTE FUNCTION drop_all();
	SELECT kafka.reset_stream('copy', 'earliest');
	EOF
becomes($node, 'postgres', "SELECT state, last_error ~ 'cannot drop extension \"kafka_fdw\" in the statement' FROM kafka.stat_streams", 'failed|t', 'a stream cannot drop the extension');
$node->safe_psql('postgres', 'DROP TABLE copied');

# Who consumes, and drops what he consumed with, can commit.
my $feed = "CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$topic', group_id 'g', report_offsets 'true')";
$node->safe_psql('postgres', $feed);
is($node->safe_psql('postgres', 'BEGIN; SELECT count(*) FROM feed; DROP SERVER k CASCADE; COMMIT'), 3, 'a server may be dropped with which one consumed');
$node->safe_psql('postgres', "CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap'); " . $feed =~ s/'g'/'h'/r);
is($node->safe_psql('postgres', "BEGIN; SELECT count(*) FROM feed; DROP EXTENSION kafka_fdw CASCADE; COMMIT; SELECT to_regclass('kafka.offsets')"), "3\n",
	'so may the extension');

# What a role owns is dropped, the extension among it: a batch that would last does not keep it
$node->safe_psql('postgres', 'CREATE ROLE su SUPERUSER LOGIN; SET ROLE su; ' . $setup =~ s/FROM ids/FROM ids WHERE pg_sleep(600) IS NOT NULL/r);
becomes($node, 'postgres', $state, 'running', 'a batch is run');
my $before = -s $node->logfile;
my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '60 s'; DROP OWNED BY su");
is($err, '', 'DROP OWNED BY the owner of the extension ends it');
unlike(slurp_file($node->logfile, $before), qr/ERROR/, 'and no process stumbles');

# Records that it would have to publish go with the transaction.
my $outbox = "CREATE EXTENSION kafka_fdw; CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$bootstrap');
	CREATE FOREIGN TABLE sent (id int) SERVER k OPTIONS (topic '$topic', delivery 'outbox')";
($status, $out, $err) = $node->psql('postgres', "$outbox; BEGIN; INSERT INTO sent VALUES (4); DROP EXTENSION kafka_fdw CASCADE; COMMIT");
like($err, qr/records for topic "$topic" cannot be published: this transaction has dropped their server/, 'who has records to publish may not drop it');

# What a schema of another name hides
($status, $out, $err) = $node->psql('postgres', "ALTER SCHEMA kafka RENAME TO aside; INSERT INTO sent VALUES (5)");
like($err, qr/table "kafka.offsets" does not exist\nHINT:  It was renamed, or its schema/, 'a schema that was renamed is named as the reason');

done_testing();
