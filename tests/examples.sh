#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual's examples are programs: each block between .EX and .EE that opens
# with an #include is compiled as it stands, with all warnings, linked with the
# library, run, and must exit with 0 and say nothing.
. "$(dirname "$0")/lib/lib.sh"
name=examples
bad=0 n=0

for page in "$top_srcdir"/man/*.3; do
	base=$tmp/$(basename "$page" .3)
	# roff's \e, \-, \(aq and \& are \, -, ' and nothing
	awk -v base="$base" '
		/^\.EX/ { inside = 1; first = 1; next }
		/^\.EE/ { inside = program = 0; next }
		inside && first { first = 0; program = /^#include/; if (program) nr++ }
		program { print > (base "." nr ".c") }' "$page"
	for c in "$base".*.c; do
		[ -e "$c" ] || continue
		sed -i -e 's/\\-/-/g' -e "s/\\\\(aq/'/g" -e 's/\\&//g' -e 's/\\e/\\/g' "$c"
		n=$((n + 1))
		what="$(basename "$page"), example $(basename "${c#"$base".}" .c)"
		"${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror -pthread \
			-I"$top_srcdir/include" "$c" -o "${c%.c}" "$lib" \
			-Wl,-rpath,"$(dirname "$lib")" || {
			bad=$((bad + 1))
			echo "FAIL $what does not compile"
			continue
		}
		timeout 60 "${c%.c}" >"$tmp/out" 2>&1
		st=$?
		[ $st = 0 ] && [ ! -s "$tmp/out" ] && continue
		bad=$((bad + 1))
		echo "FAIL $what: exit $st"
		cat "$tmp/out"
	done
done
[ $n -ge 8 ] || fail "found only $n examples"
[ $bad = 0 ] || fail "$bad of $n"
echo "examples: $n run as the manual says"
