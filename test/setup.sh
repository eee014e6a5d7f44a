#!/bin/bash
# Installs, on Debian as root, what building and testing need and is missing. Does nothing when all is there.
set -euo pipefail
# shellcheck source=test/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

need=()
want() { need+=("$1"); }

has() { command -v "$1" >/dev/null; }
has make || want make
has cc || want gcc
has java || want default-jre-headless
if [ -z "${KAFKA_BOOTSTRAP_SERVERS:-}" ] && ! bash "$repo/test/kafka/kafka.sh" cached; then
	has mvn || want maven
fi
has kcat || want kcat
has ctags || want universal-ctags
has runuser || want util-linux
has ps || want procps
[ -f /usr/include/librdkafka/rdkafka.h ] || want librdkafka-dev
[ -f /usr/include/stdio.h ] || want libc6-dev
perl -MIPC::Run -e 1 2>/dev/null || want libipc-run-perl

pg_config=$(find_pg_config || true)
if [ -z "$pg_config" ] || ! is_complete "$pg_config"; then
	want postgresql
fi
[ ${#need[@]} = 0 ] && exit 0

[ "$(id -u)" = 0 ] || die "missing: ${need[*]}; run this as root, or install them"
has apt-get || die "missing: ${need[*]}; this is no Debian, install them yourself"

export DEBIAN_FRONTEND=noninteractive
# the Java that a package runs when it is installed leaves no statistics in the temporary directory
export JAVA_TOOL_OPTIONS=-XX:-UsePerfData
apt=(apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
	note "installing $*"
	"${apt[@]}" install --no-install-recommends "$@" >"$log" 2>&1 || { cat "$log" >&2; die "could not install $*"; }
}

"${apt[@]}" update >"$log" 2>&1 || { cat "$log" >&2; die "apt-get update failed"; }

# the newest PostgreSQL that runs here already, else the newest that can be had
newest_postgresql() {
	local v
	for v in 18 17 16 15; do
		[ -x "/usr/lib/postgresql/$v/bin/postgres" ] && echo "$v" && return
	done
	for v in 18 17 16 15; do
		apt-cache show "postgresql-server-dev-$v" >/dev/null 2>&1 && echo "$v" && return
	done
	die "no PostgreSQL from 15 to 18 to be had"
}

packages=()
for p in "${need[@]}"; do
	if [ "$p" = postgresql ]; then
		v=$(newest_postgresql)
		packages+=("postgresql-$v" "postgresql-server-dev-$v")
		# no cluster of the system's is made or started
		if [ ! -x "/usr/lib/postgresql/$v/bin/postgres" ]; then
			install postgresql-common
			sed -i 's/^#\? *create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
		fi
	else
		packages+=("$p")
	fi
done
install "${packages[@]}"
