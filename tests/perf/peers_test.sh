#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    The servers that torc is measured against do what is measured, so
#         that no figure is that of a peer which loses bytes or ends early.
# Method  Each that is installed, in each of its roles, on free loopback
#         ports. make peers brings them; make check brings only socat, which
#         is a client here and a relay too. Those not there are named.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"
need_programs socat

peers=perf/peers
build=$B/perf/peers

B=$B "$peers/list" >"$tmp/list" || fail "perf/peers/list tells what is there"

# has NAME: whether that peer is to be checked.
has()
{
	grep -q "^$1	installed	" "$tmp/list"
}

# The two written by hand have tests of their own.
sed -n -e '/^epoll	/d' -e '/^liburing	/d' \
	-e 's/^\([^	]*\)	missing	\(.*\)/not checked: \1 (\2)/p' "$tmp/list"

# launch COMMAND...: sets $title, $server and $port; LISTEN is appended.
launch()
{
	title="${1##*/}${2:+ $2}"
	port=$(free_port)
	log=$(printf %s "$title" | tr ' ' _)
	start_bg "$log" "$@" "127.0.0.1:$port"
	server=$pid
}

# Like that, with a listener; and no second one starts on the same port.
launch_tcp()
{
	launch "$@"
	wait_port "$port" "$server"
	refused=$("$@" "127.0.0.1:$port" 2>&1) && fail "two of $title on a port"
	assert_eq "lines of $title about a port in use" \
		"$(printf '%s\n' "$refused" | wc -l)" 1
}

# finish [STATUS]: ours end with 0; some others know only the signal itself.
finish()
{
	kill -TERM "$server"
	wait_exit "$server" 10
	assert_eq "exit status of $title" "$status" "${1:-0}"
	listens_not "$port" || fail "$title left its port open"
}

# rejects PROGRAM: a wrong command line is answered with 2 and one line.
rejects()
{
	for words in '' 'juggle 127.0.0.1:1' 'echo' 'echo nowhere' \
		'echo 127.0.0.1:1 more' 'proxy 127.0.0.1:1'; do
		status=0
		# shellcheck disable=SC2086 # a list of words
		said=$(timeout 5 "$1" $words 2>&1) || status=$?
		assert_eq "exit status of ${1##*/} $words" "$status" 2
		assert_eq "lines of ${1##*/} $words" \
			"$(printf '%s\n' "$said" | wc -l)" 1
	done
	pass "${1##*/} refuses a wrong command line in one line"
}

echoes()
{
	launch_tcp "$@"
	run_peer stream "$port" 1048576 1 4
	run_peer stream "$port" 1-20000 2 200
	finish
	pass "$title gives back 1 MiB, and to 200 at once"
}

is_bound()
{
	grep -q -i "^ *[0-9]*: [0-9A-F]*:$(printf '%04X' "$port") " \
		/proc/net/udp
}

returns_datagrams()
{
	launch "$@"
	what="$title is bound" wait_until 10 is_bound
	for bytes in 1 1400 65507; do
		head -c "$bytes" "$tmp/random" >"$tmp/datagram"
		timeout 10 socat -b 65536 -t 0.2 - "UDP:127.0.0.1:$port" \
			<"$tmp/datagram" >"$tmp/returned"
		cmp -s "$tmp/datagram" "$tmp/returned" ||
			fail "$title returns a datagram of $bytes bytes"
	done
	finish
	pass "$title returns datagrams of up to 65507 bytes"
}

# Nothing comes back, and the end of the file is answered with an end.
swallows()
{
	launch_tcp "$@"
	got=$(timeout 20 socat -t 10 - "TCP:127.0.0.1:$port" <"$tmp/random" |
		wc -c) || fail "$title ends well"
	assert_eq "bytes from $title" "$got" 0
	finish
	pass "$title takes 1 MiB and closes at its end"
}

has_bytes()
{
	[ "$(wc -c <"$1")" -eq "$2" ]
}

# publish TOTAL: 512 KiB more, which all three have before it goes on.
publish()
{
	timeout 10 socat -u -b 524288 "OPEN:$tmp/chunk" "TCP:127.0.0.1:$port" ||
		fail "$title takes what is published"
	for i in 1 2 3; do
		what="subscriber $i of $title has $1 bytes" \
			wait_until 10 has_bytes "$tmp/heard.$i" "$1"
	done
}

fans_out()
{
	launch_tcp "$@"
	fds=$(fd_count "$server")
	head -c 524288 "$tmp/random" >"$tmp/chunk"
	start_bg stuck socat -u "TCP:127.0.0.1:$port,rcvbuf=4096" -
	stuck=$pid
	for i in 1 2 3; do
		start_bg "heard$i" socat -u "TCP:127.0.0.1:$port" \
			"CREATE:$tmp/heard.$i"
	done
	what="four are connected to $title" wait_until 10 \
		has_fds "$server" $((fds + 4))
	kill -STOP "$stuck"
	# 10 MiB: more than the sockets of the stopped one hold, and 1 MiB.
	total=0
	while [ "$total" -lt 10485760 ]; do
		total=$((total + 524288))
		publish "$total"
	done
	what="$title dropped who never reads" wait_until 10 \
		has_fds "$server" $((fds + 3))
	kill -KILL "$stuck"
	while [ "$total" -gt 0 ]; do
		cat "$tmp/chunk"
		total=$((total - 524288))
	done >"$tmp/published"
	for i in 1 2 3; do
		cmp -s "$tmp/published" "$tmp/heard.$i" ||
			fail "subscriber $i of $title got what was sent"
	done
	finish
	pass "$title reaches three others, and drops one that never reads"
}

# relays STATUS COMMAND...: LISTEN and BACKEND are appended.
relays()
{
	term_status=$1
	shift
	for kind in echo collect late; do
		start_backend "$kind" "$kind"
		address=127.0.0.1:$port
		title="${1##*/}${2:+ $2}"
		port=$(free_port)
		start_bg "$(printf %s "$title-$kind" | tr ' ' _)" \
			"$@" "127.0.0.1:$port" "$address"
		server=$pid
		wait_port "$port" "$server"
		"through_$kind"
		finish "$term_status"
	done
	pass "$title relays 1 MiB, serves 100 at once, and passes ends on"
}

through_echo()
{
	run_peer stream "$port" 1048576 1 4
	run_peer stream "$port" 1-20000 2 100
}

# It answers only after the end of the client.
through_collect()
{
	run_peer stream "$port" 1048576 1 2
}

# It ends before the client sends.
through_late()
{
	run_peer after-end "$port" 1048576
	what="the backend of $title has its end" wait_until 10 \
		has_line "$tmp/late.out" 'got=1048576 end=clean'
}

# An answer for each page, or the file was read wrongly.
reads_file()
{
	"$build/tokio-peer" file "$1" "$2" 0.2 4 >"$tmp/reads" 2>"$tmp/reads.err"
}

tokio_reads()
{
	# Eight bytes each, their own offset, in the byte order of x86 and arm.
	awk 'BEGIN { for (at = 0; at < 65536; at += 8)
		printf "%c%c%c%c%c%c%c%c", at % 256, int(at / 256) % 256,
			0, 0, 0, 0, 0, 0 }' >"$tmp/offsets"
	assert_eq "bytes of the file" "$(wc -c <"$tmp/offsets")" 65536
	reads_file "$tmp/offsets" buffered || fail "tokio-peer reads a file"
	assert_match "what tokio-peer tells" "$(cat "$tmp/reads")" \
		'^reads=[1-9][0-9]* .* cpu_us_per_read='
	! reads_file "$tmp/random" buffered || fail "tokio-peer sees wrong data"
	assert_match "about wrong data" "$(cat "$tmp/reads.err")" 'offset'
	: >"$tmp/reads.err"
	pass "tokio-peer file reads pages and checks them"
}

head -c 1048576 /dev/urandom >"$tmp/random"

for each in tokio libuv asio go; do
	has "$each" || continue
	program=$build/$each-peer
	rejects "$program"
	echoes "$program" echo
	relays 0 "$program" proxy
done
for each in tokio libuv; do
	has "$each" || continue
	returns_datagrams "$build/$each-peer" udp
	swallows "$build/$each-peer" sink
	fans_out "$build/$each-peer" fanout
done
! has tokio || tokio_reads
! has haproxy || relays 143 "$peers/haproxy"
! has haproxy-busy || relays 143 "$peers/haproxy" --busy-polling
! has haproxy-splice || relays 143 "$peers/haproxy" --splice
! has nginx || relays 0 "$peers/nginx"
! has socat || relays 0 "$peers/socat"
