# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# What the scripts that start and list the peers share. Sourced.
#
# A script that starts a foreign server ends in exec, so that the process id that its caller knows is
# that of the server, and its CPU time too. Nothing can clean up after an
# exec: a configuration is therefore a file without a name, on descriptor 3.

me=$(basename "$0")
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
root=$(CDPATH='' cd "$here/../.." && pwd)
PATH=$root/.deps/servers/bin:$PATH:/usr/sbin:/sbin
# Descriptors of a server that are no connections, with room to spare.
own_fds=200

# The command line is wrong; $synopsis says what is right.
refuse() { # WHAT
	echo "$me: $1; usage: $me ${synopsis:-}" >&2
	exit 2
}

die() {
	echo "$me: $*" >&2
	exit 1
}

is_address() {
	host=${1%:*} port=${1##*:}
	case $1 in
	*:*) ;;
	*) return 1 ;;
	esac
	case $host in
	'' | *[!0-9.]*) return 1 ;;
	esac
	case $port in
	'' | *[!0-9]* | ??????*) return 1 ;;
	esac
	[ "$port" -ge 1 ] && [ "$port" -le 65535 ]
}

# The server itself would say it in several lines, or only after a while.
check_free() { # PORT
	hex=$(printf ':%04X' "$1")
	awk -v p="$hex" '$4 == "0A" && index($2, p) { found = 1 }
		END { exit !found }' /proc/net/tcp || return 0
	die "cannot listen on port $1: it is in use; choose another"
}

read_addresses() { # LISTEN BACKEND
	[ $# -eq 2 ] || refuse "wrong number of addresses"
	for address in "$1" "$2"; do
		is_address "$address" ||
			refuse "'$address' is not HOST:PORT with a numeric host"
	done
	listen=$1 backend=$2
	check_free "${listen##*:}"
}

# Sets $program.
find_server() { # NAME
	program=$(command -v "$1") ||
		die "no $1 here; make peers brings it"
}

# Debian has stream as a module; elsewhere it may be built in. Sets
# $stream_module, empty when none is to be loaded.
find_stream() {
	for dir in "$root/.deps/servers/modules" /usr/lib/nginx/modules; do
		stream_module=$dir/ngx_stream_module.so
		[ ! -f "$stream_module" ] || return 0
	done
	stream_module=
	nginx -V 2>&1 | grep -q -e '--with-stream\( \|$\)'
}

# Room for 20,000 connections, two descriptors each, or for as many as the
# limit allows. Sets $conns and $fds.
raise_limit() { # FDS_PER_CONN
	conns=20000 fds=$((20000 * $1 + own_fds))
	# shellcheck disable=SC3045 # dash has it, and so has busybox
	ulimit -n "$fds" 2>/dev/null || ulimit -n "$(ulimit -H -n)"
	# shellcheck disable=SC3045
	fds=$(ulimit -n)
	[ "$fds" = unlimited ] || [ "$fds" -ge $((conns * $1 + own_fds)) ] ||
		conns=$(((fds - own_fds) / $1))
	[ "$conns" -gt 0 ] ||
		die "the limit of $fds descriptors is too low; raise it: ulimit -n"
}

# Descriptor 3 is then the template with its @names@ replaced.
open_config() { # TEMPLATE SED_ARGUMENT...
	template=$1
	shift
	config=$(mktemp) || die "cannot make a temporary file"
	sed "$@" "$here/$template" >"$config" && exec 3<"$config"
	rm -f "$config"
}
