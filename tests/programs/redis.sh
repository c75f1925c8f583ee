#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 300
# redis-server under the preload, redis-benchmark against it over a unix
# socket; the server forks to save, and says the same after a restart.
# (Debian's server links jemalloc and calls its mallctl; its malloc calls go
# there by their own names or come to us: both must work.)
. "$(dirname "$0")/programs.sh"
have redis-server || skip "no redis-server"
have redis-cli || skip "no redis-cli"
sock=$tmp/redis.sock
cat >"$tmp/redis.conf" <<END
port 0
unixsocket $sock
dir $tmp
daemonize no
save ""
enable-debug-command yes
logfile $tmp/redis.log
END
server=
cli() { redis-cli -s "$sock" "$@"; }
start() {
	LD_PRELOAD=$preload redis-server "$tmp/redis.conf" >"$tmp/server.out" 2>&1 &
	server=$!
	i=0
	while ! cli ping 2>/dev/null | grep -q PONG; do
		i=$((i + 1))
		[ $i -lt 100 ] || fail "the server does not come up: $(tail -n 3 "$tmp/redis.log" "$tmp/server.out")"
		kill -0 $server 2>/dev/null || fail "the server died: $(tail -n 5 "$tmp/redis.log" "$tmp/server.out")"
		sleep 0.1
	done
}
trap '[ -n "$server" ] && kill -9 $server 2>/dev/null; rm -rf "$tmp"' EXIT
start
grep -q libbuddymalloc-preload "/proc/$server/maps" && row_ok "mapped" || row_bad "mapped" "the preload is not there"

if have redis-benchmark; then
	LD_PRELOAD=$preload timeout -k 5 120 redis-benchmark -s "$sock" -q -n 20000 -c 20 -P 8 -r 10000 -d 300 \
		-t ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset \
		>"$tmp/bench" 2>&1
	st=$?
	if [ $st != 0 ]; then
		row_bad redis-benchmark "exit $st: $(tail -n 3 "$tmp/bench")"
	elif [ "$(tr '\r' '\n' <"$tmp/bench" | grep -c 'requests per second')" -lt 14 ]; then
		row_bad redis-benchmark "rows are missing: $(tail -n 3 "$tmp/bench")"
	else
		row_ok redis-benchmark
	fi
fi
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "SET key:%d %0*d\r\nHSET h:%d f%d %d\r\n", i, i % 700 + 1, i, i % 100, i, i }' |
	cli --pipe >"$tmp/pipe" 2>&1
grep -q 'errors: 0' "$tmp/pipe" && row_ok "mass insertion" || row_bad "mass insertion" "$(tail -n 2 "$tmp/pipe")"
before=$(cli debug digest)
cli bgsave >/dev/null
i=0
while cli info persistence | grep -q 'rdb_bgsave_in_progress:1'; do
	i=$((i + 1))
	[ $i -lt 300 ] || break
	sleep 0.1
done
cli info persistence | grep -q 'rdb_last_bgsave_status:ok' && row_ok bgsave || row_bad bgsave "$(tail -n 3 "$tmp/redis.log")"
cli config set activedefrag yes >"$tmp/defrag" 2>&1
sleep 0.5
cli info server >/dev/null && row_ok "active defragmentation asked for: $(cat "$tmp/defrag")" || row_bad defrag "the server died"
cli save >/dev/null
cli shutdown nosave >/dev/null 2>&1
wait $server
st=$?
[ $st = 0 ] && row_ok shutdown || row_bad shutdown "exit $st: $(tail -n 5 "$tmp/redis.log" "$tmp/server.out")"
start
after=$(cli debug digest)
[ "$before" = "$after" ] && row_ok "same data after a restart" || row_bad "restart" "digest $before, then $after"
cli flushall >/dev/null && cli shutdown nosave >/dev/null 2>&1
wait $server
server=
finish
