-- Sets how many units of an item are allocated, and moves what is available by the difference.
-- A pool never gets fewer units than it has held, sold and withheld; the other pools of the item make up
-- for it.
-- KEYS: 1 stock
-- ARGV: 1 epoch, 2 SKU, 3 units, 4 term, then pairs of channel and the units it should get
-- Returns {0}, {1} not ready, {2} another epoch, {9} another run, {3} unknown item,
--   {4} fewer than are held, sold and withheld, {8, term} a later term has been here
local sku = ARGV[2]
local state, head = read_head(KEYS[1], ARGV[1], 'pools|' .. sku, 'term')
if state ~= 0 then return {state} end
local later = later_term(KEYS[1], head[5], ARGV[4])
if later then return later end
if not head[4] then return {3} end
local wish = {}
for i = 5, #ARGV, 2 do wish[ARGV[i]] = tonumber(ARGV[i + 1]) end

local pools, wanted, needed, target = {}, 0, 0, tonumber(ARGV[3])
for channel in string.gmatch(head[4], '[^,]+') do
  local name = sku .. '|' .. channel
  local c = redis.call('HMGET', KEYS[1], 'held|' .. name, 'sold|' .. name, 'withheld|' .. name)
  local used = c[1] + c[2] + (c[3] or 0)
  local pool = {name = name, used = used, units = math.max(wish[channel] or 0, used)}
  pools[#pools + 1] = pool
  wanted, needed = wanted + pool.units, needed + used
end
if needed > target then return {4} end
for _, pool in ipairs(pools) do
  local spare = math.min(pool.units - pool.used, math.max(wanted - target, 0))
  pool.units, wanted = pool.units - spare, wanted - spare
end
if wanted < target then pools[1].units = pools[1].units + target - wanted end
for _, pool in ipairs(pools) do
  redis.call('HSET', KEYS[1], 'allocated|' .. pool.name, digits(pool.units),
    'available|' .. pool.name, digits(pool.units - pool.used))
end
return {0}
