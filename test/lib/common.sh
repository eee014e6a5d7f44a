# Functions that the scripts in test/ and demo/ share. To be sourced.
# shellcheck shell=bash

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

note() { echo "# $*" >&2; }

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# Where downloads stay. As root it must be readable by the user that the server runs as.
cache_dir() {
	if [ -n "${KAFKA_FDW_CACHE:-}" ]; then
		echo "$KAFKA_FDW_CACHE"
	elif [ "$(id -u)" = 0 ]; then
		echo /var/cache/kafka_fdw
	else
		echo "${XDG_CACHE_HOME:-$HOME/.cache}/kafka_fdw"
	fi
}

# free_ports N: prints N ports of 127.0.0.1 that nobody listens on. They lie below the range that the kernel
# gives to outgoing connections, so that a stopped broker finds its port free when it is started again.
free_ports() {
	perl -MSocket -e '
		my @held; my %seen; my $left = shift;
		while ($left > 0) {
			my $port = 12000 + int(rand(20000));
			next if $seen{$port}++;
			socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
			bind($s, sockaddr_in($port, INADDR_LOOPBACK)) or next;
			push @held, $s; print "$port "; $left--;
		}' "$1"
}

# The server and everything around it runs as a user that is not root.
test_user() { if [ "$(id -u)" = 0 ]; then echo postgres; else id -un; fi; }

as_test_user() {
	if [ "$(id -u)" = 0 ]; then
		runuser -u postgres -- "$@"
	else
		"$@"
	fi
}

# True where both the server of a pg_config and what extensions are built with are installed
is_complete() {
	[ -x "$("$1" --bindir)/postgres" ] && [ -f "$("$1" --pgxs)" ] && [ -f "$("$1" --includedir-server)/postgres.h" ]
}

# PG_CONFIG, or else that of the newest installed PostgreSQL with its development files
find_pg_config() {
	local v pg_config
	if [ -n "${PG_CONFIG:-}" ]; then
		command -v "$PG_CONFIG" && return
		die "PG_CONFIG is $PG_CONFIG, which cannot be run"
	fi
	for v in 18 17 16 15; do
		pg_config=/usr/lib/postgresql/$v/bin/pg_config
		if [ -x "$pg_config" ] && is_complete "$pg_config"; then
			echo "$pg_config"
			return
		fi
	done
	command -v pg_config
}

# copy_tree TO: a copy of what is built and tested, with the times of the files, over what an earlier copy
# has built. A run builds and tests a copy: it never disturbs the checkout or another run.
copy_tree() {
	local to=$1
	as_test_user mkdir -p "$to"
	as_test_user find "$to" -type f \( -name '*.[ch]' -o -path '*/sql/*' -o -path '*/test/*' -o -path '*/expected/*' \) -delete
	tar -C "$repo" -c --exclude=.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' --exclude='*.d' \
		--exclude=results --exclude=output_iso --exclude=tmp_check --exclude=regression.* . |
		as_test_user tar -C "$to" -x --no-same-owner
}

# private_pg ROOT: a PostgreSQL installation of our own below ROOT, made of the installed one, so that the
# extension is installed for this run only. PostgreSQL finds its files relative to its programs; these are
# copies, as links would lead it back to the system's files.
private_pg() {
	local root=$1 pg_config bin lib share include f
	pg_config=$(find_pg_config)
	bin=$("$pg_config" --bindir)
	lib=$("$pg_config" --pkglibdir)
	share=$("$pg_config" --sharedir)
	include=$("$pg_config" --includedir)
	as_test_user mkdir -p "$root$bin" "$root$lib/bitcode" "$root$share/extension" "$root${include%/*}"
	as_test_user cp "$bin"/* "$root$bin/"
	as_test_user ln -s "$include" "$root$include"
	for f in "$lib"/* "$lib"/bitcode/* "$share"/* "$share"/extension/*; do
		case ${f##*/} in
			'*' | bitcode | extension | kafka_fdw*) ;;
			*) printf '%s\0%s\0' "$f" "$root$f" ;;
		esac
	done | as_test_user xargs -0 -n 2 ln -sfn
}

# build_and_install BUILD ROOT [make argument ...]: copies, builds, installs below ROOT
build_and_install() {
	local build=$1 root=$2
	shift 2
	copy_tree "$build"
	as_test_user make -s -C "$build" -j "$(nproc)" "PG_CONFIG=$(find_pg_config)" "$@" all &&
		as_test_user make -s -C "$build" "PG_CONFIG=$(find_pg_config)" "DESTDIR=$root" "$@" install >/dev/null
}

# build_kafka_tool BUILD TO
build_kafka_tool() {
	as_test_user mkdir -p "$(dirname "$2")"
	as_test_user "${CC:-cc}" -O1 -Wall -Wextra -Werror -o "$2" "$1/test/lib/kafka_tool.c" -lrdkafka
}

# in_sandbox DIR COMMAND ...: as the user and in the environment of a sandbox (see sandbox.sh)
in_sandbox() {
	local dir=$1
	shift
	# shellcheck disable=SC2016
	as_test_user bash -c '. "$0/env.sh"; export HOME=$0; cd "$0"; "$@"' "$dir" "$@"
}
