# SPDX-License-Identifier: MIT
# redis.awk: a stage of a cache that ages: `filled` sets keys, `thinned` deletes
# any nine in ten of them, `refilled` sets those again to other sizes (as many
# bytes in all, about). Which key is how long depends on its number alone; they
# come in an order that is not the keys'.
BEGIN {
	for (text = "redis"; length(text) < 4096;)
		text = text text
	for (i = 0; i < keys; i++) {
		key = (i * 611953) % keys
		x = (key * 69621 + 1) % 2147483647
		below(1)
		kind = below(10)
		size = kind < 7 ? 10 + below(90) : kind < 9 ? 100 + below(900) : 1000 + below(3000)
		other = kind < 6 ? 100 + below(200) : 300 + below(600)
		if (stage == "filled")
			printf "SET key:%07d %s\r\n", key, substr(text, 1, size)
		else if (below(10) == 0)
			continue
		else if (stage == "thinned")
			printf "DEL key:%07d\r\n", key
		else
			printf "SET key:%07d %s\r\n", key, substr(text, 1, other)
	}
}
