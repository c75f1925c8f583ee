# SPDX-License-Identifier: MIT
# text.awk: `size` lines of text that looks written: words of a vocabulary,
# frequent ones more often, numbers, names and stretches that come again.
function often(  k) {
	k = below(10000)
	return words[int(k * k * k / 1000000000000 * 6000)]
}
BEGIN {
	x = 4711
	for (i = 0; i < 6000; i++)
		words[i] = syllables(2, 3)
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
