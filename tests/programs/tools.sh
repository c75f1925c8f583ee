#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 600
# A login session's worth of programs: coreutils, tar, xz, curl, apt-cache,
# man, gpg, ssh, gdb.
. "$(dirname "$0")/programs.sh"
text >"$tmp/text"
cd "$tmp" || exit 99
mkdir tree && (cd tree && split -n 200 ../text part)
find tree -exec touch -h -d '2024-01-01 00:00:00' {} +

same sort sort -k2,2n "$tmp/text"
same 'sort, parallel' sort --parallel=8 -S 3M -k5 "$tmp/text"
same 'sort -u' sort -u -k3,3n "$tmp/text"
same ls ls -laR --time-style=+ "$tmp/tree"
same find find "$tmp/tree" -name '*a' -printf '%s %f\n'
same grep grep -c -E '(line 1+|[0-9]{7}) .*99' "$tmp/text"
same sha256sum sha256sum "$tmp/text"
same wc wc "$tmp/text"
same tac tac "$tmp/text"
same od od -c -N 20000 "$tmp/text"
same join join "$tmp/text" "$tmp/text"
same cut cut -d ' ' -f 2,4 "$tmp/text"
same du du -ab "$tmp/tree"
same diff diff "$tmp/text" "$tmp/tree/partaa"
same env env -i A=1 /usr/bin/env
same date date -d '2024-02-29 12:00 UTC + 1 year' +%c
same factor factor 123456789012345678901234567890
same tar tar -C "$tmp" --sort=name -cf - tree
for z in 'gzip -nc' 'bzip2 -c' 'xz -c' 'xz -6e -T4 -c' 'zstd -qc'; do
	# shellcheck disable=SC2086
	same "$z" $z "$tmp/text"
done
xz -k "$tmp/text" 2>/dev/null && same 'xz -d' xz -dc "$tmp/text.xz"
same 'curl --version' curl --version
printf 'hello from a file\n' >"$tmp/hello"
same 'curl file:' curl -s "file://$tmp/hello"
same 'apt-cache policy' apt-cache policy bash
same 'apt-cache show' apt-cache show bash
same 'apt-cache search' apt-cache search '^libc6$'
same dpkg dpkg -l bash
export MANPAGER=cat PAGER=cat MANWIDTH=80
same man man -P cat man
same 'man -k' man -k zzznothing
same 'ssh -V' ssh -V
same ssh-keygen ssh-keygen -l -f /dev/null
export GNUPGHOME="$tmp/gnupg"
mkdir -m 700 "$GNUPGHOME"
same 'gpg --version' gpg --version
gpg --batch --no-autostart -k >/dev/null 2>&1	# makes its files
same 'gpg -k' gpg --batch --no-autostart -k
cat >"$tmp/key" <<'END'
%no-protection
Key-Type: eddsa
Key-Curve: ed25519
Name-Real: Test
Expire-Date: 0
%commit
END
if have gpg; then
	LD_PRELOAD=$preload timeout 60 gpg --batch -q --gen-key "$tmp/key" >"$tmp/gen" 2>&1 &&
		gpg --batch -k >/dev/null 2>&1 && same 'gpg -k, one key' gpg --batch --with-colons -k ||
		row_skip 'gpg, making a key' "$(tail -n 1 "$tmp/gen")"
	gpgconf --kill all >/dev/null 2>&1
fi
printf '#include <stdlib.h>\nint main(void)\n{\n\tchar *p = malloc(10);\n\tp[0] = 1;\n\treturn p[0] - 1;\n}\n' >"$tmp/d.c"
if have gdb && "${CC:-cc}" -g "$tmp/d.c" -o "$tmp/d" 2>/dev/null; then
	same 'gdb -batch' gdb -nx -batch -ex 'info line main' -ex 'list main' -ex 'ptype main' "$tmp/d"
	LD_PRELOAD=$preload timeout 100 gdb -nx -batch -ex 'set startup-with-shell off' -ex 'break main' -ex run -ex next -ex 'print p != 0' -ex continue "$tmp/d" >"$tmp/gdb.out" 2>&1
	grep -q '^\$1 = 1' "$tmp/gdb.out" && grep -q 'exited normally' "$tmp/gdb.out" &&
		row_ok 'gdb runs a program' || row_bad 'gdb runs a program' "$(tail -n 5 "$tmp/gdb.out")"
else
	row_skip gdb "no gdb or no compiler"
fi
finish
