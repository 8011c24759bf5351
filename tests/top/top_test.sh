#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: torc-top shows what running programs do, for people and for programs;
# it goes on when one of them ends, says why it can't look at one, and comes
# to no harm by a page that lies.
# Method: a real server with clients, one that computes for ever, processes of
# another user and without torc, and a program that makes bad pages.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"
need_programs python3 jq setpriv prlimit

top=$B/torc-top
out=$tmp/top.out
err=$tmp/top.err
export TERM=xterm

# look ARGS...: sets $status; output in $out and $err.
look()
{
	status=0
	# shellcheck disable=SC2086 # $as_nobody is a list of words
	timeout 60 ${as_nobody:-} "$top" "$@" >"$out" 2>"$err" </dev/null ||
		status=$?
}

# refuses STATUS PATTERN ARGS...: in one line, and shows nothing.
refuses()
{
	expected=$1
	pattern=$2
	shift 2
	look "$@"
	assert_eq "exit status of $*" "$status" "$expected"
	assert_eq "lines about $*" "$(wc -l <"$err")" 1
	assert_match "the line about $*" "$(cat "$err")" "$pattern"
	assert_eq "output of $*" "$(wc -c <"$out")" 0
	pass "$(cat "$err")"
}

[ -x "$top" ] || fail "there is no $top; make builds it"

# ---- the command line ----

refuses 2 '--nonsense.*no such option.*--help' --nonsense
refuses 2 ' -x: no such option' -xb 1
refuses 2 ' -x: no such option' --batch -bx 1
refuses 2 ' -d: a value is missing' -bd
refuses 2 ' --delay: a value is missing' --delay
refuses 2 ' --batch=3: it takes no value' --batch=3
refuses 2 '0.05.*seconds, 0.1 to' -d 0.05
refuses 2 '3600.1.*seconds, 0.1 to' -d 3600.1
refuses 2 'nan.*seconds' -d nan
refuses 2 '1x.*seconds' -d 1x
refuses 2 '0.*number of samples' -n 0
refuses 2 '1000000001.*samples, 1 to' -n 1000000001
refuses 2 '-1.*number of samples' --count -1
refuses 2 'server.*number of a process' server
refuses 2 '12x.*number of a process' 12x

look --help
assert_eq "exit status of --help" "$status" 0
for word in --delay --count --batch --json 'Exit status' /enter; do
	assert_match "--help" "$(cat "$out")" "$word"
done
assert_eq "lines over 80 columns" "$(grep -c '^.\{81\}' "$out")" 0
look -V
assert_match "-V" "$(cat "$out")" '^torc-top [0-9]+\.[0-9]'
pass "--help names every option, the columns and the exit status"

for option in --help -V; do
	status=0
	timeout 60 "$top" "$option" >/dev/full 2>"$err" || status=$?
	assert_eq "exit status of $option on a full disk" "$status" 1
	assert_match "the line about it" "$(cat "$err")" 'output: No space left'
done
pass "$(cat "$err")"

# ---- what cannot be looked at ----

sleep 600 &
sleeper=$!
pids="$pids $sleeper"
refuses 1 "$sleeper: it does not run torc" "$sleeper"
refuses 1 '4194305: there is no such process' 4194305

# ---- a server with clients ----

clients=25
port=$(free_port)
start_bg echo env TORC_SHARDS=2 "$B/examples/echo" "127.0.0.1:$port"
server=$pid
wait_port "$port" "$server"
run_peer stream "$port" 1-1000 1 "$clients"
start_bg idle "$peer" idle "$port" 10
what="10 clients are served" wait_until 20 has_line "$tmp/idle.out" '^idle 10'

look --json -n 1 "$server"
assert_eq "exit status of --json" "$status" 0
# Every member of the struct is there, with what the clients have caused.
python3 - "$out" core/metrics.h "$server" "$clients" <<'END' ||
import json, re, sys
lines = open(sys.argv[1]).read().splitlines()
assert len(lines) == 1, len(lines)
found = json.loads(lines[0])
assert found["pid"] == int(sys.argv[3]) and found["program"] == "echo", found
assert found["engine"] in ("kernel", "epoll"), found["engine"]
assert not found["ended"] and found["up_s"] > 0 and found["rss_bytes"] > 0
members = re.findall(r"uint64_t (\w+);", open(sys.argv[2]).read())
assert len(members) > 15, members
shards = found["shards"]
assert [shard["shard"] for shard in shards] == [0, 1], shards
for shard in shards:
    for member in members:
        assert isinstance(shard[member], int), (member, shard)
    shares = shard["busy"] + shard["looking"] + shard["asleep"]
    assert 0.999 < shares < 1.001, shares
    assert shard["interval_s"] > 0 and shard["stuck_s"] == 0, shard
def total(member):
    return sum(shard[member] for shard in shards)
clients = int(sys.argv[4])
assert total("spawned_count") >= clients + 10, total("spawned_count")
assert total("tasks_count") >= 11, total("tasks_count")
assert total("resources_count") >= 12, total("resources_count")
assert total("ops_count") >= 10, total("ops_count")
assert total("cqes_count") >= clients, total("cqes_count")
assert total("turns") > 0 and total("sleeps_count") > 0
assert total("turns_per_s") > 0 and total("asleep_ns") > 0
print("ok -", total("spawned_count"), "tasks,", total("cqes_count"), "CQEs")
END
	fail "the JSON says what was done"

look -n 3 -d 0.1 "$server"
assert_eq "exit status of -n 3" "$status" 0
assert_eq "what it complains of" "$(cat "$err")" ""
assert_eq "samples" "$(grep -c '^torc-top ' "$out")" 3
assert_eq "heads" "$(grep -c "^echo, pid $server, .* 2 shards, up " "$out")" 3
assert_eq "rows" "$(grep -c '^    [01] ' "$out")" 6
assert_eq "sums" "$(grep -c '^  all ' "$out")" 3
assert_eq "lines over 79 columns" "$(grep -v '^  !' "$out" | grep -c '^.\{80\}')" 0
assert_eq "escape codes" "$(tr -d -c '\033' <"$out" | wc -c)" 0
pass "$(grep -m 1 '^echo, ' "$out")"

# All that there are: by one who is told no number.
look -n 1
grep -q "^echo, pid $server, " "$out" || fail "it is found without its number"
look -n 1 "$server" "$sleeper" "$server"
assert_eq "exit status when one of them is none" "$status" 1
assert_eq "heads" "$(grep -c '^echo, ' "$out")" 1
pass "it is found by itself, and shown once"

"$top" -n 1 "$server" >/dev/full 2>"$err" && fail "a full disk is an error"
assert_match "the line about it" "$(cat "$err")" 'output: No space left'
pass "$(cat "$err")"

# ---- a shard that does not turn ----

start_bg silent "$B/tests/top/page_prog" silent
silent=$pid
wait_until 20 has_line "$tmp/silent.out" ready
is_stuck()
{
	look -b -n 1 "$silent"
	grep -q '! shard 1 has not turned for .*torc_yield' "$out"
}
wait_until 20 is_stuck
pass "$(grep -m 1 '!' "$out")"
kill -STOP "$silent"
is_stopped()
{
	look -b -n 1 "$silent"
	grep -q '! the process is stopped' "$out"
}
wait_until 20 is_stopped
assert_eq "advice" "$(grep -c '!' "$out")" 1
kill -CONT "$silent"
pass "$(grep '!' "$out")"

# ---- one that ends meanwhile ----

start_bg watcher "$top" -d 0.1 "$server" "$silent"
watcher=$pid
wait_until 20 has_line "$tmp/watcher.out" "^echo, pid $server, .* up "
start_bg reader "$top" --json -d 0.1 "$server"
reader=$pid
wait_until 20 has_line "$tmp/reader.out" '"ended": false'
stop "$server"
wait_until 20 has_line "$tmp/watcher.out" "^echo, pid $server, has ended"
alive "$watcher" || fail "it goes on with the other"
wait_exit "$reader" 20
assert_eq "exit status when the last has ended" "$status" 0
assert_match "its last line" "$(tail -n 1 "$tmp/reader.out")" \
	'"program": "echo", "ended": true\}$'
stop "$silent"
wait_exit "$watcher" 20
assert_eq "exit status when both have ended" "$status" 0
assert_eq "ends" "$(grep -c 'has ended' "$tmp/watcher.out")" 2
python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' \
	<"$tmp/reader.out" || fail "each line of JSON is an object"
# As the manual page shows it: a line of an end has no shards.
filter=$(sed -n "s/^torc-top .* | jq '\(.*\)'\$/\1/p" top/torc-top.1)
jq -c "$filter" <"$tmp/reader.out" >"$tmp/jq.out" 2>"$tmp/jq.err" ||
	fail "jq takes $filter"
grep -q '^{"shard":1,"busy":' "$tmp/jq.out" || fail "jq finds the shards"
pass "jq '$filter'"
refuses 1 "$server: there is no such process" "$server"

# ---- pages that lie ----

# fake KIND: sets $fake.
fake()
{
	rm -f "$tmp/$1.out"
	start_bg "$1" "$B/tests/top/page_prog" "$1"
	fake=$pid
	wait_until 20 has_line "$tmp/$1.out" ready
}

fake good
look -n 1 "$fake"
assert_eq "exit status about a good page" "$status" 0
assert_eq "its rows" "$(grep -c '^    [01]   0%' "$out")" 2

fake version
refuses 1 "$fake: .*version 99 .* reads [0-9]+: use the one" "$fake"
fake blank
refuses 1 "$fake: it does not run torc" "$fake"
for kind in short slots many none over; do
	fake "$kind"
	refuses 1 "$fake: its metrics make no sense" "$fake"
done

fake most
look -n 1 "$fake"
assert_eq "exit status about the most shards" "$status" 0
assert_eq "their rows" "$(grep -c '^ *[0-9]* *[0-9]*% ' "$out")" 1024
look --json -n 1 "$fake"
assert_eq "shards in JSON" "$(grep -o '"shard": [0-9]*, "is_' "$out" |
	wc -l)" 1024
pass "1024 shards have a row each"

fake child
child=$(sed -n 's/^ready //p' "$tmp/child.out")
pids="$pids $child"
refuses 1 "$child: it does not run torc" "$child"
look -n 1 "$fake"
assert_eq "exit status about its parent" "$status" 0
kill "$child"

# With so many groups the number comes late in what the kernel says.
if [ "$(id -u)" -eq 0 ]; then
	groups=$(seq -s , 1000000 1001000)
	start_bg grouped setpriv --groups "$groups" "$B/tests/top/page_prog" child
	fake=$pid
	wait_until 20 has_line "$tmp/grouped.out" ready
	child=$(sed -n 's/^ready //p' "$tmp/grouped.out")
	pids="$pids $child"
	late=$(grep -b '^NSpid:' "/proc/$child/status" | cut -d : -f 1)
	[ "$late" -gt 4096 ] || fail "NSpid comes late: after $late bytes"
	refuses 1 "$child: it does not run torc" "$child"
	look -n 1 "$fake"
	assert_eq "exit status about its parent" "$status" 0
	kill "$child"
fi

fake name
look -n 1 "$fake"
assert_eq "exit status about names that are no text" "$status" 0
assert_eq "what is not printable" \
	"$(tr -d '\n' <"$out" | tr -d '\040-\176' | wc -c)" 0
assert_match "the head" "$(grep "pid $fake" "$out")" \
	'^\?\[2J\?"\\\?\?x{23}, pid [0-9]+, \?{16}, 2 shards'
look --json -n 1 "$fake"
python3 -c 'import json, sys; found = json.load(sys.stdin)
assert found["program"].startswith("?[2J?\"\\??xxx"), found["program"]' \
	<"$out" || fail "such names in JSON"
pass "$(sed 's/, "ended.*//' "$out")"

fake lies
look -n 2 -d 0.1 "$fake"
assert_eq "exit status about lies" "$status" 0
assert_eq "lines over 79 columns" \
	"$(grep -v '^  !' "$out" | grep -c '^.\{80\}')" 0
assert_eq "rows" "$(grep -c '^    [01] ' "$out")" 4
look --json -n 2 -d 0.1 "$fake"
python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' \
	<"$out" || fail "lies in JSON"
pass "the largest numbers have a place: $(grep -c ended "$out") samples"

fake odd
look -n 2 -d 0.1 "$fake"
assert_eq "exit status about one that is written for ever" "$status" 0
assert_eq "rows" "$(grep -c '^    [01] is starting' "$out")" 4
pass "a slot that is never whole is not shown"

fake good
start_bg shrinking "$top" -d 0.1 "$fake"
shrinking=$pid
wait_until 20 has_line "$tmp/shrinking.out" '^  all'
kill -USR1 "$fake"
wait_exit "$shrinking" 20
assert_eq "exit status when the page loses its bytes" "$status" 0
assert_match "its last line" "$(tail -n 2 "$tmp/shrinking.out")" 'has ended'
pass "a page that loses its bytes has ended"

# ---- without descriptors ----

# look_with DESCRIPTORS ARGS...: as look, with so many.
look_with()
{
	count=$1
	shift
	status=0
	timeout 60 prlimit --nofile="$count" "$top" "$@" >"$out" 2>"$err" \
		</dev/null || status=$?
}

# From enough on one less each time, until the program cannot begin.
fake good
fds=12
look_with "$fds" -n 1 "$fake"
while [ "$status" -eq 0 ]; do
	assert_eq "rows with $fds" "$(grep -c '^    [01] ' "$out")" 2
	fds=$((fds - 1))
	look_with "$fds" -n 1 "$fake"
done
[ "$fds" -ge 4 ] || fail "it needs a descriptor"
while [ "$fds" -ge 4 ]; do
	look_with "$fds" -n 1 "$fake"
	assert_eq "exit status with $fds" "$status" 1
	assert_eq "what it says with $fds" "$(cat "$err")" \
		"torc-top: $fake: no descriptor is free: raise ulimit -n"
	fds=$((fds - 1))
done
pass "$(cat "$err")"
look_with 4 -n 1
assert_eq "exit status with 4" "$status" 1
assert_eq "what it says without a number" "$(cat "$err")" \
	"torc-top: no descriptor is free to look at all processes: raise ulimit -n"
pass "$(cat "$err")"

# ---- somebody else's ----

if [ "$(id -u)" -eq 0 ]; then
	PROXY=$top
	become_nobody
	top=$PROXY
	# A user of its own, who runs nothing else.
	as_nobody="setpriv --reuid=$((2000000 + $$)) --regid=65534 --clear-groups"
	fake good
	refuses 1 "$fake: it may not be looked at" "$fake"
	refuses 1 'no process that you may look at runs torc'
else
	refuses 1 '1: it may not be looked at' 1
fi
