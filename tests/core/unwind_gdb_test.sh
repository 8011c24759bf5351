#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    A debugger finds its way out of a context, from a function in it
#         and from every single instruction of a switch.
# Method  gdb in batch mode stops tests/core/unwind_prog inside its context,
#         then goes through its switches one instruction at a time. Each
#         backtrace must end in torc_task_entry or in main, and the caller's
#         registers change once: when the stack does.
#
# $B/tests/core/unwind_prog is tests/core/unwind_prog.c with the library,
# built with -g like any other program under tests/.

set -u

prog=${B:-build}/tests/core/unwind_prog

skip()
{
	echo "$1"
	exit 77
}

fail()
{
	echo "FAIL: $1"
	[ -z "${out:-}" ] || cat "$out"
	exit 1
}

command -v gdb >/dev/null || skip "gdb is not installed"
[ -x "$prog" ] || fail "$prog was not built"

dir=$(mktemp -d) || fail "mktemp"
trap 'rm -rf "$dir"' EXIT
out=$dir/out

# Reads gdb commands from stdin.
run_gdb()
{
	{
		echo 'set pagination off'
		echo 'set width 0'
		echo 'set confirm off'
		cat
	} >"$dir/commands"
	gdb -nx -batch -x "$dir/commands" "$prog" >"$out" 2>&1 </dev/null
	if grep -qiE 'ptrace: |could not trace|cannot create process' "$out"
	then
		skip "gdb may not trace here: $(grep -im1 trace "$out")"
	fi
	for complaint in 'corrupt stack' 'previous frame' \
		'cannot access memory' 'backtrace stopped'; do
		grep -qi "$complaint" "$out" && fail "gdb lost its way"
	done
}

# A gdb command that shows what a call must leave as it was.
print_kept_registers()
{
	case $(uname -m) in
	x86_64) set -- rsp rbp rbx r12 r13 r14 r15 ;;
	*) set -- sp x29 x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 ;;
	esac
	format='' values=''
	for name; do
		format="$format %lx"
		values="$values, (long)\$$name"
	done
	printf '%s\n' "printf \"KEPT$format\\n\"$values"
}

# The function names of a backtrace, innermost first, on one line.
frame_names()
{
	sed -nE 's/^#[0-9]+ +(0x[0-9a-f]+ in )?([^ ]+) .*/\2/p' "$out" |
		tr '\n' ' '
}

a_function_in_a_context_unwinds_to_its_entry()
{
	run_gdb <<-'EOF'
		break stop_here
		run
		bt
	EOF
	names=$(frame_names)
	[ "$names" = "stop_here inner context_main torc_task_entry " ] ||
		fail "frames are $names"
}

# Four switches: into a new context, out of it, into a parked one, and out.
every_instruction_of_a_switch_unwinds()
{
	run_gdb <<-EOF
		break *(char *)&torc__switch
		run
		set \$start = (char *)&torc__switch
		set \$end = (char *)&torc__switch_prepare
		set \$hits = 0
		while \$hits < 4
			echo SWITCH\\n
			while \$pc >= \$start && \$pc < \$end
				echo STEP\\n
				bt
				up-silently
				$(print_kept_registers)
				down-silently
				stepi
			end
			echo STEP\\n
			bt
			set \$hits = \$hits + 1
			if \$hits < 4
				continue
			end
		end
		echo STEP\\n
	EOF
	awk '
		/^STEP/ && seen++ && last !~ / (main|torc_task_entry) \(/ {
			bad = 1
		}
		/^#[0-9]/ {
			last = $0
			sub(/^#[0-9]+ +(0x[0-9a-f]+ in )?/, " ", last)
		}
		END { exit bad || seen < 4 * 10 }
	' "$out" || fail "a backtrace in a switch does not end where it should"
	awk '
		/^SWITCH/ { if (switches++ && changes != 1) bad = 1 }
		/^SWITCH/ { changes = -1; kept = "" }
		/^KEPT/ { if ($0 != kept) changes++; kept = $0 }
		END { exit bad || switches != 4 || changes != 1 }
	' "$out" || fail "the registers of a switch's caller are not found"
}

a_function_in_a_context_unwinds_to_its_entry
every_instruction_of_a_switch_unwinds
echo "ok: $prog"
