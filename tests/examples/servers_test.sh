#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    The example servers serve what people use: curl, wrk, dig, a
#         terminal; and end as they say.
# Method  The programs as built, on free loopback ports, with real clients.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"

need_programs socat curl wrk dig dnsmasq cmp

# start_example NAME ARGUMENT... HOST:PORT: sets $port and $pid.
start_example()
{
	name=$1
	shift
	port=$(free_port)
	start_bg "$name" "$B/examples/$name" "$@" "127.0.0.1:$port"
	wait_port "$port" "$pid"
}

# port_is_taken NAME ARGUMENT...: where one is already, as start_example says.
port_is_taken()
{
	name=$1
	shift
	timeout 20 "$B/examples/$name" "$@" "127.0.0.1:$port" \
		2>"$tmp/taken.err"
	assert_eq "exit status of a second $name on the port" $? 1
	# Without io_uring torc says so first.
	assert_eq "lines of a second $name" \
		"$(grep -c "^$name: .*Address already in use" "$tmp/taken.err")" 1
}

# refuses NAME ARGUMENT...: one line, and exit status 2.
refuses()
{
	name=$1
	shift
	timeout 20 "$B/examples/$name" "$@" >"$tmp/bad.out" 2>"$tmp/bad.err"
	assert_eq "exit status of $name $*" $? 2
	assert_eq "lines of $name $*" \
		"$(cat "$tmp/bad.err" "$tmp/bad.out" | wc -l)" 1
	grep -q "^$name: " "$tmp/bad.err" || fail "$name says who speaks"
}

# raw TEXT: what printf makes of it goes to $port; the answer comes out.
raw()
{
	# shellcheck disable=SC2059 # it is a format
	printf "$1" | timeout 20 socat -t 10 - "TCP:127.0.0.1:$port"
}

# ---- http ----

start_example http
assert_eq "what http says" "$(curl -s "http://127.0.0.1:$port/")" \
	"Hello, world"
curl -s "http://127.0.0.1:$port/one" "http://127.0.0.1:$port/two" \
	-d "a body to be skipped" -w '%{num_connects}\n' -o "$tmp/one" \
	-o "$tmp/two" >"$tmp/connects" || fail "http takes bodies"
assert_eq "connections for two requests" "$(tr '\n' ' ' <"$tmp/connects")" \
	"1 0 "
raw 'GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n' \
	>"$tmp/pipelined"
assert_eq "answers to two pipelined requests" \
	"$(grep -c '^Hello' "$tmp/pipelined")" 2
assert_match "the answer to nonsense" "$(raw 'nonsense\r\n\r\n')" \
	'^HTTP/1.1 400'
assert_match "the answer to a head cut short" "$(raw 'GET / HTTP/1.1\r\n')" \
	'^HTTP/1.1 400'
post='POST / HTTP/1.1\r\nContent-Length: 4\r\nConnection: close\r\n\r\n'
assert_match "the answer to a body" "$(raw "${post}body")" '^HTTP/1.1 200'
raw "${post}bod" >"$tmp/short"
assert_match "the answer to a body cut short" "$(cat "$tmp/short")" \
	'^HTTP/1.1 400'
assert_eq "what it is told" "$(grep -c '^Hello' "$tmp/short")" 0
# Taken for another length they would hide a request, or the whole rest.
for header in 'Content-Length: -1' 'content-length: -9223372036854775808' \
	'Transfer-Encoding: chunked' \
	'Transfer-Encoding: chunked\r\nContent-Length: 4'; do
	assert_eq "the answer to $header" "$(raw \
		"POST / HTTP/1.1\r\n$header\r\n\r\nGET / HTTP/1.1\r\n\r\n" |
		grep -a ^HTTP | tr -d '\r')" 'HTTP/1.1 400 Bad Request'
done
# So would these; the last is a head of more than a hundred lines.
inner='GET /inner HTTP/1.1\r\n\r\n'
for header in 'Content-Length: 23\r\nContent-Length: 0' \
	'Content-Length : 23' 'Content-Length\v: 23' 'Content-Length: 0x17' \
	'Content-Length: abc' 'Content-Length:' 'Content-Length: 0, 23' \
	'Content-Length: 99999999999999999999' 'Content-Length: +23' \
	'Content-Length: 2 3' 'Transfer-Encoding : chunked' \
	'A: b\r\n Content-Length: 23' 'Content-Length:\r\n 23' \
	'A: b\rContent-Length: 23' '\000A: b\r\nContent-Length: 23' \
	'A: b\000\r\nContent-Length: 23' ': b' 'nonsense' \
	"A: b$(printf '\\r\\nA: %s' $(seq 100))"; do
	assert_eq "the answer to $header" \
		"$(raw "POST / HTTP/1.1\r\n$header\r\n\r\n$inner" |
			grep -a ^HTTP | tr -d '\r')" 'HTTP/1.1 400 Bad Request'
done
assert_match "the answer to a hundred lines" "$(raw "GET / HTTP/1.1$(printf \
	'\\r\\nA: %s' $(seq 100))\\r\\n\\r\\n")" '^HTTP/1.1 200'
assert_eq "answers to a body like a request" "$(raw \
	"POST / HTTP/1.1\r\nContent-Length: 23\r\n\r\n$inner" |
	grep -c ^HTTP)" 1
timeout 60 wrk -c 32 -t 1 -d 1 "http://127.0.0.1:$port/" >"$tmp/wrk.out" ||
	fail "wrk loads http"
grep -q 'Socket errors\|Non-2xx' "$tmp/wrk.out" && fail "wrk sees no errors"
assert_match "what wrk counts" "$(cat "$tmp/wrk.out")" '[1-9][0-9]* requests in'
port_is_taken http
refuses http nonsense
stop "$pid"
pass "http answers curl, pipelined requests and wrk"

# ---- files ----

mkdir "$tmp/web" "$tmp/web/sub" "$tmp/web-secret"
echo secret >"$tmp/web-secret/s"
seq 1 300000 >"$tmp/web/numbers"
: >"$tmp/web/empty"
start_example files "$tmp/web"
files_pid=$pid
url=http://127.0.0.1:$port
curl -s "$url/numbers" | cmp -s - "$tmp/web/numbers" ||
	fail "files serves a whole file"
curl -s -r 1000-1999 "$url/numbers" >"$tmp/part"
tail -c +1001 "$tmp/web/numbers" | head -c 1000 | cmp -s - "$tmp/part" ||
	fail "files serves a part"
curl -s -r 1900000- "$url/numbers" >"$tmp/part"
tail -c +1900001 "$tmp/web/numbers" | cmp -s - "$tmp/part" ||
	fail "files serves the rest"
# status PATH [OPTION...]
status_of()
{
	path=$1
	shift
	curl -s -o "$tmp/body" -w '%{http_code}' --path-as-is "$@" "$url$path"
}
assert_eq "status of a part" "$(status_of /numbers -r 0-0)" 206
assert_eq "status of all" "$(status_of /numbers)" 200
assert_eq "status of an empty file" "$(status_of /empty)" 200
assert_eq "status of nothing" "$(status_of /none)" 404
assert_eq "status beyond the end" "$(status_of /numbers -r 9999999-)" 416
assert_eq "status of none at the end" "$(status_of /numbers -r -0)" 416
all=$(wc -c <"$tmp/web/numbers")
# range_of RANGE: what the answer says it has of /numbers.
range_of()
{
	curl -s -H "range: bytes=$1" -D - -o "$tmp/part" "$url/numbers" |
		tr -d '\r' | sed -n 's/^Content-Range: //p'
}
assert_eq "the last three" "$(range_of -3)" \
	"bytes $((all - 3))-$((all - 1))/$all"
tail -c 3 "$tmp/web/numbers" | cmp -s - "$tmp/part" ||
	fail "files serves the last three"
assert_eq "more than there is" "$(range_of "5-$all")" \
	"bytes 5-$((all - 1))/$all"
# Also what comes to all of it.
for range in 2-1 - nonsense 9999999-9999998 "0-$all" "-$((all + 1))"; do
	assert_eq "the range for $range" "$(range_of "$range")" ""
	cmp -s "$tmp/part" "$tmp/web/numbers" || fail "files ignores $range"
done
curl -s -D - "$url/empty" >"$tmp/head"
grep -q Content-Range "$tmp/head" && fail "a whole file has no range"
assert_eq "the length of an empty file" \
	"$(tr -d '\r' <"$tmp/head" | grep ^Content-Length)" "Content-Length: 0"
pass "files serves whole files and parts"

assert_eq "status of a folder" "$(status_of /sub)" 404
assert_eq "status of a way out" "$(status_of /../web-secret/s)" 404
for path in -secret/s ./web-secret/s ../web-secret/s "$tmp/web-secret/s" \
	"" /sub/../../web-secret/s; do
	assert_match "the answer to $path" "$(raw "GET $path HTTP/1.1\r\n\r\n")" \
		'^HTTP/1.0 404'
done
assert_match "the answer to a head cut short" \
	"$(raw 'GET /numbers HTTP/1.1\r\n')" '^HTTP/1.0 404'
pass "files serves nothing that is outside its folder"

has_bytes()
{
	[ -s "$1" ]
}
truncate -s 64M "$tmp/web/shrinks"
start_bg curl curl -s --limit-rate 8M -o "$tmp/shrunk" "$url/shrinks"
curl_pid=$pid
wait_until 20 has_bytes "$tmp/shrunk"
: >"$tmp/web/shrinks"
wait_exit "$curl_pid" 60
# 18 would be a clean end that came early.
assert_eq "what curl says of a file cut short" "$status" 56
pass "files ends with a reset what it can't send to the end"

port_is_taken files "$tmp/web"
refuses files
refuses files "$tmp/web"
refuses files "$tmp/web" nonsense
refuses files "$tmp/none" 127.0.0.1:0
alive "$files_pid" || fail "files goes on"
stop "$files_pid"
pass "files says in one line why it does not start"

# ---- chat ----

start_example chat
# A client that listens until it is ended; output in $tmp/NAME.out.
listen()
{
	start_bg "$1" socat -u "TCP:127.0.0.1:$port" -
}
# Says something until it is heard: a listener may not be in the room yet.
heard()
{
	echo "$2" | timeout 20 socat -u - "TCP:127.0.0.1:$port"
	has_line "$tmp/$1.out" "^> $2\$"
}
chat_pid=$pid
listen first
listen second
wait_until 20 heard first hello
wait_until 20 heard second there
printf 'one\ntwo\nthree\n' | timeout 20 socat -u - "TCP:127.0.0.1:$port"
for name in first second; do
	what="$name reads all lines" \
		wait_until 20 has_line "$tmp/$name.out" '^> three$'
	assert_eq "what $name reads last" "$(tail -n 3 "$tmp/$name.out")" \
		"$(printf '> one\n> two\n> three')"
done
alive "$chat_pid" || fail "chat goes on"
port_is_taken chat
refuses chat nonsense
stop "$chat_pid"
pass "chat: what one client writes the others read"

# ---- limit ----

start_example limit 100
began_ms=$(($(date +%s%N) / 1000000))
"$peer" roundtrip "$port" 50 64 >"$tmp/limit.peer" 2>&1 ||
	fail "limit answers: $(cat "$tmp/limit.peer")"
# Ten are saved up, the others a hundred a second: no machine is too slow.
assert_at_least "ms for 50 answers" \
	$(($(date +%s%N) / 1000000 - began_ms)) 380
port_is_taken limit 100
refuses limit
refuses limit 0
refuses limit 100 nonsense
stop "$pid"
pass "limit answers all that it is asked, no faster than it says"

# ---- graceful ----

# start_client NUMBER: it has been served once when this returns.
start_client()
{
	mkfifo "$tmp/to_client.$1"
	start_bg "client$1" sh -c "exec socat - TCP:127.0.0.1:$port \
		<'$tmp/to_client.$1'"
	exec 9>"$tmp/to_client.$1"
	echo ping >&9
	what="a client is served" \
		wait_until 20 has_line "$tmp/client$1.out" '^ping$'
}

start_example graceful
graceful_pid=$pid
start_client 1
kill -INT "$graceful_pid"
what="no new client is taken" wait_until 20 listens_not "$port"
alive "$graceful_pid" || fail "graceful waits for its client"
exec 9>&-
wait_exit "$graceful_pid" 20
assert_eq "exit status of graceful" "$status" 0
assert_match "what graceful says" "$(tr '\n' ' ' <"$tmp/graceful.err")" \
	'1 clients are left.*all had finished'
pass "graceful lets a client finish, and ends"

start_example graceful
graceful_pid=$pid
start_client 2
port_is_taken graceful
refuses graceful nonsense
kill -TERM "$graceful_pid"
wait_exit "$graceful_pid" 40
assert_match "what graceful says" "$(cat "$tmp/graceful.err")" \
	'some had to be ended'
pass "graceful ends who does not finish"

# ---- dns_forward ----

port=$(free_port)
upstream=$port
start_bg dnsmasq dnsmasq --no-daemon --conf-file=/dev/null --port "$upstream" \
	--listen-address 127.0.0.1 --bind-interfaces --no-resolv --no-hosts \
	--user="$(id -un)" --pid-file= --address=/torc.test/192.0.2.7 \
	--txt-record=text.torc.test,hello
wait_port "$upstream" "$pid"
dnsmasq_pid=$pid
port=$(free_port)
start_bg dns_forward "$B/examples/dns_forward" "udp:127.0.0.1:$port" \
	"udp:127.0.0.1:$upstream"
ask()
{
	timeout 30 dig "@127.0.0.1" -p "$port" +short +time=5 "$@"
}
what="dns_forward answers" wait_until 20 ask torc.test A >/dev/null
assert_eq "the address" "$(ask torc.test A)" 192.0.2.7
assert_eq "the text" "$(ask text.torc.test TXT)" '"hello"'
for i in 1 2 3 4 5 6 7 8; do
	ask "$i.torc.test" A >"$tmp/answer.$i" &
	asked="${asked:-} $!"
done
# shellcheck disable=SC2086 # a list of words
wait $asked
assert_eq "answers at a time" "$(cat "$tmp"/answer.? | grep -c '^192.0.2.7$')" 8
stop "$dnsmasq_pid"
ask +tries=1 torc.test A >"$tmp/dead.out" 2>&1 &&
	fail "without an upstream there is no answer"
alive "$pid" || fail "dns_forward goes on"
stop "$pid"
pass "dns_forward answers dig, several at a time"

upstream=$(free_port)
port=$(free_port)
start_bg upstream socat -u "UDP-RECV:$upstream,bind=127.0.0.1" -
start_bg dns_forward "$B/examples/dns_forward" "udp:127.0.0.1:$port" \
	"udp:127.0.0.1:$upstream"
# A head has twelve bytes. The first ones may come before anybody listens.
send_each()
{
	for query in 1 elevenbytes twelve_bytes; do
		printf %s "$query" | socat -u - "UDP:127.0.0.1:$port"
	done
	# An answer, by the top bit of its third byte.
	printf 'an\200answer_bytes' | socat -u - "UDP:127.0.0.1:$port"
	grep -q -a twelve_bytes "$tmp/upstream.out"
}
what="dns_forward asks" wait_until 20 send_each
assert_eq "what it asks besides" \
	"$(sed 's/twelve_bytes//g' "$tmp/upstream.out")" ""
alive "$pid" || fail "dns_forward goes on"
pass "dns_forward takes nothing for a query that has no head or is an answer"

# Each query at work has a descriptor, for the four seconds of two tries.
flood()
{
	seq -f 'query_of_%05g' 300 |
		socat -u -b 15 - "UDP:127.0.0.1:$port"
	[ "$(fd_count "$pid")" -ge 200 ]
}
what="as many queries as may be are at work" wait_until 20 flood
flood
assert_at_most "descriptors under too many queries" "$(fd_count "$pid")" 250
has_room()
{
	[ "$(fd_count "$pid")" -lt 100 ]
}
what="queries end" wait_until 30 has_room
what="dns_forward is busy again" wait_until 20 flood
stop "$pid"
pass "dns_forward has only so many queries at work"

# ---- scan ----

start_backend first echo
one=$port
found=$(timeout 60 "$B/examples/scan" 127.0.0.1 "$one" "$one" 2>"$tmp/scan.err")
assert_eq "the open port" "$found" "$one"
timeout 60 "$B/examples/scan" 127.0.0.1 1 65535 >"$tmp/scan.out" \
	2>"$tmp/scan.err" || fail "scan looks at all ports"
grep -q "^$one\$" "$tmp/scan.out" || fail "scan finds $one among all"
timeout 20 "$B/examples/scan" localhost "$one" "$one" 2>"$tmp/scan.err" |
	grep -q "^$one\$" || fail "scan takes a name"
refuses scan 127.0.0.1 10
refuses scan 127.0.0.1 10 5
refuses scan 127.0.0.1 0 5
refuses scan 127.0.0.1 5 65536
refuses scan 127.0.0.1 5 10x
pass "scan finds an open port, alone and among all"

# ---- tee ----

timeout 20 "$B/examples/tee" "$tmp/tee.copy" sh -c 'seq 1 20000; exit 7' \
	>"$tmp/tee.out" 2>"$tmp/tee.err"
assert_eq "exit status through tee" $? 7
seq 1 20000 | cmp -s - "$tmp/tee.out" || fail "tee passes all on"
cmp -s "$tmp/tee.out" "$tmp/tee.copy" || fail "tee keeps a copy"
# shellcheck disable=SC2016
timeout 20 "$B/examples/tee" "$tmp/tee.copy" sh -c 'kill -9 $$'
assert_eq "exit status of a killed command" $? 137
# A folder of PATH that may not be entered would be told as such.
PATH=/usr/bin:/bin timeout 20 "$B/examples/tee" "$tmp/tee.copy" \
	no-such-command 2>"$tmp/tee.err"
assert_eq "exit status without a command" $? 1
assert_match "what tee says" "$(cat "$tmp/tee.err")" \
	'no-such-command: No such file'
pass "tee passes output on, keeps a copy, and ends as the command did"
