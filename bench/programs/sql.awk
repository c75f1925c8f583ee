# SPDX-License-Identifier: MIT
# sql.awk: a shop of `size` orders: single inserts, bulk inserts, indexes,
# joins, updates, deletes, text and blobs. All results are numbers or sorted.
function name() { return syllables(1, 4) }
BEGIN {
	x = 99
	print "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, city TEXT, notes TEXT);"
	print "CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INT, day INT, total REAL, state TEXT);"
	print "CREATE TABLE lines(orders INT, item TEXT, count INT, price REAL);"
	customers = int(size / 8)
	print "BEGIN;"
	for (i = 0; i < customers; i++)
		printf "INSERT INTO customers VALUES(%d,'%s %s','%s','%s');\n", i, name(), name(),
			name(), name() " " name() " " name()
	for (i = 0; i < size; i++) {
		printf "INSERT INTO orders VALUES(%d,%d,%d,%d.%02d,'%s');\n", i, below(customers),
			below(365), below(1000), below(100), substr("newsenoldbad", 1 + 3 * below(4), 3)
		if (i % 2 == 0)
			printf "INSERT INTO lines VALUES(%d,'%s',%d,%d.5),(%d,'%s',%d,%d.25);\n", i, name(),
				1 + below(9), below(90), i, name(), 1 + below(9), below(90)
	}
	print "COMMIT;"
	print "CREATE INDEX by_customer ON orders(customer, day);"
	print "CREATE INDEX by_order ON lines(orders);"
	print "CREATE INDEX by_name ON customers(name);"
	print "SELECT count(*), sum(total) > 0, min(day), max(day) FROM orders;"
	print "SELECT state, count(*), round(avg(total), 3) FROM orders GROUP BY state ORDER BY state;"
	print "SELECT city, count(*) n FROM customers JOIN orders ON customer = customers.id"
	print "  GROUP BY city ORDER BY n DESC, city LIMIT 10;"
	print "SELECT count(*), round(sum(count * price), 1) FROM orders JOIN lines ON lines.orders = orders.id"
	print "  WHERE day BETWEEN 50 AND 250;"
	for (i = 0; i < size / 6; i++) {
		printf "UPDATE customers SET notes = (SELECT count(*) || ' / ' || total(day) FROM orders WHERE customer = %d AND day > %d) WHERE id = %d;\n",
			below(customers), below(365), below(customers)
		printf "UPDATE orders SET total = total + %d, state = 'upd' WHERE customer = %d;\n",
			below(50), below(customers)
		if (i % 4 == 0)
			printf "DELETE FROM lines WHERE orders = %d;\n", below(size)
	}
	print "SELECT count(*), round(sum(total), 1) FROM orders WHERE state = 'upd';"
	print "BEGIN;"
	print "CREATE TABLE log AS WITH RECURSIVE n(i, r) AS (SELECT 1, 7 UNION ALL"
	printf "  SELECT i + 1, (r * 16807) %% 2147483647 FROM n WHERE i < %d)\n", size * 5
	print "  SELECT i, r, printf('%08x-%d', r, i) AS t, zeroblob(r % 300) AS b FROM n;"
	print "CREATE INDEX log_t ON log(t);"
	print "COMMIT;"
	print "SELECT count(*), sum(length(t)), sum(length(b)) FROM log;"
	print "SELECT substr(t, 1, 2) p, count(*) c FROM log GROUP BY p ORDER BY c DESC, p LIMIT 5;"
	print "SELECT length(group_concat(t, ',')) FROM (SELECT t FROM log ORDER BY r);"
	print "SELECT count(*) FROM (SELECT DISTINCT r % 9973 FROM log);"
	print "DELETE FROM log WHERE r % 3 = 0;"
	print "UPDATE log SET t = upper(t) || substr(t, 3) WHERE r % 5 = 1;"
	print "SELECT count(*), sum(length(t)) FROM log WHERE t LIKE '%A%B%';"
	print "WITH d(day, s) AS (SELECT day, sum(total) FROM orders GROUP BY day)"
	print "  SELECT round(max(m), 2) FROM (SELECT avg(s) OVER (ORDER BY day ROWS 6 PRECEDING) m FROM d);"
	print "SELECT json_array_length(json_group_array(json_object('i', i, 't', t))) FROM log;"
	print "DROP TABLE log;"
	print "VACUUM;"
	print "PRAGMA integrity_check;"
}
