#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: above --max-connections a client waits; it is not dropped.
# Method: 10 clients stay, the eleventh gets nothing until they leave.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

start_backend echo echo
listen=$(free_port)
start_proxy --max-connections 10 "127.0.0.1:$listen" "127.0.0.1:$port"

start_bg first "$peer" idle "$listen" 10
first=$pid
what="10 clients are served" wait_until 20 has_line "$tmp/first.out" '^idle 10'
pass "10 clients are served"

start_bg late "$peer" idle "$listen" 1
late=$pid
# That nothing happens can only be seen by waiting.
sleep 1
! has_line "$tmp/late.out" '^idle' || fail "the eleventh client is not served"
alive "$late" || fail "the eleventh client is not dropped"
pass "the eleventh waits"

kill -USR1 "$first"
wait_exit "$first" 20
assert_eq "exit status of the first 10" "$status" 0
what="the eleventh is served" wait_until 20 has_line "$tmp/late.out" '^idle 1'
kill -USR1 "$late"
wait_exit "$late" 20
assert_eq "exit status of the eleventh" "$status" 0
pass "it is served when they leave"

run_peer stream "$listen" 10000 1 50
pass "50 clients pass through a limit of 10"
stop_proxy
