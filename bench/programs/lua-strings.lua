-- SPDX-License-Identifier: MIT
-- Strings: built, cut, matched, replaced, counted.
local state = 7
local function below(n)
	state = state * 16807 % 2147483647
	return state % n
end
local function word()
	local out = {}
	for i = 1, 2 + below(3) do
		local c, v = below(14) + 1, below(5) + 1
		out[i] = ("bdfgklmnprstvz"):sub(c, c) .. ("aeiou"):sub(v, v)
	end
	return table.concat(out)
end

local lines, counts = {}, {}
for i = 1, 40000 do
	local text = { string.format("%06d", i) }
	for k = 1, 3 + below(6) do text[#text + 1] = word() end
	lines[i] = table.concat(text, " ")
end
for _, line in ipairs(lines) do
	for w in line:gmatch("%a+") do counts[w] = (counts[w] or 0) + 1 end
end
local keys = {}
for w in pairs(counts) do keys[#keys + 1] = w end
table.sort(keys, function(a, b)
	if counts[a] ~= counts[b] then return counts[a] > counts[b] end
	return a < b
end)
local sum = 0
for i, line in ipairs(lines) do
	local other = line:gsub("(%a)(%a)", "%2%1"):upper():reverse()
	sum = (sum * 31 + #other + other:byte(1 + i % #other)) % 4294967291
	lines[i] = other:rep(1 + i % 3, "/")
end
local text = ""
for i = 1, 3000 do
	text = text .. lines[i]:sub(1, 12)
end
for part in text:gmatch("[^/]+") do sum = (sum + #part * part:byte()) % 4294967291 end
local all = table.concat(lines, "\n")
local packed = {}
for i = 1, #all, 64 do
	packed[#packed + 1] = string.pack(">I4s2", i, all:sub(i, i + 40 + i % 20))
end
for _, p in ipairs(packed) do
	local i, s = string.unpack(">I4s2", p)
	sum = (sum + i + #s) % 4294967291
end
print("strings", sum, #keys, keys[1], counts[keys[1]], #all)
