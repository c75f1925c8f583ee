#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 600
# gcc (and clang) compile a large generated file: the objects are equal.
. "$(dirname "$0")/programs.sh"
awk 'BEGIN {
	print "#include <stdio.h>\n#include <string.h>"
	for (i = 0; i < 500; i++) {
		printf "struct s%d { int a[%d]; char b[%d]; struct s%d *next; };\n", i, i % 9 + 1, i % 30 + 1, i ? i - 1 : 0
		printf "int f%d(struct s%d *p, int n)\n{\n\tint s = 0;\n\tfor (int i = 0; i < n; i++) {\n", i, i
		printf "\t\ts += p->a[i %% %d] * %d;\n\t\tif (s > %d) { s ^= p->b[0]; memset(p->b, s, sizeof(p->b)); }\n", i % 9 + 1, i, i * 77
		printf "\t\tswitch (s & 7) { case 0: s++; break; case 1: s *= 3; break; case 5: printf(\"%%d %s\", s); break; default: s -= i; }\n", "text" i
		print "\t}\n\treturn s;\n}"
	}
	print "int main(void) { return 0; }"
}' >"$tmp/big.c"
for cc in gcc clang; do
	have $cc || { row_skip $cc "not installed"; continue; }
	cd "$tmp" || exit 99
	$cc -w -g -O1 -c big.c -o one.o || { row_skip $cc "fails without the preload"; continue; }
	if ! LD_PRELOAD=$preload $cc -w -g -O1 -c big.c -o two.o 2>"$tmp/err"; then
		row_bad $cc "exit $? under the preload: $(tail -n 5 "$tmp/err")"
	elif ! cmp -s one.o two.o; then
		row_bad $cc "the objects differ"
	elif ! served $cc -w -c -x c /dev/null -o three.o; then
		row_bad $cc "our heap did not serve it"
	else
		row_ok $cc
	fi
	if ! LD_PRELOAD=$preload $cc two.o -o prog 2>"$tmp/err" || ! ./prog; then
		row_bad "$cc linking" "$(tail -n 5 "$tmp/err")"
	else
		row_ok "$cc linking"
	fi
done
cat >"$tmp/t.cpp" <<'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>
int main()
{
	std::map<std::string, std::vector<int>> m;
	for (int i = 0; i < 100000; i++)
		m[std::to_string(i % 5000)].push_back(i);
	size_t n = 0;
	for (auto &p : m)
		n += p.second.size() * p.first.size();
	std::cout << n << ' ' << std::regex_replace(std::string(2000, 'a'), std::regex("a{10}"), "b").size() << '\n';
}
END
if have g++ && g++ -O1 "$tmp/t.cpp" -o "$tmp/one" && LD_PRELOAD=$preload g++ -O1 "$tmp/t.cpp" -o "$tmp/two"; then
	cmp -s "$tmp/one" "$tmp/two" && row_ok g++ || row_bad g++ "the programs differ"
	same "a C++ program" "$tmp/one"
else
	have g++ && row_bad g++ "fails" || row_skip g++ "not installed"
fi
finish
