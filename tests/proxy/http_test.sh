#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: HTTP through torc-proxy is HTTP: no failed request under load, and big
# files arrive unchanged in both directions.
# Method: wrk for a few seconds, then curl with 256 MiB down and up, against
# an nginx of our own; checksums are compared.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs nginx wrk curl sha256sum

start_nginx
listen=$(free_port)
start_proxy "127.0.0.1:$listen" "127.0.0.1:$port"
url=http://127.0.0.1:$listen

sum_of()
{
	sha256sum | cut -d ' ' -f 1
}

head -c 1024 /dev/zero | tr '\0' x >"$tmp/www/small"
wrk -t 2 -c 32 -d 3s "$url/small" >"$tmp/wrk.out" 2>&1 ||
	fail "wrk exits with 0"
! has_line "$tmp/wrk.out" 'Socket errors' || fail "wrk has no socket errors"
! has_line "$tmp/wrk.out" 'Non-2xx' || fail "wrk gets only good answers"
requests=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' "$tmp/wrk.out")
assert_at_least "requests of wrk" "${requests:-0}" 100
pass "wrk: $requests requests in 3 s, none failed"

head -c 268435456 /dev/urandom >"$tmp/www/large"
want=$(sum_of <"$tmp/www/large")
got=$(curl -sS --max-time 60 "$url/large" 2>"$tmp/curl.err" | sum_of)
assert_eq "checksum of the download" "$got" "$want"
pass "256 MiB down are unchanged"

code=$(curl -sS --max-time 60 -T "$tmp/www/large" -o /dev/null \
	-w '%{http_code}' "$url/uploaded" 2>"$tmp/curl.err")
assert_eq "status of the upload" "$code" 201
got=$(sum_of <"$tmp/www/uploaded")
assert_eq "checksum of the upload" "$got" "$want"
pass "256 MiB up are unchanged"

stop_proxy
