#!/bin/bash
# The whole test suite, on a broker and a PostgreSQL server of its own in a temporary directory. Installs what
# is missing (as root, on Debian), builds, tests, ends with "N passed, N failed" and leaves nothing behind.
#
#   test/run.sh                    everything
#   test/run.sh PART [NAME ...]    one part, or some of its tests (by the beginning of their names):
#                                  source, regress (sql/), isolation (test/isolation/specs), t (test/t), demo
#
# KAFKA_BOOTSTRAP_SERVERS: use this broker; tests that must restart it are skipped.
# SANDBOX=DIR: use this sandbox (sandbox.sh) after a reload, and leave it running.  KEEP=1: keep the directory.
# PG_CONFIG: that of the PostgreSQL to test with; by default the newest that is installed.
set -euo pipefail
# shellcheck source=test/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
export LC_ALL=C.UTF-8

passed=0
failed=0
skipped=0
skips=''
part=${1:-all}
[ $# = 0 ] || shift
names=("$@")
case $part in
	all | source | regress | isolation | t | demo) ;;
	*) die "unknown part: $part" ;;
esac

wanted() { [ "$part" = all ] || [ "$part" = "$1" ]; }

count() { # passed|failed|skipped NAME [REASON]
	printf '%-8s %s\n' "$1" "$2${3:+: $3}"
	case $1 in
		passed) passed=$((passed + 1)) ;;
		failed) failed=$((failed + 1)) ;;
		skipped)
			skipped=$((skipped + 1))
			skips+="skipped: $2: ${3:-no reason given}"$'\n'
			;;
	esac
}

# find_tests DIRECTORY EXTENSION: sets tests to the names there that the command line asks for
find_tests() {
	local file name prefix
	tests=()
	for file in "$1"/*."$2"; do
		name=$(basename "$file" ".$2")
		case $name in '*' | *--*) continue ;; esac
		if [ ${#names[@]} = 0 ]; then tests+=("$name"); fi
		for prefix in "${names[@]}"; do
			case $name in "$prefix"*) tests+=("$name") ;; esac
		done
	done
}

started=''
finish() {
	local status=$?
	trap - EXIT
	if [ -n "$started" ]; then
		if [ -n "${KEEP:-}" ]; then
			note "kept: $dir (stop it with test/sandbox.sh stop $dir)"
		else
			bash "$repo/test/sandbox.sh" stop "$dir" || status=1
		fi
	fi
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

run_source() {
	heading 'source rules'
	if bash "$repo/test/check_source.sh" "$1"; then count passed check_source; else count failed check_source; fi
}

# run_pg_regress VARIABLE OTHER DIFFS: runs $tests through make installcheck, as a user would
run_pg_regress() {
	local variable=$1 other=$2 diffs=$dir/build/$3 name log=$dir/$1.log
	[ ${#tests[@]} -gt 0 ] || return 0
	rm -f "$diffs"
	in_sandbox "$dir" timeout -k 10 1800 make -s --no-print-directory -C "$dir/build" installcheck \
		"$variable=${tests[*]}" "$other=" >"$log" 2>&1 || true
	for name in "${tests[@]}"; do
		if grep -qE "^(test +$name +\.\.\. ok|ok [0-9]+ +[-+] $name )" "$log"; then
			count passed "$name"
		else
			count failed "$name"
		fi
	done
	if [ -s "$diffs" ]; then cat "$diffs"; elif ! grep -qE 'All [0-9]+ tests passed' "$log"; then tail -n 40 "$log"; fi
}

run_t() {
	local perl
	[ ${#tests[@]} -gt 0 ] || return 0
	perl=$("$(find_pg_config)" --pkglibdir)/pgxs/src/test
	# their sockets and files are ours to remove, also those of a test that died
	in_sandbox "$dir" mkdir -p "$dir/tmp"
	in_sandbox "$dir" env "TMPDIR=$dir/tmp" "PERL5LIB=$perl/perl:$dir/build/test/lib" "PG_REGRESS=$perl/regress/pg_regress" \
		perl "$dir/build/test/lib/tap.pl" "$dir/tap" \
		"${tests[@]/#/$dir/build/test/t/}" | while IFS=$'\t' read -r result name reason; do
		case $result in
			passed | failed | skipped) echo "count $result ${name@Q} ${reason@Q}" >&3 ;;
			*) printf '%s\n' "$result${name:+$'\t'$name}${reason:+$'\t'$reason}" ;;
		esac
	done 3>"$dir/tap.counts"
	# shellcheck disable=SC1091
	. "$dir/tap.counts"
}

run_demo() {
	mkdir -m 1777 "$dir/demo"
	if TMPDIR=$dir/demo bash "$repo/demo/run.sh" </dev/null >"$dir/demo.log" 2>&1; then
		count passed 'the demo'
	else
		tail -n 60 "$dir/demo.log"
		count failed 'the demo'
	fi
	if rmdir "$dir/demo" && ! pgrep -f "$dir/demo/" >/dev/null; then
		count passed 'the demo leaves nothing behind'
	else
		count failed 'the demo leaves nothing behind'
	fi
}

# A server process that died on its own is a failure, whatever the tests thought of it
check_server_log() {
	if grep -nE 'terminated by signal|TRAP:|PANIC:' "$dir/server.log"; then
		count failed 'the server never crashed'
	else
		count passed 'the server never crashed'
	fi
}

heading() { printf '\n== %s\n' "$*"; }

heading setup
bash "$repo/test/setup.sh"
export MAKE_ARGS="WERROR=1 ${MAKE_ARGS:-}"
if [ -n "${SANDBOX:-}" ]; then
	dir=$(realpath "$SANDBOX")
	setup=(bash "$repo/test/sandbox.sh" reload "$dir")
else
	dir=$(mktemp -d "${TMPDIR:-/tmp}/kafka_fdw.XXXXXX")
	started=yes
	setup=(bash "$repo/test/sandbox.sh" start "$dir")
fi
if ! "${setup[@]}" >/dev/null; then
	count failed 'build, broker and server'
	printf '\n0 passed, 1 failed\n'
	exit 1
fi
"$(find_pg_config)" --version

if wanted source; then
	run_source "$dir/build"
fi
if wanted regress; then
	heading 'regression tests'
	find_tests "$dir/build/sql" sql
	run_pg_regress REGRESS ISOLATION regression.diffs
fi
if wanted isolation; then
	heading 'isolation tests'
	find_tests "$dir/build/test/isolation/specs" spec
	run_pg_regress ISOLATION REGRESS output_iso/regression.diffs
fi
if wanted t; then
	heading 'TAP tests'
	find_tests "$dir/build/test/t" pl
	run_t
fi
if wanted regress || wanted isolation; then check_server_log; fi
if wanted demo; then
	heading demo
	run_demo
fi

[ $((passed + failed)) -gt 0 ] || die "no test of that name"
printf '\n%s' "$skips"
echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
[ "$failed" = 0 ]
