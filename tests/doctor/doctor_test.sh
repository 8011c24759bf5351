#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: torc-doctor tells what is there, what torc does without it and what to
# change; its exit status says whether io_uring is usable.
# Method: this machine as it is, under a seccomp filter that refuses io_uring,
# and as a user with little locked memory; the table, and JSON that another
# program reads.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"
need_programs prlimit setpriv python3

doctor=$B/torc-doctor
out=$tmp/doctor.out
err=$tmp/doctor.err

# ask ARGS...: sets $status; output in $out and $err.
ask()
{
	status=0
	# shellcheck disable=SC2086 # $before is a list of words
	timeout 60 $before "$doctor" "$@" >"$out" 2>"$err" </dev/null ||
		status=$?
}

# row FEATURE: that row with its further lines, as one line.
row()
{
	awk -v feature="$1" '
		index($0, feature "  ") == 1 { is_ours = 1; print; next }
		/^[^ ]/ || /^$/ { is_ours = 0 }
		is_ours' "$out" | tr -s ' \n' ' '
}

# mistake PATTERN ARGS...
mistake()
{
	pattern=$1
	shift
	ask "$@"
	assert_eq "exit status of $*" "$status" 2
	assert_eq "lines about $*" "$(wc -l <"$err")" 1
	assert_match "the line about $*" "$(cat "$err")" "$pattern"
	assert_eq "output of $*" "$(wc -c <"$out")" 0
	pass "$(cat "$err")"
}

[ -x "$doctor" ] || fail "there is no $doctor; make builds it"
before=

mistake '--nonsense.*no such option.*--help' --nonsense
mistake '--nic.*missing' --nic
mistake 'somewhere.*no arguments' somewhere
mistake '--contract.*no other option' --contract --json
mistake 'no-such-nic.*no such interface' --nic no-such-nic

ask --help
assert_eq "exit status of --help" "$status" 0
for word in --contract --nic --json 'Exit status'; do
	assert_match "--help" "$(cat "$out")" "$word"
done
pass "--help names every option and the exit status"

# ---- refused ----

for error in EPERM ENOSYS; do
	before="$deny $error"
	ask
	[ "$status" -ne 77 ] || skip "no seccomp here: $(cat "$err")"
	assert_eq "exit status with $error" "$status" 1
	assert_match "the first line" "$(head -n 1 "$out")" \
		'only the epoll engine is usable'
	assert_match "the row" "$(row io_uring)" \
		'no .*epoll engine.*(seccomp|CONFIG_IO_URING)'
	assert_match "the row" "$(row seccomp)" 'a filter.*io_uring_setup'
	assert_eq "rows about ring flags" "$(row DEFER_TASKRUN)" ""
	assert_eq "what it logs" "$(cat "$err")" ""
	pass "$error:$(row io_uring | cut -c 9-)"

	ask --contract
	assert_eq "exit status of --contract" "$status" 1
	assert_match "its last line" "$(tail -n 1 "$out")" 'no io_uring'
	pass "$error: --contract has nothing to show and says so"
done
before="$deny EPERM"
ask --json
python3 - "$out" <<'EOF' || fail "the JSON says that io_uring is refused"
import json, sys
found = json.load(open(sys.argv[1]))
row = found["features"][0]
assert found["engine"] == "epoll", found["engine"]
assert (row["feature"], row["state"]) == ("io_uring", "no"), row
assert "seccomp" in row["change"], row
EOF
pass "--json says so too"
before=

# Where the tests themselves are under such a filter, that is all there is.
if grep -q '^Seccomp:[^0-9]*2' /proc/self/status; then
	pass "the rest is left out: a seccomp filter is around this test"
	exit 0
fi

# ---- as it is ----

ask
assert_eq "exit status" "$status" 0
assert_match "the first line" "$(head -n 1 "$out")" 'io_uring.* is usable'
for group in engine 'ring set-up' operations limits machine network; do
	grep -q -x "$group" "$out" || fail "a group: $group"
done
for feature in io_uring DEFER_TASKRUN NO_SQARRAY 'registered ring' \
	'opcodes that torc uses' 'multishot receive' 'buffer rings' \
	'rename, unlink, mkdir' 'symbolic and hard links' \
	'receive cap (optlen)' 'messages from any thread' 'zero-copy send' \
	'locked memory' descriptors \
	'shards by default' io_uring_disabled seccomp 'huge pages' \
	'clock source' somaxconn 'congestion control'; do
	[ -n "$(row "$feature")" ] || fail "a row: $feature"
done
assert_eq "what it logs" "$(cat "$err")" ""
assert_eq "lines over 120 columns" "$(grep -c '^.\{121\}' "$out")" 0
# What is not there comes with what torc does instead.
sed -n 's/^\(.*[^ ]\)  *no$/\1/p' "$out" >"$tmp/unexplained"
assert_eq "rows without advice" "$(cat "$tmp/unexplained")" ""
pass "$(head -n 1 "$out")"

ask --json --nic lo
assert_eq "exit status of --json" "$status" 0
python3 - "$out" <<'EOF' || fail "the JSON is well formed"
import json, sys
found = json.load(open(sys.argv[1]))
assert found["engine"] == "kernel", found["engine"]
groups = {row["group"] for row in found["features"]}
assert {"engine", "limits", "machine", "interface"} <= groups, groups
for row in found["features"]:
	assert row["state"] in ("yes", "less", "no", "note"), row
	assert row["found"], row
	if row["state"] in ("less", "no"):
		assert row["instead"] and row["change"], row
print("ok -", len(found["features"]), "rows, each with what it should have")
EOF

ask --contract
assert_eq "exit status of --contract" "$status" 0
assert_at_least "kinds of rings" "$(grep -c 'inside the model' "$out")" 1
pass "$(grep -m 1 'inside the model' "$out")"

# ---- little locked memory ----

PROXY=$doctor
become_nobody
doctor=$PROXY

# Rings of a moment ago count for their user: another one each time.
poor_user=$((2000000 + $$ % 1000000))
poor()
{
	poor_user=$((poor_user + 1))
	before="prlimit --memlock=$(($1 * 1024)):$(($1 * 1024))"
	[ -z "$as_nobody" ] ||
		before="$before setpriv --reuid=$poor_user --regid=65534 --clear-groups"
	ask
}

poor 64
assert_eq "exit status with 64 KiB" "$status" 0
assert_match "the row with 64 KiB" "$(row 'locked memory')" \
	'64 KiB: 0 of .* rings.*512 completions.*ulimit -l [0-9]+'
assert_match "the row with 64 KiB" "$(row DEFER_TASKRUN)" 'yes'
assert_match "the row with 64 KiB" "$(row 'multishot receive')" 'yes'
pass "64 KiB: $(row 'locked memory')"

poor 0
assert_eq "exit status with nothing" "$status" 1
assert_match "the row with nothing" "$(row io_uring)" 'no .*ulimit -l'
pass "nothing:$(row io_uring | cut -c 9-)"
