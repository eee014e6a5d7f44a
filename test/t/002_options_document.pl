# The list of options in the documentation is what the extension knows.
use strict;
use warnings;

use File::Basename;
use KafkaFdw;
use PostgreSQL::Test::Utils;
use Test::More;

my $doc = dirname(__FILE__) . '/../../doc';
my $node = new_cluster('main');

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'postgres';
my ($written, $errors) = run_command([ 'bash', "$doc/options.sh" ]);

is($errors, '', 'doc/options.sh succeeds');
ok($written eq slurp_file("$doc/options.md") =~ s/\n\z//r, 'doc/options.md is what doc/options.sh writes');

my @documented = $written =~ /^\| `(\w+)` \|/mg;
my @known = split /\n/, $node->safe_psql('postgres', 'SELECT option FROM kafka.options()');
is_deeply([ sort @documented ], [ sort @known ], 'every option is in it once');

$node->stop;
done_testing();
