# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the end-to-end tests of torc-proxy share. A test starts with
#
#	. "$(dirname "$0")/lib.sh"
#
# and then runs in the root of the tree, with a private folder $tmp. All that
# it starts is ended, and $tmp is removed, when it exits for whatever reason.
# Nothing waits for a fixed time when there is something to wait for.
#
# B is the build folder, PROXY the program under test.

set -u

cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
PROXY=${PROXY:-$B/torc-proxy}
peer=$B/tests/tools/peer
backend=$B/tests/tools/backend
# shellcheck disable=SC2034
deny=$B/tests/tools/deny
PATH=$PWD/.deps/servers/bin:$PATH:/usr/sbin:/sbin
export LC_ALL=C
# Tests count lines. A shard that is late on a busy machine is not to add any.
export TORC_STALL_MS=0

# shellcheck disable=SC2015
[ -x "$peer" ] && [ -x "$backend" ] || {
	echo "not ok - $peer and $backend are there; make check builds them"
	exit 1
}

tmp=$(mktemp -d) || exit 1
# Tests that give up their privileges need a way in.
chmod 755 "$tmp"
pids=

fail()
{
	echo "not ok - $*"
	for file in "$tmp"/*.err "$tmp"/*.out; do
		[ -s "$file" ] || continue
		echo "--- ${file##*/}, the end of it"
		tail -n 20 "$file"
	done
	exit 1
}

pass()
{
	echo "ok - $*"
}

skip()
{
	echo "skip: $*"
	exit 77
}

need_programs()
{
	for program in "$@"; do
		command -v "$program" >/dev/null 2>&1 ||
			skip "no $program here (scripts/deps test brings it)"
	done
}

# Otherwise torc goes on with epoll, and says so in a line more.
io_uring_is_allowed()
{
	"$B/torc-doctor" >/dev/null 2>&1
}

# A child that has ended stays as a zombie until the shell waits for it.
alive()
{
	[ -r "/proc/$1/stat" ] || return 1
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
	'' | Z*) return 1 ;;
	esac
}

gone()
{
	! alive "$1"
}

# wait_until SECONDS COMMAND...: fails the test when COMMAND does not become
# true in time. $what may tell what is waited for.
wait_until()
{
	tries=$(($1 * 20))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "in time: ${what:-$*}"
		sleep 0.05
	done
}

# wait_exit PID SECONDS: sets $status.
wait_exit()
{
	what="process $1 ends" wait_until "$2" gone "$1"
	status=0
	wait "$1" || status=$?
}

# Ends a process by TERM, after 10 seconds by KILL.
stop()
{
	kill -TERM "$1" 2>/dev/null
	tries=200
	while alive "$1" && [ "$tries" -gt 0 ]; do
		sleep 0.05
		tries=$((tries - 1))
	done
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# Reports of a sanitizer count, whatever else the test saw.
sanitizer_complaints()
{
	grep -l -e 'ERROR: AddressSanitizer' -e 'ERROR: LeakSanitizer' \
		-e 'WARNING: ThreadSanitizer' -e 'runtime error:' \
		"$tmp"/*.err 2>/dev/null
}

cleanup()
{
	result=$?
	trap - EXIT
	# A drain that waits for somebody is of no interest any more.
	for pid in $pids; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in $pids; do
		stop "$pid"
	done
	for file in $(sanitizer_complaints); do
		echo "not ok - no sanitizer report in ${file##*/}"
		cat "$file"
		result=1
	done
	rm -rf "$tmp"
	exit "$result"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# start_bg NAME COMMAND...: sets $pid; output in $tmp/NAME.out and NAME.err.
start_bg()
{
	name=$1
	shift
	"$@" >"$tmp/$name.out" 2>"$tmp/$name.err" </dev/null &
	pid=$!
	pids="$pids $pid"
}

free_port()
{
	"$peer" free-port
}

# A look into the kernel's table: a probing connection would reach a backend.
listens()
{
	grep -q -i "^ *[0-9]*: [0-9A-F]*:$(printf '%04X' "$1") [0:]* 0A " \
		/proc/net/tcp /proc/net/tcp6 2>/dev/null
}

listens_not()
{
	! listens "$1"
}

listens_or_gone()
{
	listens "$1" || ! alive "$2"
}

# wait_port PORT PID
wait_port()
{
	what="port $1 is open" wait_until 20 listens_or_gone "$1" "$2"
	alive "$2" || fail "the server for port $1 has ended"
}

# start_backend NAME KIND [ARGS...]: sets $port and $pid.
start_backend()
{
	port=$(free_port)
	name=$1
	kind=$2
	shift 2
	start_bg "$name" "$backend" "$kind" "$port" "$@"
	wait_port "$port" "$pid"
}

start_redis()
{
	port=$(free_port)
	start_bg redis redis-server --port "$port" --bind 127.0.0.1 \
		--save '' --appendonly no --dir "$tmp"
	wait_port "$port" "$pid"
}

# Serves $tmp/www and takes uploads into it. Sets $port.
start_nginx()
{
	port=$(free_port)
	mkdir -p "$tmp/www" "$tmp/nginx"
	# Root's private folder is closed to the user nginx would switch to.
	user=
	[ "$(id -u)" -ne 0 ] || user="user root root;"
	cat >"$tmp/nginx.conf" <<-EOF
	$user
	daemon off;
	master_process off;
	pid $tmp/nginx/pid;
	error_log $tmp/nginx/error.log;
	events { worker_connections 512; }
	http {
		access_log off;
		sendfile on;
		client_max_body_size 0;
		client_body_temp_path $tmp/nginx/body;
		proxy_temp_path $tmp/nginx/proxy;
		fastcgi_temp_path $tmp/nginx/fastcgi;
		uwsgi_temp_path $tmp/nginx/uwsgi;
		scgi_temp_path $tmp/nginx/scgi;
		keepalive_requests 1000000;
		server {
			listen 127.0.0.1:$port;
			root $tmp/www;
			dav_methods PUT;
		}
	}
	EOF
	start_bg nginx nginx -e "$tmp/nginx/error.log" -p "$tmp/nginx" \
		-c "$tmp/nginx.conf"
	wait_port "$port" "$pid"
}

# Set before start_proxy to run it under something: prlimit, strace, setpriv.
proxy_prefix=
proxies=0

proxy_is_ready()
{
	grep -q '^torc-proxy: listening on ' "$proxy_err" || ! alive "$proxy_pid"
}

# start_proxy [OPTIONS] LISTEN BACKEND...: sets $proxy_pid, $proxy_err.
start_proxy()
{
	[ -x "$PROXY" ] || fail "there is no $PROXY; make builds it"
	proxies=$((proxies + 1))
	# shellcheck disable=SC2086 # a list of words
	start_bg "proxy$proxies" $proxy_prefix "$PROXY" "$@"
	proxy_pid=$pid
	proxy_err=$tmp/proxy$proxies.err
	what="torc-proxy is ready" wait_until 20 proxy_is_ready
	alive "$proxy_pid" || fail "torc-proxy $* has ended"
}

# Ends the proxy; its sockets may take a moment, its exit status must be 0.
stop_proxy()
{
	kill -TERM "$proxy_pid"
	wait_exit "$proxy_pid" 40
	assert_eq "exit status of torc-proxy" "$status" 0
}

proxy_lines()
{
	wc -l <"$proxy_err"
}

# A copy of the program for a user who may not enter the tree. Sets $PROXY,
# and $as_nobody to what goes before a command.
become_nobody()
{
	as_nobody=
	[ "$(id -u)" -eq 0 ] || return 0
	cp "$PROXY" "$tmp/torc-proxy" && chmod 755 "$tmp/torc-proxy"
	PROXY=$tmp/torc-proxy
	as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
	# shellcheck disable=SC2034,SC2086
	$as_nobody "$PROXY" --version >/dev/null 2>&1 ||
		skip "an unprivileged user can't run $PROXY"
}

is_sanitized()
{
	grep -q -a -e __asan_init -e __tsan_init "$PROXY"
}

fd_count()
{
	set -- "/proc/$1/fd"/*
	echo $#
}

has_fds()
{
	[ "$(fd_count "$1")" -eq "$2" ]
}

# status_kib PID VmRSS|VmHWM
status_kib()
{
	sed -n "s/^$2:[^0-9]*\([0-9]*\) kB/\1/p" "/proc/$1/status"
}

# Memory of its own and not of files: what connections cost.
anonymous_kib()
{
	sed -n 's/^Anonymous:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/smaps_rollup"
}

has_line()
{
	grep -q -e "$2" "$1"
}

assert_eq()
{
	[ "$2" = "$3" ] || fail "$1: got '$2', want '$3'"
}

assert_at_most()
{
	[ "$2" -le "$3" ] || fail "$1: got $2, want at most $3"
}

assert_at_least()
{
	[ "$2" -ge "$3" ] || fail "$1: got $2, want at least $3"
}

# assert_match WHAT TEXT PATTERN (an extended regular expression)
assert_match()
{
	printf '%s\n' "$2" | grep -q -E -e "$3" ||
		fail "$1: got '$2', want something like '$3'"
}

# A peer whose figures go into the log and into $figures.
run_peer()
{
	figures=$("$peer" "$@" 2>&1) || fail "peer $*: $figures"
	echo "peer $*: $figures"
}
