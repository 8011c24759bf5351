#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    perf/gate lets a path pass that costs what it did, and stops one
#         that costs more, by its name.
# Method  The counts of this very build are written to a file; the gate reads
#         it unchanged, and with one number moved by 10 % in either direction.

set -u

B=${B:-build}
export B

skip()
{
	echo "$1"
	exit 77
}

fail()
{
	echo "FAIL: $1"
	cat "$dir/out"
	exit 1
}

[ -z "${SAN:-}" ] || skip "valgrind does not run a sanitizer's build"
command -v valgrind >/dev/null ||
	skip "valgrind is not installed; apt-get install valgrind"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

# The gate's exit status; what it said is in the file.
gate()
{
	perf/gate --counts "$@" >"$dir/out" 2>&1
}

# Of the one path whose counts are moved; it takes a moment only.
gate_spawn()
{
	gate "$1" --only core/spawn
}

# The counts with those of one path multiplied.
moved()
{
	awk -v path="$1" -v factor="$2" \
		'$1 == path { $2 *= factor } { print }' "$dir/counts"
}

said()
{
	grep -q "$1" "$dir/out"
}

counts_of_this_build_pass()
{
	gate "$dir/counts" --update || fail "it could not count"
	gate "$dir/counts" || fail "the same build did not pass"
	said 'none takes over' || fail "it does not say that all is well"
}

a_path_that_grew_fails_by_name()
{
	moved core/spawn_join 0.9 >"$dir/low"
	gate_spawn "$dir/low" && fail "11 % more instructions passed"
	said 'core/spawn_join takes .* more than' || fail "no name is said"
}

a_path_that_shrank_passes_and_asks_for_an_update()
{
	moved core/spawn_join 1.1 >"$dir/high"
	gate_spawn "$dir/high" || fail "9 % fewer instructions did not pass"
	said 'core/spawn_join .* fewer .* perf/gate --update' ||
		fail "it does not ask for an update"
}

a_path_without_a_count_fails()
{
	grep -v core/spawn_join "$dir/counts" >"$dir/short"
	gate_spawn "$dir/short" && fail "a path without a count passed"
	said 'core/spawn_join has no count' || fail "no name is said"
}

another_compiler_is_told_and_not_compared()
{
	sed '1s/with [a-z]* [0-9]*/with gcc 1/' "$dir/low" >"$dir/other"
	gate_spawn "$dir/other" || fail "another compiler's counts were compared"
	said 'NOTHING COMPARED' || fail "it does not say that it compared none"
}

for case in counts_of_this_build_pass a_path_that_grew_fails_by_name \
	a_path_that_shrank_passes_and_asks_for_an_update \
	a_path_without_a_count_fails another_compiler_is_told_and_not_compared
do
	$case
	echo "ok - $case"
done
