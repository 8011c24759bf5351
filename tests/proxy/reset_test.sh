#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: a connection that broke never looks as if it had ended well.
# Method: 1,000 backend connections that are reset in mid-stream, and 200
# clients that reset; the other side counts clean ends, and there are none.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"

start_backend rst rst
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
run_peer count-ends "$listen" 1000
assert_match "ends that clients saw" "$figures" '^clean=0 reset=1000 other=0'
pass "1,000 resets of a backend reach the clients as resets"
stop_proxy

start_backend witness witness 200
witness=$pid
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
run_peer reset-clients "$listen" 200
wait_exit "$witness" 30
assert_eq "ends that the backend saw" "$(cat "$tmp/witness.out")" \
	'clean=0 reset=200 other=0'
pass "200 resets of clients reach the backend as resets"
stop_proxy
