#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: nobody waits for ever: not for a backend that does not answer, and not
# for a connection on which nothing moves.
# Method: a backend whose backlog is full, a silent connection, and one that
# speaks more often than the limit. Times are wide apart; none is measured
# precisely.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs socat

port=$(free_port)
start_bg silent "$backend" silent "$port"
silent=$pid
what="the backlog is full" wait_until 20 has_line "$tmp/silent.out" '^full'
listen=$(free_port)
start_proxy --connect-timeout 500ms "127.0.0.1:$listen" "127.0.0.1:$port"
lines=$(proxy_lines)
start_bg client "$peer" count-ends "$listen" 1
wait_exit "$pid" 20
assert_match "the client's end" "$(cat "$tmp/client.out")" 'other=0'
assert_at_least "lines about it" $(($(proxy_lines) - lines)) 1
assert_match "the line about it" "$(tail -n 1 "$proxy_err")" "127.0.0.1:$port"
pass "a backend that does not answer is given up, and named"
stop "$silent"
stop_proxy

start_backend echo echo
listen=$(free_port)
start_proxy --idle-timeout 500ms "127.0.0.1:$listen" "127.0.0.1:$port"
start_bg client "$peer" wait-end "$listen"
wait_exit "$pid" 20
assert_eq "exit status of the client" "$status" 0
figures=$(tail -n 1 "$tmp/client.out")
took_ms=${figures##*=}
assert_at_least "ms until the end" "$took_ms" 250
pass "a silent connection is closed: $figures"
stop_proxy

listen=$(free_port)
start_proxy --idle-timeout 1s "127.0.0.1:$listen" "127.0.0.1:$port"
got=$(for line in 1 2 3 4 5 6 7 8 9 10; do
	echo "$line"
	sleep 0.25
done | socat -t 10 - "TCP:127.0.0.1:$listen" | wc -l)
assert_eq "lines that came back in 2.5 s" "$got" 10
pass "a connection that moves is not closed by --idle-timeout 1s"
stop_proxy
