#!/bin/sh
# SPDX-License-Identifier: MIT
# perl, lua, node, bash, awk: the same small programs with and without.
. "$(dirname "$0")/programs.sh"
cat >"$tmp/p.pl" <<'END'
use strict;
my %h; my @a;
for my $i (1 .. 100000) { $h{"key$i"} = "v" x ($i % 100); push @a, [$i, $h{"key$i"}]; }
my $s = join ",", map { $h{$_} } sort keys %h;
print length($s), " ", unpack("%32C*", $s), "\n";
for (1 .. 20) { my $big = $s x 3; substr($big, 5, 100000) = ""; print length($big), "\n"; }
$s =~ s/v{20,30}/x/g; print length($s), "\n";
my $pid = fork(); if (!$pid) { my @b = map { "c" x $_ } 1 .. 3000; exit 7; } waitpid($pid, 0); print $? >> 8, "\n";
END
same perl perl "$tmp/p.pl"
cat >"$tmp/p.lua" <<'END'
local t = {}
for i = 1, 200000 do t[i] = { i, tostring(i) .. string.rep("x", i % 40) } end
local n = 0
for i = 1, #t, 3 do n = n + #t[i][2]; t[i] = false end
collectgarbage()
local parts = {}
for i = 1, 50000 do parts[#parts + 1] = i * 7 % 1000 end
print(n, #table.concat(parts, ","), select(2, table.concat(parts):gsub("99", "")))
END
same lua5.4 lua5.4 "$tmp/p.lua"
cat >"$tmp/p.js" <<'END'
const crypto = require('crypto'), zlib = require('zlib');
let m = new Map();
for (let i = 0; i < 100000; i++) m.set('k' + i, { v: 'x'.repeat(i % 50) });
const s = JSON.stringify([...m]);
console.log(s.length, crypto.createHash('sha256').update(s).digest('hex'));
console.log(zlib.gunzipSync(zlib.gzipSync(s)).length);
const bufs = []; for (let i = 0; i < 500; i++) bufs.push(Buffer.alloc(i * 1000, i));
console.log(Buffer.concat(bufs).length);
const { Worker, isMainThread } = require('worker_threads');
let left = 4;
for (let i = 0; i < 4; i++)
	new Worker("const a=[];for(let i=0;i<50000;i++)a.push({i});require('worker_threads').parentPort.postMessage(a.length)", { eval: true })
		.on('message', n => { if (!--left) console.log('workers', n); });
END
same node node "$tmp/p.js"
cat >"$tmp/p.bash" <<'END'
declare -A h
for i in {1..20000}; do h[$i]="value $i"; done
s=; for i in {1..3000}; do s+="${h[$i]},"; done
echo "${#h[@]} ${#s} ${s//value/v}" | cksum
a=({1..50000}); echo "${a[@]: -3}"; printf '%s\n' "${a[@]}" | sort -r | head -n 3
f() { local x=$1; ((x > 0)) && f $((x - 1)); echo -n "$x "; }; f 50; echo
for i in 1 2 3 4 5; do (echo "sub $i" | tr a-z A-Z); done
END
same bash bash "$tmp/p.bash"
text >"$tmp/text"
same awk awk '{ n[$3]++; s[$3] = s[$3] substr($5, 1, 3) } END { for (i = 0; i < 97; i++) print i, n[i], length(s[i]) }' "$tmp/text"
same sed sed -n 's/line \([0-9]*\)$/\1 enil/p' "$tmp/text"
finish
