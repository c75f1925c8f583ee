-- SPDX-License-Identifier: MIT
-- Trees, closures, objects with metatables, queues: tables that come and go.
local state = 42
local function below(n)
	state = state * 16807 % 2147483647
	return state % n
end

local function tree(depth)
	if depth == 0 then return {} end
	return { tree(depth - 1), tree(depth - 1), depth = depth }
end
local function count(node)
	if not node[1] then return 1 end
	return 1 + count(node[1]) + count(node[2])
end

local Account = {}
Account.__index = Account
function Account.new(id)
	return setmetatable({ id = id, balance = 0, log = {} }, Account)
end
function Account:pay(amount)
	self.balance = self.balance + amount
	self.log[#self.log + 1] = { amount = amount, after = self.balance }
	if #self.log > 20 then self.log = { self.log[#self.log] } end
end

local sum = 0
local long = tree(15)
for i = 1, 14 do
	sum = sum + count(tree(13))
end
local accounts = {}
for i = 1, 400000 do
	local id = below(20000)
	local a = accounts[id]
	if not a then a = Account.new(id); accounts[id] = a end
	a:pay(below(100))
	if below(50) == 0 then accounts[id] = nil end
end
for id = 0, 19999 do
	if accounts[id] then sum = sum + accounts[id].balance + #accounts[id].log end
end
local waiting, first, last = {}, 1, 0
for i = 1, 300000 do
	local n = below(1000)
	last = last + 1
	waiting[last] = function(x) return x + n, { n, x } end
	if last - first > 500 then
		local value, pair = waiting[first](i)
		sum = sum + value + pair[1]
		waiting[first] = nil
		first = first + 1
	end
end
local threads = {}
for i = 1, 20000 do
	threads[i % 100 + 1] = coroutine.wrap(function(a)
		for k = 1, 3 do a = a + coroutine.yield(a * k) end
		return a
	end)
	sum = sum + threads[i % 100 + 1](i) + threads[i % 100 + 1](1)
end
print("trees", sum, count(long))
