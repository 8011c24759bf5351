#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    perf records the static probes, with their arguments.
# Method  perf lists those of an example, records some of them while it
#         serves a load, and prints them: each complete has the user_data of
#         a submit, and tasks are resumed and paused in turns.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"

need_programs perf
[ "$(id -u)" -eq 0 ] || skip "perf probe is for root"
if [ -n "${SAN:-}" ]; then
	skip "a load under a sanitizer and perf takes too long"
fi

# The kernel has one list of events for everybody, and perf names these itself.
forget_events()
{
	status=$?
	perf probe -q -d 'sdt_torc:*' >/dev/null 2>&1
	return "$status"
}
grep -q ':sdt_torc/' /sys/kernel/tracing/uprobe_events 2>/dev/null &&
	skip "somebody uses these events; to end that: perf probe -d 'sdt_torc:*'"
trap 'forget_events; cleanup' EXIT

# Not the cache of whoever runs this.
in_cache()
{
	timeout 60 perf --buildid-dir "$tmp/cache" "$@"
}

echo_server=$PWD/$B/examples/echo
case $B in
/*) echo_server=$B/examples/echo ;;
esac

in_cache buildid-cache --add "$echo_server" >"$tmp/add.out" 2>&1 ||
	fail "perf buildid-cache --add"
in_cache list sdt >"$tmp/list.out" 2>&1
for name in submit complete task__resume task__pause turn; do
	has_line "$tmp/list.out" "sdt_torc:$name " || fail "perf lists $name"
done
pass "perf lists the probes of a program"

for name in submit complete task__resume task__pause; do
	in_cache probe -q -x "$echo_server" \
		--add "%sdt_torc:$name" >"$tmp/probe.out" 2>&1 ||
		if grep -qi -e 'not permitted' -e 'read-only' -e 'tracefs' \
			-e 'kprobe_events file does not exist' \
			"$tmp/probe.out"; then
			skip "no uprobes here: $(head -n 1 "$tmp/probe.out")"
		else
			fail "perf probe takes $name at all its places"
		fi
done
pass "perf probe takes a probe that is at several places"

port=$(free_port)
start_bg echo env TORC_SHARDS=1 "$echo_server" "127.0.0.1:$port"
server=$pid
wait_port "$port" "$server"
in_cache record -q -p "$server" -e 'sdt_torc:*' -o "$tmp/data" -- \
	timeout 30 "$B/torc-load" churn --conns 1 --seconds 0.2 --warmup 0 \
	"127.0.0.1:$port" >"$tmp/record.out" 2>&1 || fail "perf record"
in_cache script -i "$tmp/data" -F tid,time,event,trace \
	>"$tmp/script.txt" 2>"$tmp/script.err"

# Whatever was on its way when perf attached or left is not counted.
awk -v group=sdt_torc: '
	{
		name = ""
		for (i = 1; i <= NF; i++) {
			if (index($i, group) == 1) {
				name = substr($i, length(group) + 1)
				sub(/:$/, "", name)
			}
			if (split($i, part, "=") == 2)
				value[part[1]] = part[2]
		}
	}
	name == "submit" {
		submitted[value["arg2"]] = 1
		opcodes[value["arg3"]]++
		submits++
	}
	name == "complete" && submits > 10 {
		# The accept is older; its flags have IORING_CQE_F_MORE.
		if (int(value["arg4"] / 2) % 2 == 0) complete++
		if (value["arg2"] in submitted) answers++
	}
	name == "task__resume" { task = value["arg2"]; resumed++ }
	name == "task__pause" && task != "" {
		if (task != value["arg2"]) print "another task paused"
		paused++
	}
	END {
		if (resumed < 10 || paused < resumed - 10)
			print resumed " resumed, " paused " paused"
		if (complete < 10 || answers < complete - 10)
			print complete " complete, " answers " are answers"
		# Sends, and closes.
		if (opcodes[26] < 3 || opcodes[19] < 3)
			print "opcodes: " opcodes[26] ", " opcodes[19]
	}' "$tmp/script.txt" >"$tmp/wrong.out"
[ ! -s "$tmp/wrong.out" ] || {
	tail -n 20 "$tmp/script.txt" >"$tmp/last.out"
	fail "events fit together"
}
pass "perf record shows arguments that fit together"
