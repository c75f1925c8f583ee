# SPDX-License-Identifier: MIT
# dice.awk: what the generators share: dice from the seed x, and made-up words.
function below(n) {
	x = (x * 16807) % 2147483647
	return int(x / 2147483647 * n)
}
function syllables(least, more,  i, w) {
	w = ""
	for (i = least + below(more); i > 0; i--)
		w = w substr("bdfgklmnprstvz", 1 + below(14), 1) substr("aeiou", 1 + below(5), 1)
	return w
}
