#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 900
# Programs that take memory with mmap themselves, in every mode of the option
# mmap: the same output as without the preload.
. "$(dirname "$0")/programs.sh"
plain=${BUDDYMALLOC_CONF-}
cat >"$tmp/arenas.py" <<'END'
import hashlib, mmap, os, threading
h = hashlib.sha256()
for i in range(200):
    m = mmap.mmap(-1, (i % 17 + 1) * 65536, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    m.write(bytes([i]) * 1000)
    if i % 3 == 0 and hasattr(m, "resize"):
        m.resize(len(m) * 2)
        m[-1] = 7
    m.seek(0)
    h.update(m.read(2000) + m[-1:])
    if i % 5:
        m.close()
data = [[{"k": j, "v": "x" * (j % 50)} for j in range(3000)] for i in range(10)]
def work(n):
    global total
    a = [bytes(n * 1000) for _ in range(300)]
    out[n] = sum(map(len, a))
out = {}
ts = [threading.Thread(target=work, args=(n,)) for n in range(6)]
[t.start() for t in ts]; [t.join() for t in ts]
pid = os.fork()
if not pid:
    m = mmap.mmap(-1, 1 << 20); m[5] = 5; os._exit(m[5])
print(h.hexdigest(), len(data), sorted(out.items()), os.waitpid(pid, 0)[1])
with open("/proc/self/maps", "rb") as f:
    print(len(f.read()) > 1000)
END
cat >"$tmp/work.js" <<'END'
const zlib = require('zlib'), { Worker } = require('worker_threads');
let m = new Map(), bufs = [];
for (let i = 0; i < 100000; i++) m.set('k' + i, { v: 'x'.repeat(i % 50) });
const s = JSON.stringify([...m]);
for (let i = 0; i < 300; i++) bufs.push(new ArrayBuffer(i * 10000));
console.log(s.length, zlib.gunzipSync(zlib.gzipSync(s)).length, bufs.reduce((n, b) => n + b.byteLength, 0));
let left = 3;
for (let i = 0; i < 3; i++)
	new Worker("const a=[];for(let i=0;i<50000;i++)a.push({i});require('worker_threads').parentPort.postMessage(a.length)", { eval: true })
		.on('message', n => { if (!--left) console.log('workers', n); });
END
cat >"$tmp/Work.java" <<'END'
import java.util.*;
public class Work {
	public static void main(String[] a) throws Exception {
		Map<Integer, String> m = new HashMap<>();
		for (int i = 0; i < 200000; i++) m.put(i, "v" + i % 1000);
		long n = 0;
		for (int r = 0; r < 50; r++) { byte[][] b = new byte[100][]; for (int i = 0; i < 100; i++) { b[i] = new byte[10000 + i]; n += b[i].length; } }
		java.nio.ByteBuffer d = java.nio.ByteBuffer.allocateDirect(8 << 20);
		d.put(5, (byte) 7);
		System.out.println(m.size() + " " + n + " " + d.get(5) + d.get(6));
	}
}
END
cat >"$tmp/work.sql" <<'END'
PRAGMA mmap_size=67108864;
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 60000)
	INSERT INTO t SELECT x, printf('%08x-%d', x * 2654435761, x % 97) FROM c;
CREATE INDEX i ON t(b);
SELECT count(*), sum(length(b)), min(b), max(b) FROM t WHERE b LIKE '%-5%';
DELETE FROM t WHERE a % 3 = 0; VACUUM;
SELECT count(*), max(a) FROM t; PRAGMA integrity_check;
END
cat >"$tmp/work.rb" <<'END'
n = 0
20.times { |r| a = (1..20000).map { |i| { k: i, v: "x" * (i % 50), l: [i, i.to_s] } }; n += a.sum { |h| h[:v].size + h[:l][1].size }; a = nil; GC.start if r % 5 == 0 }
puts n, Array.new(8) { |t| Thread.new { (1..20000).map { |i| i.to_s * (t + 1) }.join.size } }.map(&:value).inspect
pid = fork { exit((1..1000).map(&:to_s).size % 100 + 3) }
Process.wait pid; puts $?.exitstatus
END
cat >"$tmp/work.php" <<'END'
<?php
for ($n = 0, $r = 0; $r < 20; $r++) {
	$a = [];
	for ($i = 0; $i < 20000; $i++) $a[] = ['k' => $i, 'v' => str_repeat('x', $i % 50), 's' => (string)$i];
	foreach ($a as $e) $n += strlen($e['v']) + strlen($e['s']);
	if ($r % 2) { unset($a); gc_collect_cycles(); gc_mem_caches(); }
	$b = str_repeat('y', 3000000 + $r * 100000); $n += strlen($b);
}
echo $n, "\n", md5(serialize(array_slice($a ?? [1, 2], 0, 1000))), "\n";
END
# A database of its own, made, filled and read by the servers' single-user mode.
cat >"$tmp/pg.sh" <<'END'
bin=$(dirname "$(readlink -f "$(command -v initdb)")")
rm -rf "$1"
mkdir "$1" && [ "$(id -u)" = 0 ] && { chown nobody "$1"; as='setpriv --reuid nobody --clear-groups'; }
cd /
$as "$bin/initdb" -D "$1/db" -A trust -N >/dev/null || exit 1
echo 'create table t as select g a, md5(g::text) b from generate_series(1,20000) g; select count(*), max(b) from t;' |
	$as "$bin/postgres" --single -D "$1/db" postgres 2>/dev/null | grep =
END
for mode in off track place serve; do
	BUDDYMALLOC_CONF=${plain:+$plain,}mmap:$mode
	export BUDDYMALLOC_CONF
	same "python3, mmap:$mode" python3 "$tmp/arenas.py"
	same "node, mmap:$mode" node "$tmp/work.js"
	same "java, mmap:$mode" java "$tmp/Work.java"
	same "perl, mmap:$mode" perl -e '@a = map { "x" x ($_ * 100) } 1..3000; $s = join "", @a; print length $s, "\n"; if (!($p = fork)) { exit 3 } waitpid $p, 0; print $? >> 8, "\n"'
	same "ruby, mmap:$mode" ruby "$tmp/work.rb"
	same "sqlite3 with mmap, mmap:$mode" sh -c "rm -f $tmp/db; sqlite3 $tmp/db <$tmp/work.sql"
	# Without extensions: they are opened with RTLD_DEEPBIND, and free our
	# blocks by libc's free.
	same "php, mmap:$mode" php -n "$tmp/work.php"
	unserved=1 same "postgres, mmap:$mode" sh -c "command -v initdb >/dev/null || exit 0; sh $tmp/pg.sh $tmp/pg"
done
finish
