#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds each program of this folder, runs it linked with the library and under
# the preload, as it is and with check:on (which must change nothing but what
# the file says), and compares stderr and the way it ended; see misuse.h.
. "$(dirname "$0")/../lib/lib.sh"
ulimit -c 0
bad=0 n=0

# one FILE PROG CONF PRELOAD
one() {
	want=$(sed -n 's,^.*expect: \(.*\)$,\1,p' "$1" | sed 's, *\*/$,,')
	# the shell's own words about the signal stay out of it
	{
		( BUDDYMALLOC_CONF=$(conf "$3"); export BUDDYMALLOC_CONF
		  LD_PRELOAD=$4 exec "$2" ) >"$tmp/out" 2>"$tmp/err"
		st=$?
	} 2>/dev/null
	got=$(sed 's/0x[0-9a-f][0-9a-f]*/0x1/g' "$tmp/err")
	case $want in *"goes on") code=0 ;; *) code=134 ;; esac
	n=$((n + 1))
	if [ "$got" != "$want" ] || [ "$st" != $code ]; then
		bad=$((bad + 1))
		echo "FAIL $(basename "$1" .c), conf '$3'${4:+, preloaded}: exit $st (want $code)"
		echo "  want: $want"
		echo "  got:  $got"
	fi
}

for f in "$tests"/misuse/*.c; do
	b=$tmp/$(basename "$f" .c)
	"${CC:-cc}" -std=gnu11 -O1 -w -fno-builtin -pthread -I"$top_srcdir/include" "$f" -o "$b" "$lib" \
		-Wl,-rpath,"$(dirname "$lib")" || fail "$f does not compile"
	words=$(sed -n 's/^.*conf: //p' "$f" | sed 's, *\*/$,,')
	one "$f" "$b" "$words" ''
	case $words in
	*check:*) ;;
	*) one "$f" "$b" "${words:+$words,}check:on" '' ;;
	esac
	# the same without the library at link time (where it names nothing of ours)
	"${CC:-cc}" -std=gnu11 -O1 -w -fno-builtin -pthread -I"$top_srcdir/include" "$f" -o "$b.plain" 2>/dev/null || continue
	one "$f" "$b.plain" "$words" "$preload"
done
[ $bad = 0 ] || fail "$bad of $n"
echo "misuse: $n runs as expected"
