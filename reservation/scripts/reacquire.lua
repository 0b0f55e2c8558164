-- Takes the units of a failed order again, all or none, so that the order can be sent to the ledger once
-- more.
-- KEYS: 1 stock, 2 customers, 3 made, 4 record
-- ARGV: 1 epoch, 2 the record's epoch, 3 member of made
-- Returns {0} the order has its units (or had them), {1} not ready, {2} another epoch, {9} another run,
--   {3} unknown, {4} not an order, {5, SKU} sold out, {6, SKU} limit of the item, {7} limit of the sale
local state, head = read_head(KEYS[1], ARGV[1], 'per_customer')
if state ~= 0 then return {state} end
local text = redis.call('GET', KEYS[4])
local r = text and read_record(text)
if not r or r.epoch ~= ARGV[2] then return {3} end
if r.status == 'c' then return {0} end
if r.status ~= 'f' then return {4} end

local from = r.committed == '1' and 'withheld' or 'available'
local units, total = read_units(redis.call('HGET', KEYS[2], r.customer)), 0
for sku, n, drawn in string.gmatch(r.lines, DRAWN) do
  local c = redis.call('HMGET', KEYS[1], from .. '|' .. sku .. '|' .. (drawn ~= '' and drawn or r.channel), 'limit|' .. sku)
  if tonumber(c[1] or 0) < tonumber(n) then return {5, sku} end
  local limit = tonumber(c[2] or 0)
  units[sku] = (units[sku] or 0) + n
  if limit > 0 and units[sku] > limit then return {6, sku} end
end
local limit = tonumber(head[4] or 0)
for _, n in pairs(units) do total = total + n end
if limit > 0 and total > limit then return {7} end

r.status, r.committed = 'c', '0'
redis.call('SET', KEYS[4], write_record(r))
redis.call('RPUSH', KEYS[3], ARGV[3])
move(r, from, 'sold')
charge(r, 1)
write_stock(KEYS[1])
write_customers(KEYS[2])
return {0}
