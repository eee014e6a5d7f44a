# The extension can be preloaded and created, and the tools of these tests work.
use strict;
use warnings;

use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');

is($node->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'kafka_fdw'"), 1, 'extension is created');
is($node->safe_psql('postgres', 'SHOW shared_preload_libraries'), 'kafka_fdw', 'library is preloaded');

my $topic = new_topic(2);
produce($topic, "0:a=1\n1:b=2\n1:c=\\N\n", '-P', ':', '-K', '=');
is(kafka_tool('consume', $topic, '-f', 'pokv'), "0\t0\ta\t1\n1\t0\tb\t2\n1\t1\tc\t\\N", 'records are written and read');
produce($topic, "0:d=1\n", '-P', ':', '-K', '=', '-x', 'abort');
is(kafka_tool('consume', $topic, '-c'), 3, 'an aborted transaction is not seen');
is(kafka_tool('watermark', $topic), "0\t0\t3\t3\n1\t0\t2\t2", 'its marker takes an offset');
like(kafka_tool_fails('consume', 'no-such-topic'), qr/unknown topic/, 'an unknown topic is an error');

my $generator = start_generator($topic, '-r', 200, '-p', 1);
ok(poll_until(sub { (split /\t/, (split /\n/, kafka_tool('watermark', $topic))[1])[2] > 20 }), 'a generator produces');
cmp_ok(stop_generator($generator), '>', 10, 'and says how many records were acknowledged');

$node->stop;
ok(!crashed($node), 'no process crashed');

done_testing();
