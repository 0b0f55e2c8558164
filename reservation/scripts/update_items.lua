-- Brings the items of a sale to a stock that is ready: limits are set, new items and new channels appear,
-- counters stay.
-- KEYS: 1 stock
-- ARGV: 1 term, 2 epoch, then per item: SKU, limit per customer, number of channels C, then C times: channel,
--   units
-- Returns {'0', SKUs whose channels changed…}, {'1'} not ready, {'2'} another epoch, {'8', term} a later term
--   has been here, {'9'} another run of the server
local state, head = read_head(KEYS[1], ARGV[2], 'term')
if state ~= 0 then return {string.format('%.0f', state)} end
local later = later_term(KEYS[1], head[4], ARGV[1])
if later then return {'8', string.format('%.0f', later[2])} end
local changed, a = {'0'}, 3

local function add_pool(name, units)
  redis.call('HSET', KEYS[1], 'allocated|' .. name, units, 'available|' .. name, units, 'held|' .. name, 0, 'sold|' .. name, 0)
end

while a <= #ARGV do
  local sku, channels = ARGV[a], tonumber(ARGV[a + 2])
  local known = redis.call('HGET', KEYS[1], 'pools|' .. sku)
  local have, list = {}, {}
  for channel in string.gmatch(known or '', '[^,]+') do
    have[channel] = true
    list[#list + 1] = channel
  end
  for i = 0, channels - 1 do
    local channel = ARGV[a + 3 + 2 * i]
    if not have[channel] then
      add_pool(sku .. '|' .. channel, known and '0' or ARGV[a + 4 + 2 * i])
      list[#list + 1] = channel
    end
  end
  if known and table.concat(list, ',') ~= known then changed[#changed + 1] = sku end
  redis.call('HSET', KEYS[1], 'pools|' .. sku, table.concat(list, ','), 'limit|' .. sku, ARGV[a + 1])
  a = a + 3 + 2 * channels
end
return changed
