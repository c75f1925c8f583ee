# SPDX-License-Identifier: MIT
# c.awk: a C file of `size` functions with what compilers meet: structures,
# switches, loops, arrays, calls of what stands before.
function var() { return substr("abcdefgh", 1 + below(8), 1) }
function expr(depth) {
	if (depth == 0)
		return below(2) ? var() : below(1000)
	if (below(6) == 0)
		return "table" below(32) "[(" expr(depth - 1) ") & 63]"
	return "(" expr(depth - 1) " " substr("+-*^&|", 1 + below(6), 1) " " expr(depth - 1) ")"
}
function statement(i,  k) {
	k = below(6)
	if (k == 0) {
		printf "\tfor (%s = 0; %s < %d; %s++)\n", "a", "a", 4 + below(60), "a"
		printf "\t\tb += %s;\n", expr(2)
	} else if (k == 1) {
		printf "\tswitch (%s & 7) {\n", expr(1)
		for (k = 0; k < 5; k++)
			printf "\tcase %d: %s = %s; break;\n", k, var(), expr(2)
		print "\tdefault: c ^= 1;\n\t}"
	} else if (k == 2 && i > 0) {
		printf "\t%s = f%d(n, %s, %s);\n", var(), below(i), expr(1), expr(1)
	} else if (k == 3) {
		printf "\tif (%s > %s)\n\t\tn->weight[%d] = %s;\n\telse if (n->next)\n\t\tn = n->next;\n",
			expr(2), expr(1), below(8), expr(1)
	} else {
		printf "\t%s = %s;\n", var(), expr(3)
	}
}
BEGIN {
	x = 815
	print "struct node { struct node *next; long weight[8]; const char *name; };"
	for (i = 0; i < 32; i++) {
		printf "static long table%d[64] = {", i
		for (k = 0; k < 64; k++)
			printf " %d,", below(100000)
		print " };"
	}
	for (i = 0; i < size; i++) {
		printf "long f%d(struct node *n, long a, long b)\n{\n", i
		printf "\tlong c = %d, d = a, e = b, f = a ^ b, g = n->weight[%d], h = 1;\n\n", below(99), below(8)
		for (s = 4 + below(8); s > 0; s--)
			statement(i)
		printf "\tn->name = \"the %d. function %d\";\n", i, below(1000000)
		printf "\treturn a + b + c + d + e + f + g + h;\n}\n\n"
	}
}
