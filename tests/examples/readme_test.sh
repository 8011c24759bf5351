#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal    What README and the manual page say is so: programs in them compile,
#         names exist, links lead somewhere, and torc(7) lists every call.
# Method  The texts against the tree.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"

page=core/torc.7

# ---- the programs ----

awk -v tmp="$tmp" '
/^```c$/ { file = ""; is_open = 1; next }
/^```$/ { if (file != "") close(file); is_open = 0; file = "" }
is_open && /^#include <torc.h>$/ { file = tmp "/program" ++count ".c" }
is_open && file != "" { print > file }
' README.md
count=0
for program in "$tmp"/program*.c; do
	[ -f "$program" ] || fail "README.md has whole programs"
	count=$((count + 1))
	${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -fsyntax-only \
		-I"$B/include" "$program" 2>"$tmp/cc.err" ||
		fail "program $count of README.md compiles"
done
assert_at_least "whole programs in README.md" "$count" 2
pass "$count programs of README.md compile"

# ---- the links ----

grep -o '](\([^)#]*\))' README.md | sed 's/^](//; s/)$//' |
	grep -v '^http' | while read -r link; do
	[ -e "$link" ] || echo "$link"
done >"$tmp/dead"
assert_eq "dead links of README.md" "$(cat "$tmp/dead")" ""
sed -n 's/^|.*](\([^)]*\.c\)) |$/\1/p' README.md | while read -r row; do
	[ -x "$B/${row%.c}" ] || echo "$row"
done >"$tmp/unbuilt"
assert_eq "programs of README.md that are not built" "$(cat "$tmp/unbuilt")" ""
pass "links of README.md lead to what is there, tests and examples are built"

# ---- the names ----

find alloc base uring core test torc.h -name '*.h' ! -name '*_priv.h' \
	-exec cat {} + >"$tmp/headers"
# Calls, and functions that stand in headers.
sed -n 's/^.*[ *]\(torc_[a-z0-9_]*\)(.*/\1/p; s/^\(torc_[a-z0-9_]*\)(.*/\1/p' \
	"$tmp/headers" | grep -v '_fn$' | sort -u >"$tmp/called"
sed 's|/\*.*\*/||; /^ \*/d; /^\t \*/d' "$tmp/headers" |
	sed -n 's/^.*[ *]\(torc_[a-z0-9_]*\)(.*/\1/p; s/^\(torc_[a-z0-9_]*\)(.*/\1/p' |
	grep -v -e '_fn$' -e '^torc_assert' | sort -u >"$tmp/calls"
grep -o '\btorc_[a-z0-9_]*' README.md | sort -u |
	while read -r name; do
		grep -q "\\b$name\\b" "$tmp/headers" || echo "$name"
	done >"$tmp/unknown"
assert_eq "names of README.md that no header has" "$(cat "$tmp/unknown")" ""
pass "names of README.md are in the headers"

# ---- the manual page ----

sed -n '/^\.SH CALLS/,/^\.SH /p' "$page" | grep -o '^torc_[a-z0-9_]*' |
	sort -u >"$tmp/listed"
assert_eq "calls that torc(7) does not list" \
	"$(comm -23 "$tmp/calls" "$tmp/listed" | tr '\n' ' ')" ""
assert_eq "names in torc(7) that are no calls" \
	"$(comm -13 "$tmp/called" "$tmp/listed" | tr '\n' ' ')" ""
sed -n 's/^\.SS .*<torc\/\(.*\)>.*/\1/p' "$page" | while read -r header; do
	[ -f "$header" ] || echo "$header"
done >"$tmp/gone"
assert_eq "headers in torc(7) that are gone" "$(cat "$tmp/gone")" ""
if command -v man >/dev/null 2>&1; then
	man -l --warnings -E UTF-8 -Tutf8 "$page" 2>"$tmp/man.err" >"$tmp/man.out"
	assert_eq "warnings of man" "$(cat "$tmp/man.err")" ""
fi
pass "torc(7) lists all $(wc -l <"$tmp/listed") calls"
