#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: redis clients can't tell torc-proxy from redis itself, pipelined or not.
# Method: redis-benchmark (it stops at the first error) and a value of 5 MB
# through the proxy, to a redis-server of our own.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs redis-server redis-benchmark redis-cli

start_redis
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"

bench()
{
	out=$(redis-benchmark -p "$listen" -t set,get -q "$@" 2>&1) ||
		fail "redis-benchmark $*: $out"
	case $out in
	*[Ee]rror*) fail "redis-benchmark $*: $out" ;;
	esac
	assert_match "redis-benchmark $*" "$out" 'GET: [0-9.]+ requests'
	pass "redis-benchmark $*: $(echo "$out" | tr '\r' '\n' |
		grep 'requests per second' | tr '\n' ' ')"
}

bench -P 1 -c 20 -n 20000
bench -P 16 -c 20 -n 200000
bench -P 16 -c 20 -n 20000 -d 4096

head -c 5000000 /dev/urandom >"$tmp/value"
redis-cli -p "$listen" -x SET large <"$tmp/value" >"$tmp/set.out" 2>&1
assert_eq "answer to SET of 5 MB" "$(cat "$tmp/set.out")" OK
# redis-cli ends what it prints with a newline.
redis-cli -p "$listen" GET large | head -c 5000000 >"$tmp/back"
cmp "$tmp/value" "$tmp/back" || fail "5 MB come back unchanged"
assert_eq "length that redis has" \
	"$(redis-cli -p "$listen" STRLEN large)" 5000000
pass "a value of 5 MB makes the round trip"

stop_proxy
