# SPDX-License-Identifier: MIT
# text.awk: `size` lines of text that looks written: words of a vocabulary,
# frequent ones more often, numbers, names and stretches that come again.
function below(n) {
	x = (x * 16807) % 2147483647
	return int(x / 2147483647 * n)
}
function word(  i, w) {
	w = ""
	for (i = 2 + below(3); i > 0; i--)
		w = w substr("bdfgklmnprstvz", 1 + below(14), 1) substr("aeiou", 1 + below(5), 1)
	return w
}
function often(  k) {
	k = below(10000)
	return words[int(k * k * k / 1000000000000 * 6000)]
}
BEGIN {
	x = 4711
	for (i = 0; i < 6000; i++)
		words[i] = word()
	for (line = 0; line < size; line++) {
		if (line > 50 && below(40) == 0) {
			print kept[below(50)]
			continue
		}
		text = sprintf("%06d", line * 7)
		for (i = 4 + below(10); i > 0; i--)
			text = text " " often()
		if (below(5) == 0)
			text = text ", " words[below(6000)] " = " below(100000) ";"
		print text
		kept[line % 50] = text
	}
}
