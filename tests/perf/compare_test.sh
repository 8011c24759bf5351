#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154
#
# Goal    perf/compare says one clear line for each thing that goes wrong, measures
#         what it says, and leaves no process behind whatever ends it.
# Method  Real runs of a fraction of a second; peers that misbehave are scripts in
#         a build folder of links; processes are found by that folder's name.
. "$(dirname "$0")/../proxy/lib.sh"
need_programs python3 ip unshare

compare=$PWD/perf/compare
short='--pairs 2 --seconds 0.1 --warmup 0.02 --conns 4'
links=$tmp/links
mkdir -p "$links/perf/baseline" "$links/examples"
for program in "$B"/torc-load "$B"/torc-proxy "$B"/examples/* "$B"/perf/baseline/*; do
	[ -x "$program" ] || continue
	ln -s "$(realpath "$program")" "$links/${program#"$B"/}"
done

run()
{
	status=0
	B=${folder:-$links} timeout 60 "$compare" "$@" \
		>"$tmp/run.out" 2>"$tmp/run.err" </dev/null || status=$?
}

# One line on stderr that has the words, with the status, and nothing left.
fails()
{
	expected=$1 words=$2
	shift 2
	run "$@"
	[ "$status" = "$expected" ] || fail "$* ends with $expected, not $status"
	[ "$(wc -l <"$tmp/run.err")" = 1 ] || fail "$* says one line"
	grep -q -e "$words" "$tmp/run.err" || fail "$* says '$words'"
	nothing_left "$*"
}

is_left()
{
	for file in /proc/[0-9]*/cmdline; do
		grep -q -s "$links" "$file" && return 0
	done
	return 1
}

nothing_left()
{
	what="$1 leaves no process" wait_until 10 eval '! is_left'
}

fails 2 "no scenario 'ehco'; there are echo" ehco
fails 2 "no peer 'epol'; there are epoll" echo --against epol
fails 2 'a scenario is needed'
fails 2 'above 0' echo --pairs 0
pass "a wrong command line is one line and status 2"

rm "$links/perf/baseline/uring_echo"
# shellcheck disable=SC2086
run echo --against liburing,epoll $short
[ "$status" = 0 ] || fail "a missing peer does not stop the others"
grep -q '^skipped: liburing is missing' "$tmp/run.out" ||
	fail "a missing peer is said aloud"
for metric in cpu_per_request requests_per_s p50 p99 p99.9; do
	grep -Eq "^ratio echo torc/epoll $metric [0-9.]+ \[[0-9.]+, [0-9.]+\] pairs=2" \
		"$tmp/run.out" || fail "there is a ratio of $metric"
done
grep -q '^congestion control: ' "$tmp/run.out" || fail "the facts are printed"
[ ! -s "$tmp/run.err" ] || fail "there is no progress line in a pipe"
nothing_left "a run"
fails 1 'nobody to compare with' echo --against liburing
pass "a missing peer is skipped aloud, the others are measured"

taken_port()
{
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$tmp/taken.out")
	[ -n "$port" ]
}
"$B/perf/baseline/epoll_echo" 127.0.0.1:0 >"$tmp/taken.out" 2>&1 &
pids="$pids $!"
what="a server takes a port" wait_until 10 taken_port
TORC_PERF_NETNS=no
export TORC_PERF_NETNS
# shellcheck disable=SC2086
fails 1 "port $port: .*choose another one with --port" echo --port "$port" $short
unset TORC_PERF_NETNS
pass "a port in use is named, with the remedy"

rm "$links/perf/baseline/epoll_echo"
cat >"$links/perf/baseline/epoll_echo" <<-END
	#!/bin/sh
	"$(realpath "$B")/perf/baseline/epoll_echo" "\$@" & server=\$!
	sleep 0.5
	kill -9 \$server
	echo "out of luck" >&2
	exit 3
END
chmod +x "$links/perf/baseline/epoll_echo"
fails 1 'epoll died during the run: out of luck' echo --seconds 3 --conns 4
pass "a peer that dies in the middle is named with its last words"

printf '#!/bin/sh\necho no memory left >&2\nexit 1\n' \
	>"$links/perf/baseline/epoll_echo"
fails 1 'epoll ended at once: no memory left' echo --conns 4
pass "a peer that does not start is named with its last words"

ln -sf "$(realpath "$B")/perf/baseline/epoll_echo" "$links/perf/baseline/epoll_echo"
for signal in INT TERM KILL; do
	# A shell's child would ignore INT in the background.
	B=$links python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.argv[1], sys.argv[1:])' "$compare" relay --against epoll \
		--seconds 20 >"$tmp/run.out" 2>"$tmp/run.err" &
	child=$!
	pids="$pids $child"
	what="the run has begun" wait_until 10 is_left
	kill -"$signal" "$child"
	wait_exit "$child" 10
	nothing_left "SIG$signal"
done
pass "a run that is interrupted leaves nothing running"
