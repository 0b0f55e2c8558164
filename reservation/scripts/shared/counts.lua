-- Changes of counters are added up over a batch and written once at its end.
local stock_changes, customer_changes, customers = {}, {}, {}

local function change(counter, sku, channel, by)
  local field = counter .. '|' .. sku .. '|' .. channel
  stock_changes[field] = (stock_changes[field] or 0) + by
end

-- Moves the units of a reservation from one counter of their pools to another.
local function move(r, from, to)
  for sku, n, drawn in string.gmatch(r.lines, DRAWN) do
    local channel = drawn ~= '' and drawn or r.channel
    change(from, sku, channel, 0 - n)
    change(to, sku, channel, tonumber(n))
  end
end

-- Adds the units of a reservation to what its customer has (sign 1), or takes them off (sign -1).
local function charge(r, sign)
  local mine = customer_changes[r.customer]
  if not mine then
    mine = {}
    customer_changes[r.customer] = mine
    customers[#customers + 1] = r.customer
  end
  for sku, n in string.gmatch(r.lines, '([^,=]+)=(%d+)') do mine[sku] = (mine[sku] or 0) + sign * n end
end

local function write_stock(key)
  for field, by in pairs(stock_changes) do
    if by ~= 0 then redis.call('HINCRBY', key, field, string.format('%.0f', by)) end
  end
end

local function write_customers(key)
  if #customers == 0 then return end
  local packed = redis.call('HMGET', key, unpack(customers))
  local set, gone = {}, {}
  for i, customer in ipairs(customers) do
    local units = read_units(packed[i])
    for sku, by in pairs(customer_changes[customer]) do units[sku] = (units[sku] or 0) + by end
    local text = write_units(units)
    if text then
      set[#set + 1] = customer
      set[#set + 1] = text
    else
      gone[#gone + 1] = customer
    end
  end
  if #set > 0 then redis.call('HSET', key, unpack(set)) end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
end
