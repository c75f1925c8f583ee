#!/bin/sh
# SPDX-License-Identifier: MIT
# sqlite3: tables, indices, a sort that spills, the dump of it all.
. "$(dirname "$0")/programs.sh"
cat >"$tmp/q.sql" <<'END'
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO t SELECT i, printf('row %d %s', i * 7919 % 100003, substr('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', 1, i % 40)), i / 3.0 FROM n;
CREATE INDEX ib ON t(b);
SELECT count(*), sum(length(b)), round(sum(c), 2) FROM t;
SELECT b FROM t ORDER BY b DESC LIMIT 5;
SELECT substr(b, 1, 6) k, count(*) FROM t GROUP BY k ORDER BY 2 DESC, 1 LIMIT 10;
SELECT count(*) FROM t x JOIN t y ON x.b = y.b;
DELETE FROM t WHERE a % 3 = 0;
VACUUM;
SELECT length(group_concat(b)) FROM t;
PRAGMA integrity_check;
END
same sqlite3 sqlite3 :memory: ".read $tmp/q.sql"
finish
