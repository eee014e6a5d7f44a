#!/bin/bash
# A broker and a PostgreSQL server of one's own, with the extension as it is in this checkout.
#
#   test/sandbox.sh start DIR      build, install, start both; prints what to set in the environment
#   test/sandbox.sh reload DIR     build and install again, restart the server
#   test/sandbox.sh env DIR        print that again:  eval "$(test/sandbox.sh env DIR)"
#   test/sandbox.sh stop DIR       stop both and remove DIR
#
# Everything lies below DIR, also the installed extension: DIR/root is a PostgreSQL installation of its own,
# made of links to the system's. The server is reached through a socket in DIR, as superuser postgres, and
# writes its log to DIR/server.log; the broker is in DIR/kafka. With KAFKA_BOOTSTRAP_SERVERS set, that broker
# is used and none is started. MAKE_ARGS is for make (WERROR=1).
set -euo pipefail
# shellcheck source=test/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

# The environment of every program that works with the sandbox, as a script for eval
write_env() {
	local dir=$1 bin
	bin=$dir/root$("$(find_pg_config)" --bindir)
	cat <<-EOF
		export PATH='$dir/bin:$bin':"\$PATH"
		export PGHOST='$dir/socket' PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PGDATA='$dir/data'
		export KAFKA_BOOTSTRAP_SERVERS='$2'
		export KAFKA_DIR='$([ -d "$dir/kafka" ] && echo "$dir/kafka")'
		export KAFKA_FDW_CACHE='$(cache_dir)'
	EOF
}

# By the copy of the script, as the checkout may be where only root can read
broker() { bash "$2/build/test/kafka/kafka.sh" "$1" "$2/kafka"; }

start_broker() {
	if [ -n "${KAFKA_BOOTSTRAP_SERVERS:-}" ]; then
		echo "$KAFKA_BOOTSTRAP_SERVERS"
	else
		as_test_user mkdir -p "$1/kafka"
		broker start "$1" >&2
		broker bootstrap "$1"
	fi
}

install_extension() {
	local dir=$1 args
	read -ra args <<<"${MAKE_ARGS:-}"
	build_and_install "$dir/build" "$dir/root" "${args[@]}"
}

make_cluster() {
	local dir=$1
	in_sandbox "$dir" mkdir socket
	in_sandbox "$dir" initdb -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync -D "$dir/data" >"$dir/initdb.log" 2>&1 ||
		{ cat "$dir/initdb.log" >&2; die "initdb failed"; }
	in_sandbox "$dir" tee -a "$dir/data/postgresql.conf" >/dev/null <<-EOF
		listen_addresses = ''
		unix_socket_directories = '$dir/socket'
		shared_preload_libraries = 'kafka_fdw'
		fsync = off
		max_connections = 50
		max_worker_processes = 32
		max_prepared_transactions = 10
		log_line_prefix = '%m [%p] %q%a '
		timezone = 'UTC'
		kafka_test.bootstrap_servers = '$2'
	EOF
}

start_server() {
	in_sandbox "$1" pg_ctl -s -w -t 60 -D "$1/data" -l "$1/server.log" start >&2 ||
		{ tail -n 20 "$1/server.log" >&2; die "the server did not start"; }
}

stop_server() {
	[ -f "$1/data/postmaster.pid" ] || return 0
	in_sandbox "$1" pg_ctl -s -w -t 30 -D "$1/data" -m "$2" stop >&2 || return 1
}

start() {
	local dir=$1 servers
	[ -e "$dir/env.sh" ] && die "there is a sandbox in $dir already"
	bash "$repo/test/setup.sh"
	mkdir -p "$dir"
	chmod 755 "$dir"
	chown "$(test_user)" "$dir"
	private_pg "$dir/root"
	copy_tree "$dir/build"
	build_kafka_tool "$dir/build" "$dir/bin/kafka_tool"
	[ -n "${KAFKA_BOOTSTRAP_SERVERS:-}" ] || bash "$repo/test/kafka/kafka.sh" fetch
	servers=$(start_broker "$dir")
	write_env "$dir" "$servers" >"$dir/env.sh"
	install_extension "$dir"
	make_cluster "$dir" "$servers"
	start_server "$dir"
	cat "$dir/env.sh"
}

reload() {
	install_extension "$1"
	build_kafka_tool "$1/build" "$1/bin/kafka_tool"
	stop_server "$1" fast
	start_server "$1"
}

stop() {
	local dir=$1
	if [ -f "$dir/env.sh" ]; then stop_server "$dir" immediate || true; fi
	if [ -d "$dir/kafka" ]; then broker kill9 "$dir" || true; fi
	rm -rf "$dir"
}

# Server and broker stay when this script has ended: they keep nothing open of whoever called it, a lock for example
for fd in /proc/$$/fd/*; do
	fd=${fd##*/}
	if [ "$fd" -gt 2 ] && [ "$fd" -lt 255 ]; then eval "exec $fd>&-"; fi
done

[ $# = 2 ] || die "usage: sandbox.sh start | reload | env | stop DIR"
dir=$(realpath -m "$2")
case $1 in
	start) start "$dir" ;;
	reload) reload "$dir" ;;
	env) cat "$dir/env.sh" ;;
	stop) stop "$dir" ;;
	*) die "unknown verb: $1" ;;
esac
