#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    perf/env prints facts, one "key: value" a line, with nothing in them
#         that says where the tree lies; what is absent does not stop it.
# Method  It runs as it is, and with next to no programs in its PATH.

set -u

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

fail()
{
	echo "FAIL: $1"
	cat "$dir/out" "$dir/err"
	exit 1
}

has()
{
	grep -q "^$1: ." "$dir/out" || fail "there is no $1"
}

every_line_is_a_key_and_a_value()
{
	perf/env >"$dir/out" 2>"$dir/err" || fail "it failed"
	[ ! -s "$dir/err" ] || fail "it wrote to stderr"
	grep -qvE '^[a-z_]+: .' "$dir/out" && fail "a line is no key: value"
	for key in date revision kernel distribution cpu cpus virtualisation \
		memory mitigations governor steal_jiffies congestion_control \
		version_cc version_liburing version_jemalloc version_haproxy \
		version_nginx version_tokio version_libuv version_go; do
		has "$key"
	done
}

system_calls_have_a_cost()
{
	grep -qE '^getppid_ns: [0-9]+\.[0-9]$' "$dir/out" ||
		fail "no cost of a system call"
	has io_uring_enter_ns
}

no_path_of_this_machine_is_told()
{
	grep -qF "$PWD" "$dir/out" && fail "the tree's place is in it"
	[ -n "${HOME-}" ] && grep -qF "$HOME/" "$dir/out" &&
		fail "a home is in it"
	:
}

what_is_absent_does_not_stop_it()
{
	mkdir "$dir/bin"
	for tool in awk cat date dirname grep head mktemp rm sed uname; do
		ln -s "$(command -v $tool)" "$dir/bin/$tool"
	done
	PATH=$dir/bin B=$dir /bin/sh perf/env >"$dir/out" 2>"$dir/err" ||
		fail "it failed without programs"
	[ ! -s "$dir/err" ] || fail "it wrote to stderr"
	grep -q '^getppid_ns: not measured' "$dir/out" ||
		fail "it does not say that there was no compiler"
	grep -q '^version_go: none$' "$dir/out" ||
		fail "it does not say that a program is absent"
}

for case in every_line_is_a_key_and_a_value system_calls_have_a_cost \
	no_path_of_this_machine_is_told what_is_absent_does_not_stop_it; do
	$case
	echo "ok - $case"
done
