#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: an unprivileged user with little lockable memory is served all the
# same, and told in one line what to set if it makes a difference.
# Method: another user, a limit of 64 KiB and one of nothing at all. Kernels
# from 5.12 on charge rings to the memory controller instead, so that silence
# is right too.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs prlimit setpriv

become_nobody
start_backend echo echo

listen=$(free_port)
proxy_prefix="prlimit --memlock=65536:65536 $as_nobody"
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
run_peer stream "$listen" 1-1000000 1 20
grep -v '^torc-proxy: listening on ' "$proxy_err" >"$tmp/said.out"
assert_eq "lines besides the first" "$(wc -l <"$tmp/said.out")" 1
assert_match "the line about it" "$(cat "$tmp/said.out")" 'ulimit -l.*[0-9] KiB'
pass "20 streams are exact with 64 KiB: $(cat "$tmp/said.out")"
stop_proxy

# shellcheck disable=SC2086
status=0
prlimit --memlock=0:0 $as_nobody "$PROXY" "127.0.0.1:$listen" \
	"127.0.0.1:$port" 2>"$tmp/none.err" || status=$?
assert_eq "exit status with none at all" "$status" 1
assert_eq "lines about it" "$(wc -l <"$tmp/none.err")" 1
assert_match "the line about it" "$(cat "$tmp/none.err")" 'ulimit -l'
pass "none at all is refused: $(cat "$tmp/none.err")"
