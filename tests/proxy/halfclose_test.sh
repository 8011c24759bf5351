#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: an end travels alone: the other direction goes on until its own end.
# Method: backends that answer only after they saw the client's end, and one
# that ends first and then counts what still comes.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs socat

start_backend collect collect
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"

got=$(printf 'all of this' | socat -t 10 - "TCP:127.0.0.1:$listen" 2>&1)
assert_eq "answer after the client's end" "$got" 'all of this'
pass "a client that closes its side first gets the whole answer"

got=$(socat -t 10 - "TCP:127.0.0.1:$listen" </dev/null 2>&1)
assert_eq "answer to nothing" "$got" ''
pass "an end without a byte is passed on"

run_peer stream "$listen" 8000000 1 4
pass "an answer of 8 MB after the end is complete"
stop_proxy

start_backend late late
late=$pid
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
run_peer after-end "$listen" 8000000
wait_exit "$late" 20
assert_eq "what a server gets after its own end" "$(cat "$tmp/late.out")" \
	'got=8000000 end=clean'
pass "a server that closes its side first gets the whole request"
stop_proxy
