#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    latency.bt has a name for each opcode that torc submits, and the
#         right one.
# Method  Which opcode each io_uring_prep_*() of core/ and uring/ stands for is
#         read in liburing's header, its number by a compiler; both must be in
#         the script's table.

set -u

CC=${CC:-cc}
script=perf/probes/latency.bt
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export LC_ALL=C

fail()
{
	echo "not ok - $1"
	[ $# -lt 2 ] || sed 's/^/    /' "$2"
	exit 1
}

# FILE...: without comments.
code_of()
{
	awk 'FNR == 1 { inside = 0 }
	{
		code = ""
		line = $0
		while (line != "") {
			mark = inside ? "*/" : "/*"
			at = index(line, mark)
			if (!inside)
				code = code (at ? substr(line, 1, at - 1) : line)
			line = at ? substr(line, at + 2) : ""
			if (at)
				inside = !inside
		}
		print code
	}' "$@"
}

PKG_CONFIG_PATH=$PWD/.deps/liburing/lib/pkgconfig:${PKG_CONFIG_PATH:-}
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags liburing)
# A list of words.
# shellcheck disable=SC2086
header=$(echo '#include <liburing.h>' | "$CC" $flags -D_GNU_SOURCE -E - |
	sed -n 's|^# 1 "\(.*/liburing\.h\)".*|\1|p' | head -n 1)
[ -n "$header" ] || fail "liburing.h is found"

# A line per function, NAME OPCODE: its body names an opcode, or calls another.
code_of "$header" | awk '
	/^[^ \t{}#].*io_uring_prep_[a-z0-9_]+\(/ {
		match($0, /io_uring_prep_[a-z0-9_]+/)
		name = substr($0, RSTART, RLENGTH)
		next
	}
	/^}/ { name = "" }
	name == "" { next }
	!(name in opcode) && match($0, /IORING_OP_[A-Z0-9_]+/) {
		opcode[name] = substr($0, RSTART + 10, RLENGTH - 10)
	}
	!(name in other) && match($0, /io_uring_prep_[a-z0-9_]+/) {
		other[name] = substr($0, RSTART, RLENGTH)
	}
	END {
		for (name in other) {
			at = name
			while (!(at in opcode) && at in other)
				at = other[at]
			opcode[name] = opcode[at]
		}
		for (name in opcode)
			print name, tolower(opcode[name])
	}' | sort >"$dir/functions"
grep -q '^io_uring_prep_multishot_accept accept$' "$dir/functions" ||
	fail "what liburing.h says is understood" "$dir/functions"

# The general one is given its opcode where it is called.
code_of core/*.[ch] core/*/*.[ch] >"$dir/core"
code_of uring/*.[ch] | cat "$dir/core" - |
	grep -oE 'io_uring_prep_[a-z0-9_]+' | sort -u |
	grep -vx io_uring_prep_rw >"$dir/called"
join -a 1 "$dir/called" "$dir/functions" >"$dir/joined"
awk 'NF != 2' "$dir/joined" >"$dir/unknown"
[ ! -s "$dir/unknown" ] || fail "each has an opcode" "$dir/unknown"
{
	awk '{ print $2 }' "$dir/joined"
	grep -oE 'IORING_OP_[A-Z0-9_]+' "$dir/core" | sed 's/^IORING_OP_//' |
		tr '[:upper:]' '[:lower:]'
} | sort -u >"$dir/used"
[ "$(grep -c . "$dir/used")" -gt 20 ] || fail "many are used" "$dir/used"

# The table, a line per entry: NUMBER NAME.
grep -oE '@op\[[0-9]+\] = "[a-z0-9_]+"' "$script" |
	sed 's/@op\[\([0-9]*\)\] = "\(.*\)"/\1 \2/' >"$dir/table"
awk '{ print $2 }' "$dir/table" | sort >"$dir/named"
comm -23 "$dir/used" "$dir/named" >"$dir/missing"
[ ! -s "$dir/missing" ] ||
	fail "$script has no name for these opcodes" "$dir/missing"
echo "ok - $script names the $(grep -c . "$dir/used") opcodes in use"

{
	echo '#include <liburing.h>'
	while read -r number name; do
		opcode=IORING_OP_$(echo "$name" | tr '[:lower:]' '[:upper:]')
		echo "_Static_assert($opcode == $number, \"$name\");"
	done <"$dir/table"
} >"$dir/table.c"
# shellcheck disable=SC2086
"$CC" $flags -D_GNU_SOURCE -fsyntax-only "$dir/table.c" 2>"$dir/cc" ||
	fail "$script gives each its own number" "$dir/cc"
echo "ok - and gives each its own number"
