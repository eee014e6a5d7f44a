# What later versions of PostgreSQL say of columns: virtual generated ones are NULL for nothing that reads rows by itself, and
# records need not be what a constraint declares.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use KafkaSession;
use Test::More;

my $node = new_cluster('main');
plan skip_all => 'generated columns are virtual from PostgreSQL 18 on' if $node->pg_version < 18;

my $session = KafkaSession->new($node);

# A statement is refused.
sub refused
{
	my ($statement, $message, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$session->run($statement);
	return like($session->error, $message, $name);
}

# A topic table
my $columns = q{_offset bigint OPTIONS (metadata 'offset'), _tombstone boolean OPTIONS (metadata 'tombstone')};
my $topic = new_topic(1);
query("CREATE FOREIGN TABLE source (id int OPTIONS (metadata 'key'), a int, tens int GENERATED ALWAYS AS (a * 10), x text, $columns) SERVER k OPTIONS (topic '$topic')");
produce($topic, "1|{\"a\": 1, \"x\": \"one\", \"tens\": 7}\n2|{\"a\": 2, \"x\": \"two\"}\n3|{\"x\": \"none\"}\n", '-K', '|');
my $rows = query('SELECT id, a, tens, x FROM source ORDER BY id');
is($rows, "1|1|10|one\n2|2|20|two\n3|||none", 'SELECT computes them');
is(query('SELECT id, a, tens, x FROM kafka.tail(NULL::source, 10) ORDER BY id'), $rows, 'kafka.tail() does');
query(<<~'EOF');
	CREATE TABLE newest (id int PRIMARY KEY, a int, x text, tens int NOT NULL DEFAULT -1);
	SELECT kafka.materialize('newest', source => 'source', into_table => 'newest', on_error => 'dead_letter');
	EOF
query_becomes('SELECT id, a, tens, x FROM newest ORDER BY id', "1|1|10|one\n2|2|20|two", 'kafka.materialize() assigns them');
is(query('SELECT record_offset FROM (SELECT _offset AS record_offset FROM kafka.dead_letters) d'), '2', 'and keeps the constraint of the table');
query(q{CREATE FOREIGN TABLE keyed (id int, a int, k int OPTIONS (metadata 'key') GENERATED ALWAYS AS (a * 10)) SERVER k OPTIONS (topic 'keyed')});
refused('SELECT * FROM keyed', qr/column "k" of foreign table "keyed" cannot have options\nDETAIL:  It is a virtual generated column, which no record has\./, 'options of one are refused where it is read');
refused('INSERT INTO keyed (id) VALUES (1)', qr/column "k" of foreign table "keyed" cannot have options/, 'and where it is written');

# Published rows
my $published = new_topic(1);
query(<<~"EOF");
	CREATE TABLE plain (id int PRIMARY KEY, a int, gone int, twice int GENERATED ALWAYS AS (a * 2), word text, long text GENERATED ALWAYS AS (word || '!'));
	ALTER TABLE plain DROP COLUMN gone;
	CREATE FOREIGN TABLE target (k text OPTIONS (metadata 'key'), id int, a int, twice int, long text, thrice int GENERATED ALWAYS AS (a * 3)) SERVER k OPTIONS (topic '$published');
	SELECT kafka.publish_table('plain', 'target');
	INSERT INTO plain VALUES (1, 10, DEFAULT, 'x'), (2, NULL, DEFAULT, NULL);
	UPDATE plain SET a = 11, word = 'y' WHERE id = 1;
	EOF
is(query('SELECT k, id, a, twice, long, thrice FROM target'), "1|1|10|20|x!|30\n2|2||||\n1|1|11|22|y!|33", 'rows are published with them');
unlike(kafka_tool('consume', $published), qr/thrice/, 'those of the target are in no record');
my $whole = new_topic(1);
query(<<~"EOF");
	CREATE FOREIGN TABLE whole (k text OPTIONS (metadata 'key'), v jsonb OPTIONS (metadata 'value')) SERVER k OPTIONS (topic '$whole');
	SELECT kafka.unpublish_table('plain');
	SELECT kafka.publish_table('plain', 'whole', for_each => 'statement');
	UPDATE plain SET a = 12;
	EOF
is(query('SELECT v FROM whole ORDER BY k'), qq({"a": 12, "id": 1, "long": "y!", "word": "y", "twice": 24}\n{"a": 12, "id": 2, "long": null, "word": null, "twice": 24}), 'whole rows have them, also by statement');
refused("SELECT kafka.publish_table('plain', 'target', '{twice}')", qr/key column "twice" of table "plain" is a virtual generated column/, 'none can be the key');

# A column that is declared NOT NULL, which planners believe from 17 on
my $nulls = new_topic(1);
query(<<~"EOF");
	CREATE FOREIGN TABLE declared (cid int NOT NULL, x int) SERVER k OPTIONS (topic '$nulls');
	CREATE TABLE customers (cid int PRIMARY KEY, name text);
	CREATE TABLE joined (x int, name text);
	SELECT kafka.create_join('joined', 'declared', 'customers', 'declared.cid = customers.cid', 'joined', unmatched => 'park');
	EOF
produce($nulls, qq({"x": 1}\n{"cid": 2, "x": 2}\n));
query_becomes("SELECT next_offset FROM kafka.offsets WHERE group_id = 'joined'", 2, 'records of a join are read');
is(query('SELECT _offset FROM kafka.parked'), 1, 'one that can have no row does not wait for it');

$node->stop;
ok(!crashed($node), 'no process crashed');
done_testing();
