# JSON escapes mean the same in a database of any encoding; what a column does not need is not converted.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $servers = bootstrap();
my $topic = new_topic(1);
my $latin = "caf\\u00e9";
my $pair = "\\ud83d\\ude00";

# The escapes of kafka_tool's input: \x5c is a backslash
sub json
{
	my ($text) = @_;
	$text =~ s/\\/\\x5c/g;
	return $text;
}

sub table_in
{
	my ($encoding) = @_;
	my $database = lc $encoding;
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, <<~"EOF");
		CREATE EXTENSION kafka_fdw;
		CREATE SERVER k FOREIGN DATA WRAPPER kafka_fdw OPTIONS (bootstrap_servers '$servers');
		CREATE FOREIGN TABLE t (o bigint OPTIONS (metadata 'offset'), id int, t text, j jsonb, a text[]) SERVER k OPTIONS (topic '$topic');
		EOF
	return $database;
}

produce($topic, json(qq({"id": 1, "t": "$latin", "j": {"k": "$latin"}, "a": ["$latin", "x"]}\n)) .
	json(qq({"id": 2, "a\\u0000b": 1, "\\ud83d": 2, "$pair": 3, "t": "x"}\n)) .
	json(qq({"id": 3, "t": "$pair"}\n)) . json(qq({"id": 4, "t": "a\\\\u0041\\"\\/\\b\\u0041"}\n)));

# what the bytes are, in hex
my $text = "encode(decode(replace(%s, '\\', '\\\\'), 'escape'), 'hex')";
my $columns = sprintf("id, $text, $text, $text", 't', "j->>'k'", 'a[1]');

my $ascii = table_in('SQL_ASCII');
is($node->safe_psql($ascii, "SELECT $columns FROM t WHERE o = 0"), '1|636166c3a9|636166c3a9|636166c3a9',
	'beyond ASCII an escape is UTF-8 in a database without an encoding');
is($node->safe_psql($ascii, "SELECT $columns FROM t WHERE o = 2"), '3|f09f9880||', 'a pair too');
is($node->safe_psql($ascii, "SELECT id, t FROM t WHERE o = 3"), "4|a\\u0041\"/\bA", 'an escaped backslash begins no escape');

# JSON that is no field of an object
my $whole = new_topic(1);
produce($whole, json(qq({"k": "$latin", "$latin": 1}\n)));
my $quoted = new_topic(1);
produce($quoted, json(qq(1,"{""k"": ""$latin""}"\n)));
$node->safe_psql($ascii, <<~"EOF");
	CREATE FOREIGN TABLE whole (j jsonb OPTIONS (metadata 'value')) SERVER k OPTIONS (topic '$whole');
	CREATE FOREIGN TABLE whole_json (j json OPTIONS (metadata 'value')) SERVER k OPTIONS (topic '$whole');
	CREATE FOREIGN TABLE whole_text (j jsonb) SERVER k OPTIONS (topic '$whole', format 'text', on_error 'ignore');
	CREATE FOREIGN TABLE quoted (id int, j jsonb) SERVER k OPTIONS (topic '$quoted', format 'csv');
	CREATE SCHEMA imported; IMPORT FOREIGN SCHEMA topics LIMIT TO ("$whole") FROM SERVER k INTO imported OPTIONS (columns 'inferred');
	EOF
my $k = sprintf($text, "j->>'k'");
is($node->safe_psql($ascii, "SELECT $k FROM $_"), '636166c3a9', "the whole value: $_") foreach 'whole', 'whole_json';
is($node->safe_psql($ascii, "SELECT $k FROM whole_text"), '636166c3a9', 'in the format "text"');
is($node->safe_psql($ascii, "SELECT $k FROM quoted"), '636166c3a9', 'a field of CSV');
is($node->safe_psql($ascii, "SELECT " . sprintf($text, 'k') . qq( FROM imported."$whole")), '636166c3a9', 'columns are inferred');

my $latin1 = table_in('LATIN1');
is($node->safe_psql($latin1, "SELECT $columns FROM t WHERE o = 0"), '1|636166e9|636166e9|636166e9', 'in LATIN1 it is a byte');
is($node->safe_psql($latin1, "SELECT id, t FROM t WHERE o = 1"), '2|x', 'names that no column can have are passed over');
my ($status, $out, $err) = $node->psql($latin1, 'SELECT t FROM t WHERE o = 2');
like($err, qr/has no equivalent in encoding "LATIN1"|could not be translated to the server's encoding LATIN1/, 'a character that the encoding lacks is an error');

# csv and keys
my $lines = new_topic(1);
my $e_acute = 'convert_from(\'\xc3a9\', \'UTF8\')';
produce($lines, "caf\\xc3\\xa9|1,\"caf\\xc3\\xa9, \"\"x\"\"\"\n", '-K', '|');
$node->safe_psql($latin1, "CREATE FOREIGN TABLE lines (id int, t text, k text OPTIONS (metadata 'key')) SERVER k OPTIONS (topic '$lines', format 'csv');
	INSERT INTO lines VALUES (2, $e_acute, $e_acute)");
is($node->safe_psql($latin1, "SELECT id, encode(t::bytea, 'hex'), encode(k::bytea, 'hex') FROM lines ORDER BY id"),
	"1|636166e92c20227822|636166e9\n2|e9|e9", 'lines of csv and keys are converted');
is(kafka_tool('consume', $lines, '-o', '1', '-f', 'kv'), "\\xc3\\xa9\t2,\\xc3\\xa9", 'and back');

# what the client is told is UTF-8, too: names of groups here, as well as users and passwords
$node->safe_psql($latin1, "DO \$\$ BEGIN EXECUTE format(\$sql\$
	CREATE FOREIGN TABLE feed (id int) SERVER k OPTIONS (topic '$lines', format 'csv', group_id %L, report_offsets 'true', on_error 'set_null')\$sql\$, 'caf' || $e_acute);
	END \$\$; SELECT count(*) FROM feed");
ok(poll_until(sub { kafka_tool('group-offsets', "caf\xc3\xa9", $lines) =~ /^0\t2$/m }, 20), 'a group has the same name in Kafka');
is($node->safe_psql($latin1, 'SELECT reported_offset FROM kafka.lag(\'feed\')'), 2, 'by which it is asked');

# workers, which open clients outside of transactions
my $sent = new_topic(1);
$node->safe_psql($latin1, "DO \$\$ BEGIN EXECUTE format(\$sql\$ALTER SERVER k OPTIONS (ADD transactional_id_prefix %L)\$sql\$, $e_acute); END \$\$;
	CREATE FOREIGN TABLE sent (v text) SERVER k OPTIONS (topic '$sent', format 'text', delivery 'outbox');
	SELECT kafka.create_stream($e_acute || 's', 'INSERT INTO sent SELECT t FROM lines')");
ok(poll_until(sub { kafka_tool('consume', $sent) =~ /caf\\xc3\\xa9, "x"/ }, 30), 'a stream reads and an outbox publishes in LATIN1')
  or diag($node->safe_psql($latin1, 'SELECT stream, last_error FROM kafka.stat_streams; SELECT last_error FROM kafka.stat_outbox'));

# names of columns: what the encoding lacks is passed over
my $names = new_topic(1);
produce($names, json(qq({"id": 1, "$pair": 2}\n{"id": 1, "emoji": "$pair"}\n{"id": 1, "$latin": 3}\n)) . qq({"id": 2, "caf\\xc3\\xa9": 3, "\\xe2\\x82\\xac": 1}\n{"id": 2, "caf\\xc3\\xa9": 3}\n));
$node->safe_psql($latin1, qq{CREATE SCHEMA imported; IMPORT FOREIGN SCHEMA topics LIMIT TO ("$names") FROM SERVER k INTO imported OPTIONS (columns 'inferred')});
is($node->safe_psql($latin1, "SELECT string_agg(encode(coalesce(substring(attfdwoptions[1] FROM 'field=(.*)'), attname)::bytea, 'hex'), ' ' ORDER BY attnum)
	FROM pg_attribute WHERE attrelid = 'imported.\"$names\"'::regclass AND attnum > 0 AND attname !~ '^_'"),
	'6964 636166e9', 'names of inferred columns are converted, and what the encoding lacks is passed over');

my $utf8 = table_in('UTF8');
is($node->safe_psql($utf8, "SELECT id, t FROM t WHERE o = 1"), '2|x', 'also in UTF8');
is($node->safe_psql($utf8, "SELECT $columns FROM t WHERE o = 2"), '3|f09f9880||', 'a pair is one character');
is($node->safe_psql($utf8, "SELECT id, t FROM t WHERE o = 3"), "4|a\\u0041\"/\bA", 'other escapes');

$node->stop;
done_testing();
