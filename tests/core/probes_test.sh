#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    The static probes are those that torc(7) and torc-proxy(1) list, with
#         as many arguments; a reader finds the right values in them; a build
#         without them has none.
# Method  The notes in libtorc.so, torc-proxy and an object compiled here, by
#         readelf, against the manual pages. gdb stops an example at its probes
#         and prints their arguments.

set -u

B=${B:-build}
CC=${CC:-cc}
library=$(echo "$B"/libtorc.so.*)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export LC_ALL=C

fail()
{
	echo "not ok - $1"
	shift
	for file; do
		sed 's/^/    /' "$file"
	done
	exit 1
}

# FILE PROVIDER: a line per place of a probe, NAME ARGUMENT...
places_in()
{
	readelf -n "$1" 2>/dev/null | awk -v provider="$2" '
		$1 == "Provider:" { is_ours = $2 == provider }
		$1 == "Name:" { name = $2 }
		$1 == "Arguments:" && is_ours {
			sub(/^ *Arguments: */, "")
			gsub(/, /, ",")
			print name, $0
		}'
}

# PAGE: a line per probe, NAME and how many arguments.
documented_in()
{
	sed -n '/^\.SH PROBES/,/^\.SH [^P]/p' "$1" |
		sed -n 's/^\.B \([a-z_]*\)(\(.*\))$/\1,\2/p' |
		awk -F, '{ print $1, NF - 1 }' | sort
}

# FILE PROVIDER PAGE
lists_what_is_there()
{
	places_in "$1" "$2" | awk '{ print $1, NF - 1 }' | sort -u \
		>"$dir/there"
	documented_in "$3" >"$dir/documented"
	[ -s "$dir/there" ] || fail "$1 has probes of $2"
	diff "$dir/documented" "$dir/there" >"$dir/diff" ||
		fail "$3 (<) lists the probes of $1 (>)" "$dir/diff"
	echo "ok - $3 lists the $(grep -c . "$dir/there") probes of $1"
}

# perf takes one description per probe, of sizes and not of constants.
places_of_a_probe_are_alike()
{
	places_in "$library" torc >"$dir/places"
	awk '{
		sizes = ""
		for (i = 2; i <= NF; i++) {
			if ($i ~ /@\$?-?[0-9]+$/)
				print $1 ": a constant, " $i
			sub(/@.*/, "", $i)
			sizes = sizes " " $i
		}
		if ($1 in first && first[$1] != sizes)
			print $1 ":" first[$1] " and" sizes
		first[$1] = sizes
	}' "$dir/places" >"$dir/unlike"
	[ ! -s "$dir/unlike" ] || fail "places are alike" "$dir/unlike"
	[ "$(grep -c '^submit ' "$dir/places")" -gt 10 ] ||
		fail "submit is at many places"
	echo "ok - $(grep -c . "$dir/places") places, alike per probe"
}

write_program()
{
	cat >"$dir/program.c" <<-'END'
		#include <torc/base/probe.h>
		struct order {
			char name[32];
			int id;
		};
		int called(void);
		int called(void)
		{
			return 1;
		}
		int main(void)
		{
			short small = -2;
			const char *text = "";
			unsigned char byte = 3;
			static int array[7];
			static struct order order[1];
			char letter = (char)-1;

			TORC_PROBE1(p, one, called());
			TORC_PROBE2(p, two, called(), text);
			TORC_PROBE3(p, three, small, byte, called());
			TORC_PROBE4(p, four, 1L, 2UL, 3, called());
			TORC_PROBE5(p, five, 1, 2, 3, 4, called());
			/* Undecayed, and of a sign that the machine chooses. */
			TORC_PROBE3(p, array, array, order->name, order->id);
			TORC_PROBE2(p, literal, "hello", letter);
			return 0;
		}
	END
}

# COMPILER FLAG...
compile()
{
	"$@" -Wall -Wextra -Werror -I"$B/include" -c -o "$dir/program.o" \
		"$dir/program.c" 2>"$dir/cc" || fail "$* compiles" "$dir/cc"
}

without_probes_nothing_is_evaluated()
{
	write_program
	compile "$CC" -std=c11 -O0 -DTORC_PROBES=0
	[ "$(places_in "$dir/program.o" p)" = '' ] || fail "it has probes"
	objdump -dr "$dir/program.o" | sed -n '/<main>:/,$p' >"$dir/code"
	grep -q 'called' "$dir/code" && fail "called()" "$dir/code"
	echo "ok - without probes nothing is left, and nothing is evaluated"
}

# LETTER COMPILER FLAG...: the sizes of what is not promoted, negative where it
# is signed; what decays has a pointer's.
has_own_sizes()
{
	letter=$1
	shift
	compile "$@"
	places_in "$dir/program.o" p >"$dir/own"
	sed 's/@[^ ]*//g' "$dir/own" | paste -sd, >"$dir/sizes"
	[ "$(cat "$dir/sizes")" = "one -4,two -4 8,three -2 1 -4,$(
	)four -8 8 -4 -4,five -4 -4 -4 -4 -4,array 8 8 -4,literal 8 $letter" ] ||
		fail "$*" "$dir/own"
}

a_program_has_probes_of_its_own()
{
	has_own_sizes -1 "$CC" -std=c11 -O0 -fsigned-char
	has_own_sizes -1 "$CC" -std=gnu11 -O2 -fsigned-char
	has_own_sizes 1 "$CC" -std=gnu11 -O2 -funsigned-char
	has_own_sizes -1 c++ -x c++ -std=c++17 -O2 -fsigned-char
	has_own_sizes 1 c++ -x c++ -std=c++17 -O2 -funsigned-char
	if command -v clang >/dev/null; then
		has_own_sizes -1 clang -std=c11 -O2 -fsigned-char
		has_own_sizes 1 clang -x c++ -std=c++17 -O0 -funsigned-char
	fi
	echo "ok - C and C++ programs can have probes of their own"
}

# What gdb runs at each probe: its name and its arguments, on one line.
gdb_commands()
{
	echo 'set pagination off'
	echo 'set width 0'
	while read -r name count; do
		echo "break -probe-stap torc:$name"
		echo 'commands'
		echo 'silent'
		format='' values=''
		for i in 0 1 2 3 4; do
			[ "$i" -lt "$count" ] || break
			format="$format %ld"
			values="$values, (long)\$_probe_arg$i"
		done
		printf '%s\n' "printf \"PROBE $name$format\\n\"$values"
		echo 'continue'
		echo 'end'
	done
	echo 'run'
}

# tee runs a command, reads its pipe and writes a file: 100 tasks of its own
# would show no more.
gdb_sees()
{
	gdb -nx -batch -ex 'info probes stap torc' "$B/examples/tee" \
		>"$dir/info" 2>&1
	documented_in core/torc.7 | while read -r name count; do
		grep -q "^stap  *torc  *$name " "$dir/info" &&
			echo "$name $count"
	done >"$dir/linked"
	gdb_commands <"$dir/linked" >"$dir/commands"
	TORC_SHARDS=1 TORC_STALL_MS=0 timeout 120 gdb -nx -batch -x "$dir/commands" --args \
		"$B/examples/tee" "$dir/copy" echo hello \
		>"$dir/gdb" 2>&1 </dev/null
	if grep -qiE 'ptrace: |could not trace|cannot create process' \
		"$dir/gdb"; then
		echo "skip: gdb may not trace here"
		exit 77
	fi
	grep '^PROBE ' "$dir/gdb" >"$dir/seen" ||
		fail "gdb stops at probes" "$dir/gdb"
	[ "$(cat "$dir/copy")" = hello ] || fail "tee worked" "$dir/gdb"
}

every_complete_answers_a_submit()
{
	awk '$2 == "submit" { submitted[$4] = 1; opcode[$5]++ }
		$2 == "complete" && $4 % 16 == 0 {
			complete++
			if (!($4 in submitted))
				print "never submitted: " $0
		}
		$2 != "timer__fire" && $2 !~ /^blocking__/ && $3 != 0 {
			print "not of shard 0: " $0
		}
		END {
			if (complete < 5) print "complete: " complete
			# A read of the pipe and a write of the file.
			if (!opcode[22] || !opcode[23]) print "no read, write"
		}' "$dir/seen" >"$dir/wrong"
	[ ! -s "$dir/wrong" ] || fail "submit, complete" "$dir/wrong"
	echo "ok - each complete has the user_data of a submit"
}

tasks_come_and_go_in_order()
{
	awk '$2 == "task__spawn" { if (state[$4]) print "twice: " $0
			state[$4] = "ready"; fn[$4] = $5 }
		$2 == "task__resume" { if (state[$4] != "ready" || running)
				print "resumed: " $0
			if (fn[$4] != $6) print "another function: " $0
			state[$4] = "runs"; running = $4 }
		$2 == "task__pause" { if (running != $4) print "paused: " $0
			state[$4] = "ready"; running = "" }
		$2 == "task__exit" { if (state[$4] != "ready" || $5 != 0)
				print "ended: " $0
			state[$4] = ""; exits++ }
		END { if (!exits) print "no task__exit" }
		' "$dir/seen" >"$dir/wrong"
	[ ! -s "$dir/wrong" ] || fail "tasks" "$dir/wrong"
	echo "ok - tasks are spawned, resumed, paused and ended in order"
}

command -v readelf >/dev/null || {
	echo "skip: no readelf here"
	exit 77
}
lists_what_is_there "$library" torc core/torc.7
lists_what_is_there "$B/torc-proxy" torc_proxy proxy/torc-proxy.1
places_of_a_probe_are_alike
without_probes_nothing_is_evaluated
a_program_has_probes_of_its_own
case ${SAN:-} in
'') ;;
*)
	# A sanitizer in a debugger is slow, and its leak check cannot run.
	echo "ok - under a sanitizer gdb is left out"
	exit 0
	;;
esac
command -v gdb >/dev/null || {
	echo "skip: no gdb here (scripts/deps test brings it)"
	exit 77
}
gdb_sees
every_complete_answers_a_submit
tasks_come_and_go_in_order
