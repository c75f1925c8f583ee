// SPDX-License-Identifier: MIT
// Buffers, hashes and compression: memory outside of the engine's own heap.
'use strict';
const zlib = require('zlib');
const crypto = require('crypto');
let state = 5;
function below(n) {
	state = state * 16807 % 2147483647;
	return state % n;
}
const total = crypto.createHash('sha256');
const kept = [];
for (let n = 0; n < 2600; n++) {
	const size = 200 + below(below(10) ? 6000 : 90000);
	const b = Buffer.alloc(size);
	for (let i = 0; i < size; i += 4)
		b.writeUInt32LE(below(1 << 20), i > size - 4 ? size - 4 : i);
	const packed = zlib.deflateRawSync(b, { level: 1 });
	kept.push(packed);
	if (kept.length > 200) {
		const old = zlib.inflateRawSync(kept.splice(below(200), 1)[0]);
		total.update(crypto.createHash('md5').update(old).digest());
		const text = old.toString('base64');
		total.update(Buffer.from(text, 'base64').subarray(0, 64));
	}
	if (n % 50 === 0)
		total.update(Buffer.concat(kept.slice(0, 40)));
}
console.log('buffers', total.digest('hex'), kept.length);
