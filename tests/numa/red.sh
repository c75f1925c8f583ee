#!/bin/sh
# SPDX-License-Identifier: MIT
# modes: once
# A check that the NUMA tests can fail: each with the sabotage it offers must
# go red; one that is skipped on this machine is left out.
. "$(dirname "$0")/../lib/lib.sh"
bad=0 n=0 absent=0
red() { # TEST SABOTAGE ARGS...
	test=$1 word=$2
	shift 2
	BM_SABOTAGE=$word timeout -k 5 300 \
		"$built/numa/$test" "$@" >"$tmp/log" 2>&1
	case $? in
	0) bad=$((bad + 1)); echo "FAIL numa/$test with $word did not fail" ;;
	77) absent=$((absent + 1)) ;;
	*) echo "ok   numa/$test with $word: $(tail -n 1 "$tmp/log")" ;;
	esac
	n=$((n + 1))
	# What died may have left CPUs away; tests that come see the machine whole.
	[ -z "${BM_GUEST-}" ] || for cpu in /sys/devices/system/cpu/cpu*/online; do
		[ ! -w "$cpu" ] || echo 1 >"$cpu"
	done
}
red placement elsewhere --min-share 99
red fallback elsewhere
red hotplug flip
red policy ignore
red late elsewhere
echo "red: $n tried, $bad did not fail, $absent skipped here"
[ $absent != $n ] || skip "all are skipped here"
[ $bad = 0 ]
