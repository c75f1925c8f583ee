# SPDX-License-Identifier: MIT
# What: redis, a server under the allocator and redis-benchmark as its client
#       over a unix socket (sourced by run).
# The server's allocator: Debian's binary is linked with jemalloc's shared
#       library and calls it as malloc. A preload would take over, but without
#       one jemalloc would be there where libc's is to be measured. So it gets
#       a library of that name without a malloc; the rows are then called
#       redis-debian-…. A server built with `make MALLOC=libc` is the plain
#       way: give it as REDIS_SERVER=PATH, and the rows are called redis-….
# Ages: redis-filled, -thinned and -refilled are one cache up to that point;
#       rss_peak_kib is then what the server has at rest there, and the time is
#       the server's processor time, since its client would be most of the rest.
# Result: how much is there, and the data's digest after all keys were
#       written once more with known values (redis-benchmark draws its keys by
#       lot).
# shellcheck shell=sh
# shellcheck disable=SC2154 # name, dir and here are run's

redis_keys=20000
redis_aged=${REDIS_AGED:-1000000}

redis_server() {
	case ${REDIS_SERVER-} in
	'') command -v redis-server ;;
	/*) echo "$REDIS_SERVER" ;;
	*) echo "$PWD/$REDIS_SERVER" ;;
	esac
}

redis_list() {
	if [ -n "${REDIS_SERVER-}" ]; then
		kind=redis note=
	else
		kind=redis-debian note=' (its jemalloc taken out)'
	fi
	cat <<-END
	$kind-set|1|SET of 500 bytes under 20000 keys$note
	$kind-get|1|GET of values of many sizes$note
	$kind-lpush|1|LPUSH of 100 bytes to one list$note
	$kind-lrange|1|LRANGE of 600 elements$note
	$kind-filled|1|a million keys of many sizes: memory is what is resident then$note
	$kind-thinned|1|any nine in ten of them deleted$note
	$kind-refilled|1|and set again to other sizes$note
	END
}

redis_check() {
	server=$(redis_server)
	[ -n "$server" ] || cannot "redis-server is not installed, and REDIS_SERVER is not set"
	[ -x "$server" ] || cannot "REDIS_SERVER: $server is no program"
	{ have redis-benchmark && have redis-cli; } ||
		cannot "redis-benchmark and redis-cli are not installed"
	case $("$server" --version 2>&1) in
	*malloc=libc*) ;;
	*malloc=jemalloc*)
		redis_links_jemalloc "$server" ||
			cannot "$server has jemalloc inside, which no preload replaces; build one with MALLOC=libc and set REDIS_SERVER"
		;;
	*) cannot "$server does not say which malloc it uses" ;;
	esac
	{ ! redis_links_jemalloc || have cc || have gcc; } ||
		cannot "there is no C compiler to take jemalloc out of redis"
}

# Debian's client is linked with it, too.
redis_links_jemalloc() {
	[ $# != 0 ] || set -- "$(redis_server)" "$(command -v redis-benchmark)"
	for file; do
		ldd "$file" 2>/dev/null | grep -q 'libjemalloc\.so\.2' && return
	done
	return 1
}

# What redis asks jemalloc for beside malloc; nothing of it matters here.
redis_no_jemalloc() {
	[ -e "$dir/lib/libjemalloc.so.2" ] && return
	mkdir -p "$dir/lib" || exit 1
	cat >"$dir/none.c" <<-'END'
	#include <stddef.h>
	int mallctl(const char *n, void *o, size_t *ol, void *p, size_t l)
	{ (void)n, (void)o, (void)ol, (void)p, (void)l; return 2; }
	void malloc_stats_print(void (*f)(void *, const char *), void *a, const char *o)
	{ (void)f, (void)a, (void)o; }
	size_t nallocx(size_t n, int flags)
	{ (void)flags; return n; }
	END
	compiler=$(command -v cc || command -v gcc)
	"$compiler" -shared -fPIC -o "$dir/none.so" "$dir/none.c" >"$dir/cc.log" 2>&1 ||
		die "$name: $compiler: $(head -n 1 "$dir/cc.log")"
	# A link: who looks for allocators in /proc/PID/maps finds none.
	ln -s ../none.so "$dir/lib/libjemalloc.so.2" || exit 1
}

# Then nothing with jemalloc runs any more, not even to look at it.
redis_ready() { [ -s "$dir/keys" ]; }

redis_prepare() {
	redis_ready && return
	if redis_links_jemalloc; then
		redis_no_jemalloc
	fi
	awk -v keys=$redis_keys 'BEGIN {
		x = 1
		for (text = "redis"; length(text) < 4096;)
			text = text text
		for (i = 0; i < keys; i++) {
			x = (x * 16807) % 2147483647
			size = x % 10 < 7 ? 10 + x % 90 : x % 10 < 9 ? 100 + x % 900 : 1000 + x % 3000
			printf "SET key:%012d %d%s\r\n", i, x, substr(text, 1, size)
		}
	}' >"$dir/keys.part" || die "$name: cannot write $dir/keys"
	mv "$dir/keys.part" "$dir/keys" || exit 1
}

redis_cli() { redis-cli -s "$socket" "$@"; }

redis_stop() {
	[ -z "$redis_pid" ] || kill -9 "$redis_pid" 2>/dev/null
	rm -f "$socket"
}

redis_fill() {
	redis_cli --pipe <keys >fill 2>&1
	grep -q 'errors: 0' fill || die "$name: $(tail -n 1 fill)"
}

# What the server has used of processor time, in ticks, and its minor faults.
redis_used() { sed 's/.*) //' "/proc/$redis_pid/stat" | awk '{ print $12, $13, $8 }'; }
redis_kib() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$redis_pid/status"; }

# REQUESTS ARGS of redis-benchmark: the measured part
redis_load() {
	requests=$1
	shift
	# shellcheck disable=SC2046 # three numbers
	set -- $(redis_used) "$@"
	user=$1 sys=$2 faults=$3
	shift 3
	redis-benchmark -s "$socket" -c 20 --csv --precision 3 -n "$requests" "$@" >csv 2>err ||
		die "$name: redis-benchmark: $(tail -n 1 err)"
	rate=$(tail -n 1 csv | tr -d '"' | cut -d , -f 2)
	# shellcheck disable=SC2046
	set -- $(redis_used)
	awk -v rate="$rate" -v n="$requests" -v user=$(($1 - user)) -v sys=$(($2 - sys)) \
		-v faults=$(($3 - faults)) -v tick="$(getconf CLK_TCK)" 'BEGIN {
			if (rate + 0 <= 0)
				exit 1
			printf "#metric wall_ns %.0f\n", n / rate * 1e9
			printf "#metric user_us %.0f\n#metric sys_us %.0f\n", user / tick * 1e6, sys / tick * 1e6
			printf "#metric minor_faults %d\n", faults
		}' || die "$name: redis-benchmark said '$(tail -n 1 csv)'"
}

# STAGE: all stages up to this one, then two seconds of peace
redis_age() {
	for stage in filled thinned refilled; do
		awk -v stage=$stage -v keys="$redis_aged" -f "$here/dice.awk" -f "$here/redis.awk" |
			redis_cli --pipe >fill 2>&1
		grep -q 'errors: 0' fill || die "$name: $(tail -n 1 fill)"
		[ $stage != "$1" ] || break
	done
	sleep 2
	redis_used | awk -v kib="$(redis_kib VmRSS)" -v tick="$(getconf CLK_TCK)" '{
		printf "#metric wall_ns %.0f\n", ($1 + $2) / tick * 1e9
		printf "#metric user_us %.0f\n#metric sys_us %.0f\n", $1 / tick * 1e6, $2 / tick * 1e6
		printf "#metric minor_faults %d\n#metric rss_peak_kib %d\n", $3, kib
	}'
}

redis_run() {
	server=$(redis_server)
	# A socket's path may have a hundred letters only, so it is relative.
	cd "$dir" || exit 1
	socket=redis.sock redis_pid=
	[ ! -d lib ] || export LD_LIBRARY_PATH="$dir/lib"
	rm -f $socket
	trap redis_stop EXIT
	trap 'exit 1' INT TERM HUP
	# shellcheck disable=SC2030,SC2031
	become "$server" --port 0 --unixsocket "$socket" --save '' --daemonize no \
		--enable-debug-command yes >server.log 2>&1 &
	redis_pid=$!
	tries=0
	until redis_cli ping 2>/dev/null | grep -q PONG; do
		tries=$((tries + 1))
		{ kill -0 $redis_pid 2>/dev/null && [ $tries -lt 200 ]; } ||
			die "$name: the server does not come up: $(tail -n 1 server.log)"
		sleep 0.05
	done
	case $name in
	*filled | *-thinned) redis_age "${name##*-}" ;;
	*) redis_fill ;;
	esac
	case $name in
	*-set) redis_load 650000 -P 32 -r $redis_keys -d 500 -t set ;;
	*-get) redis_load 800000 -P 32 -r $redis_keys -t get ;;
	*-lpush) redis_load 800000 -P 32 -d 100 -t lpush ;;
	*-lrange)
		redis-benchmark -s "$socket" -q -n 2000 -d 20 -t lpush >/dev/null 2>&1
		redis_load 16000 -P 4 lrange mylist 0 599
		;;
	esac
	redis_cli dbsize
	redis_cli llen mylist
	case $name in
	*filled | *-thinned) ;;
	*)
		redis_fill
		echo "#metric rss_peak_kib $(redis_kib VmHWM)"
		;;
	esac
	redis_cli debug digest
	redis_cli flushall >/dev/null
	sleep 0.2
	echo "#metric rss_after_kib $(redis_kib VmRSS)"
	redis_cli shutdown nosave >/dev/null 2>&1
	wait $redis_pid || die "$name: the server ended with $?: $(tail -n 1 server.log)"
	redis_pid=
}
