#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: SIGTERM lets connections finish for --drain and takes no new ones; a
# second one ends at once.
# Method: clients that hold a connection while the signal comes.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

start_backend echo echo

# start_holder NAME: a client that stays; sets $holder.
start_holder()
{
	start_bg "$1" "$peer" idle "$listen" 1
	holder=$pid
	what="the client is served" wait_until 20 has_line "$tmp/$1.out" '^idle'
}

listen=$(free_port)
start_proxy --drain 30s "127.0.0.1:$listen" "127.0.0.1:$port"
start_holder patient
kill -TERM "$proxy_pid"
what="nobody listens any more" wait_until 10 listens_not "$listen"
! "$peer" idle "$listen" 1 >/dev/null 2>&1 ||
	fail "a new client is refused while the proxy drains"
pass "new clients are refused"
alive "$proxy_pid" || fail "the proxy waits for its client"
kill -USR1 "$holder"
wait_exit "$holder" 20
assert_eq "exit status of the client" "$status" 0
pass "the running one finishes"
wait_exit "$proxy_pid" 20
assert_eq "exit status of torc-proxy" "$status" 0
pass "then the proxy ends with 0"

listen=$(free_port)
start_proxy --drain 1s "127.0.0.1:$listen" "127.0.0.1:$port"
start_bg stayer "$peer" wait-end "$listen"
stayer=$pid
what="the client is served" wait_until 20 has_line "$tmp/stayer.out" connected
kill -TERM "$proxy_pid"
wait_exit "$proxy_pid" 15
echo "exit status after the drain ran out: $status"
wait_exit "$stayer" 15
assert_eq "exit status of the client" "$status" 0
pass "--drain 1s closes one that stays: $(tail -n 1 "$tmp/stayer.out")"

listen=$(free_port)
start_proxy --drain 10m "127.0.0.1:$listen" "127.0.0.1:$port"
start_holder victim
kill -TERM "$proxy_pid"
what="nobody listens any more" wait_until 10 listens_not "$listen"
kill -TERM "$proxy_pid"
wait_exit "$proxy_pid" 10
pass "a second SIGTERM ends at once (exit status $status)"
