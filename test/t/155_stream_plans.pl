# Whatever a plan is made of can be judged, also what a foreign server joins, aggregates, sorts or changes by itself.
use strict;
use warnings;

use KafkaFdw qw(:DEFAULT query query_becomes);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
plan skip_all => 'postgres_fdw is not installed' unless query("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'");
my $topic = new_topic(1);

produce($topic, join('', map { "{\"id\":" . ($_ % 5) . ",\"n\":$_}\n" } 1 .. 20));
query(<<~"EOF");
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '${\($node->host)}', port '${\($node->port)}', dbname 'postgres');
	CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user '${\(query('SELECT current_user'))}');
	CREATE TABLE a_rows (id int PRIMARY KEY, b int);
	CREATE TABLE b_rows (id int PRIMARY KEY, x int);
	INSERT INTO a_rows SELECT i, i FROM generate_series(0, 9) i;
	INSERT INTO b_rows SELECT i, 10 * i FROM generate_series(0, 9) i;
	CREATE FOREIGN TABLE a (id int, b int) SERVER far OPTIONS (table_name 'a_rows');
	CREATE FOREIGN TABLE b (id int, x int) SERVER far OPTIONS (table_name 'b_rows');
	CREATE TABLE parts (id int, b int) PARTITION BY LIST (id);
	CREATE FOREIGN TABLE part PARTITION OF parts FOR VALUES IN (0, 1, 2, 3, 4) SERVER far OPTIONS (table_name 'a_rows');
	CREATE FOREIGN TABLE other PARTITION OF parts DEFAULT SERVER far OPTIONS (table_name 'b_rows');
	CREATE FOREIGN TABLE src (id int, n int) SERVER k OPTIONS (topic '$topic');
	CREATE TABLE got (id int, n int);
	CREATE TABLE near (id int PRIMARY KEY, n int);
	INSERT INTO near SELECT i, 0 FROM generate_series(0, 4) i;
	ANALYZE a, b, near;
	EOF

# What the plan is to have, the rows that the records make, and the query; what is off for it.
my @plans = (
	[ 'a join', 'Relations: .*JOIN', 20, 'SELECT src.id, s.x FROM src JOIN (SELECT a.id, b.x FROM a JOIN b ON b.id = a.b OFFSET 0) s USING (id)' ],
	[ 'a join that nothing fences', 'JOIN', 20, 'SELECT src.id, b.x FROM src, a, b WHERE a.id = src.id AND b.id = a.b' ],
	[ 'a full join', 'FULL JOIN', 20, 'SELECT src.id, s.x FROM src JOIN (SELECT a.id, b.x FROM a FULL JOIN b ON b.id = a.b OFFSET 0) s USING (id)' ],
	[ 'a semi-join', 'Foreign Scan', 20, 'SELECT id, n FROM src WHERE id IN (SELECT a.id FROM a JOIN b ON b.id = a.b)' ],
	[ 'an aggregate', 'Aggregate on', 20, 'SELECT src.id, s.n FROM src, (SELECT count(*) AS n FROM a) s' ],
	[ 'groups', 'Relations: .*JOIN', 20, 'SELECT src.id, s.n FROM src JOIN (SELECT a.id, count(*) AS n FROM a JOIN b ON b.id = a.b GROUP BY a.id) s USING (id)' ],
	[ 'a sort and a limit', 'Remote SQL: .*LIMIT 2', 8, 'SELECT src.id, s.b FROM src JOIN (SELECT id, b FROM a ORDER BY id LIMIT 2) s USING (id)' ],
	[ 'an InitPlan', 'InitPlan.*Aggregate on', 20, 'SELECT id, (SELECT count(*) FROM a) FROM src' ],
	[ 'a SubPlan', 'SubPlan.*Relations: .*JOIN', 20, 'SELECT id, (SELECT sum(b.x) FROM a JOIN b ON b.id = a.b WHERE a.id = src.id) FROM src' ],
	[ 'EXISTS', 'SubPlan.*Relations: .*JOIN', 20, 'SELECT id, n FROM src WHERE EXISTS (SELECT FROM a JOIN b ON b.id = a.b WHERE a.id = src.id) OR n < 0' ],
	[ 'LATERAL', 'Nested Loop.*Aggregate on', 20, 'SELECT src.id, s.n FROM src, LATERAL (SELECT count(*) AS n FROM a WHERE a.b >= src.id) s' ],
	[ 'a common table expression', 'CTE Scan', 20, 'WITH s AS MATERIALIZED (SELECT a.id, b.x FROM a JOIN b ON b.id = a.b) SELECT src.id, s.x FROM src JOIN s USING (id)' ],
	[ 'a union', 'Append', 22, '(SELECT id, n FROM src) UNION ALL (SELECT count(*), 0 FROM a) UNION ALL (SELECT max(a.id), 0 FROM a JOIN b ON b.id = a.b)' ],
	[ 'sorted rows', 'Merge Append', 40, 'SELECT src.id, s.n FROM src JOIN ((SELECT id, n FROM near UNION ALL SELECT id, b FROM a) ORDER BY id OFFSET 0) s USING (id)',
		qw(enable_sort enable_seqscan) ],
	[ 'recursion', 'Recursive Union', 20, 'WITH RECURSIVE r AS (SELECT max(id) AS i FROM a UNION ALL SELECT i - 1 FROM r WHERE i > (SELECT count(*) FROM b) - 3)
		SELECT src.id, (SELECT count(*) FROM r) FROM src' ],
	[ 'a partition', 'Relations: Aggregate on .*part', 20, 'SELECT src.id, s.n FROM src, (SELECT count(*) AS n FROM part) s' ],
	[ 'partitions that were left out', 'Append', 20, 'SELECT id, (SELECT count(*) FROM parts WHERE id = src.id) FROM src' ],
	[ 'an update', 'Foreign Update on', 20, 'WITH u AS (UPDATE a SET b = b + 0) INSERT INTO got SELECT id, n FROM src', ],
	[ 'an update of a join', 'Remote SQL: UPDATE [^\n]* FROM ', 20,
		'WITH u AS (UPDATE a SET b = b.id FROM b WHERE b.id = a.b RETURNING a.id) INSERT INTO got SELECT id, n FROM src' ],
	[ 'a delete of a join', 'Remote SQL: DELETE [^\n]* USING ', 20, 'WITH d AS (DELETE FROM a USING b WHERE b.id = a.b AND a.id > 8 RETURNING a.id, x) INSERT INTO got SELECT id, n FROM src' ],
	[ 'locked rows', 'LockRows', 20, 'SELECT src.id, b.x FROM src JOIN a ON a.id = src.id JOIN b ON b.id = a.b FOR UPDATE OF a, b' ],
	[ 'nothing', 'One-Time Filter: false', 20, 'SELECT src.id, s.b FROM src LEFT JOIN (SELECT id, b FROM a WHERE false) s USING (id)' ],
	[ 'values, functions and samples', 'Function Scan', 20, 'SELECT src.id, g FROM src JOIN generate_series(0, 4) WITH ORDINALITY f(g) ON g = src.id
		JOIN (VALUES ((SELECT count(*) FROM a)), (2)) v(x) ON v.x = 2 JOIN near TABLESAMPLE bernoulli (100) ON near.id = src.id' ],
	[ 'rows of a document', 'Table Function Scan', 20, q(SELECT src.id, x.v FROM src, XMLTABLE('/r' PASSING xmlelement(name r, src.n) COLUMNS v int PATH '.') x) ],
);

# Each is judged when a stream is made of it, and when a worker runs it: here all in one procedure, whose queries are judged one by one
my $body = '';
foreach my $plan (@plans)
{
	my ($name, $part, $rows, $query, @off) = @$plan;
	my $insert = $query =~ /INSERT/ ? $query : "INSERT INTO got $query";
	my $off = join('', map { "SET LOCAL $_ = off;" } @off);
	like(query("BEGIN; $off EXPLAIN (VERBOSE) $insert; ROLLBACK"), qr/$part/s, "$name: the plan");
	query("BEGIN; $off SELECT kafka.create_stream('judged', \$\$$insert\$\$); ROLLBACK");
	$body .= "$off $insert; GET DIAGNOSTICS made = ROW_COUNT; INSERT INTO counts VALUES (\$name\$$name\$name\$, made);" . join('', map { "RESET $_;" } @off);
}
query("CREATE TABLE counts (name text, made int);
	CREATE PROCEDURE run_all() LANGUAGE plpgsql AS \$body\$ DECLARE made int; BEGIN $body END \$body\$;
	SELECT kafka.create_stream('all', 'CALL run_all()', source => 'src')");
query_becomes("SELECT next_offset FROM kafka.offsets WHERE group_id = 'all'", 20, 'a worker runs them');
foreach my $plan (@plans)
{
	my ($name, undef, $rows) = @$plan;
	is(query("SELECT made FROM counts WHERE name = '$name'"), $rows, "$name: its rows");
}
query("SELECT kafka.drop_stream('all')");

# Also as the statement itself, and what a worker measures of it is shown
query(q(TRUNCATE got; SELECT kafka.create_stream('one', 'INSERT INTO got SELECT src.id, s.n FROM src, (SELECT count(*) AS n FROM a JOIN b ON b.id = a.b) s')));
query_becomes('SELECT count(*) FROM got', 20, 'a statement with an aggregate of a join is run');
like(query("SELECT * FROM kafka.explain_stream('one')"), qr/Foreign Scan  \(.*actual.*Relations: Aggregate on/s, 'and explained');
query("SELECT kafka.drop_stream('one')");

# What loses records is an error beside them, too
my @losses = (
	[ 'INSERT INTO got SELECT src.id, s.x FROM src JOIN (SELECT a.id, b.x FROM a JOIN b ON b.id = a.b OFFSET 0) s USING (id) LIMIT 5', qr/under a LIMIT or OFFSET/ ],
	[ 'INSERT INTO got SELECT s.n, (SELECT n FROM src ORDER BY n LIMIT 1) FROM (SELECT count(*) AS n FROM a) s', qr/under a LIMIT or OFFSET/ ],
	[ 'INSERT INTO got SELECT src.id, (SELECT count(*) FROM a WHERE a.id < (SELECT count(*) FROM src)) FROM src', qr/cannot read topic table "src" twice/ ],
	[ 'INSERT INTO got SELECT src.id, s.n FROM src JOIN near USING (id), (SELECT count(*) AS n FROM a) s FOR UPDATE OF near SKIP LOCKED', qr/cannot use SKIP LOCKED/ ],
	[ 'UPDATE near SET n = s.x FROM src JOIN (SELECT a.id, b.x FROM a JOIN b ON b.id = a.b OFFSET 0) s USING (id) WHERE src.id = near.id',
		qr/cannot update table "near" from records that are joined to it one by one/ ],
	[ 'UPDATE a SET b = src.n FROM src WHERE src.id = a.id', qr/cannot update table "a" from records that are joined to it one by one/ ],
	[ 'DELETE FROM a USING src WHERE src.id = a.id RETURNING src.n', qr/cannot delete from table "a" and return records that are joined to it one by one/ ],
);
foreach my $loss (@losses)
{
	my ($statement, $expected) = @$loss;
	my (undef, undef, $error) = $node->psql('postgres', "SELECT kafka.create_stream('loses', \$\$$statement\$\$)");
	like($error, $expected, $statement);
}
query('BEGIN; SELECT kafka.create_stream(\'keeps\', \'UPDATE near SET n = s.n FROM (SELECT count(*) AS n FROM a) s WHERE EXISTS (SELECT FROM src WHERE src.id = near.id)\'); ROLLBACK');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
