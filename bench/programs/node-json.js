// SPDX-License-Identifier: MIT
// Objects, JSON, maps and strings: most of it in the engine's own heap.
'use strict';
let state = 99;
function below(n) {
	state = state * 16807 % 2147483647;
	return state % n;
}
function document(n) {
	return {
		id: n, name: 'user-' + below(10000), score: below(1000) / 8,
		tags: Array.from({ length: below(8) }, () => 't' + below(100)),
		orders: Array.from({ length: below(6) }, (_, k) => ({ item: below(5000), count: k, text: 'x'.repeat(below(80)) })),
	};
}
function hash(text, h) {
	for (let i = 0; i < text.length; i += 13)
		h = Math.imul(h ^ text.charCodeAt(i), 16777619);
	return h >>> 0;
}
let check = 2166136261;
const cache = new Map();
for (let round = 0; round < 22; round++) {
	const batch = [];
	for (let k = 0; k < 2500; k++)
		batch.push(document(round * 2500 + k));
	const text = JSON.stringify(batch);
	const back = JSON.parse(text);
	back.sort((a, b) => a.score - b.score || a.id - b.id);
	for (const d of back) {
		cache.set(d.name, d);
		if (cache.size > 4000)
			cache.delete(cache.keys().next().value);
	}
	check = hash(text, check);
	const words = text.split(/[^a-z0-9]+/).map((w) => w.toUpperCase()).filter((w) => w.length > 3);
	check = hash(new Set(words).size + words.slice(0, 50).join(), check);
}
console.log('json', check, cache.size);
