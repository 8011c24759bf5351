#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: whatever the kernel may do to an operation costs no byte and no
# connection; and a reset is never a clean end.
# Method: torc-proxy on a real ring whose submissions and completions are
# altered by seed, 5 % of them: short, never started, without buffers, ended
# early, late, and enters that fail or return with nothing. All eight kinds
# must have struck.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"
# shellcheck source=tests/faults/lib.sh
. tests/faults/lib.sh
use_faulty
export TORC_FAULTS=50
echo "seed $seed"

# all_exact ARGS...: none of what is injected may cost a connection.
all_exact()
{
	run_streams "$listen" "$@"
	assert_eq "streams that were reset" "$(figure reset "$figures")" 0
}

start_backend echo echo
echo_port=$port

# With --spin 0 every wait is one in the kernel, which may come back empty.
for options in '--shards 1 --spin 0' '--shards 2'; do
	listen=$(free_port)
	# shellcheck disable=SC2086 # a list of words
	start_proxy $options "127.0.0.1:$listen" "127.0.0.1:$echo_port"
	all_exact 1-1000000 "$seed" 300 32
	all_exact 1-200 "$seed" 1000 32
	all_exact 20000000-20000000 "$seed" 2 2
	run_peer roundtrip "$listen" 500 64
	stop_proxy
	show_faults
	case $options in *'--spin 0') assert_all_struck ;; esac
	pass "1,302 streams are exact with $options"
done

start_backend rst rst
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
run_peer count-ends "$listen" 500
assert_match "ends that clients saw" "$figures" '^clean=0 '
stop_proxy
pass "500 resets of a backend are none of them a clean end"

start_backend witness witness 100
witness=$pid
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
run_peer reset-clients "$listen" 100
wait_exit "$witness" 30
assert_match "ends that the backend saw" "$(cat "$tmp/witness.out")" \
	'^clean=0 '
stop_proxy
pass "100 resets of clients are none of them a clean end"
