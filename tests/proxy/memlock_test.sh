#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: an unprivileged user with little lockable memory is served all the
# same, and told in one line what to set if it makes a difference.
# Method: another user, a limit of 64 KiB, which is enough for small rings,
# and one of nothing at all, where epoll takes over unless io_uring is
# insisted on.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs prlimit setpriv

unset TORC_ENGINE
io_uring_is_allowed || skip "io_uring is forbidden here: no ring locks memory"
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

proxy_prefix="prlimit --memlock=0:0 $as_nobody"
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
run_peer stream "$listen" 1-1000000 1 20
grep -v '^torc-proxy: listening on ' "$proxy_err" >"$tmp/said.out"
assert_eq "lines besides the first" "$(wc -l <"$tmp/said.out")" 1
assert_match "the line about it" "$(cat "$tmp/said.out")" \
	'going on with epoll.*is 0 KiB.*ulimit -l'
pass "20 streams are exact with none at all: $(cat "$tmp/said.out")"
stop_proxy

status=0
# shellcheck disable=SC2086
TORC_ENGINE=kernel prlimit --memlock=0:0 $as_nobody "$PROXY" \
	"127.0.0.1:$listen" "127.0.0.1:$port" 2>"$tmp/none.err" || status=$?
assert_eq "exit status of who insists on io_uring" "$status" 1
assert_eq "lines about it" "$(wc -l <"$tmp/none.err")" 1
assert_match "the line about it" "$(cat "$tmp/none.err")" 'ulimit -l'
pass "who insists on io_uring is refused: $(cat "$tmp/none.err")"
