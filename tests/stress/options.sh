#!/bin/sh
# SPDX-License-Identifier: MIT
# The model test, short, under each option that changes how the heap works, on
# one CPU, and with address randomisation off.
. "$(dirname "$0")/../lib/lib.sh"
export BM_SECONDS=0.3
bad=0
try() {
	what=$1
	shift
	if ! timeout -k 5 60 "$@" >"$tmp/log" 2>&1; then
		bad=$((bad + 1))
		echo "FAIL $what: $(tail -n 3 "$tmp/log")"
	else
		echo "ok   $what"
	fi
}
model=$built/stress/model
[ -x "$model" ] || skip "stress/model is not built"
for o in check:on slots:1 slots:3 slots:64 slots:1024 window:1G window:4G window:512M check:on,slots:7; do
	try "$o" env BUDDYMALLOC_CONF="$(conf $o)" "$model"
done
[ "$BM_MODE" = locked ] ||
	try rseq:fake env BM_SINGLE=1 BUDDYMALLOC_CONF=rseq:fake "$model"
have taskset && try "one CPU" taskset -c 0 "$model"
have setarch && try "no randomisation" setarch -R "$model"
for t in malloc calloc realloc aligned; do
	[ -x "$built/api/$t" ] && try "api/$t, check:on" env BUDDYMALLOC_CONF="$(conf check:on)" "$built/api/$t"
done
[ $bad = 0 ]
