-- Decides a batch of reservations in their order, each all or nothing.
-- A pass belongs to the customer of its first reservation (see bound.lua).
-- KEYS: 1 stock, 2 customers, 3 due, 4 gate (any key of the sale when no request has a pass), 5 made, 6…
--   one record a request
-- ARGV: 1 epoch, 2 length of the record keys' prefix, 3 number of pools P, then P times: SKU, channel, number of
--       sources S, then S times: pool (1…P) whose units this one may sell when it has none, from when on (ms);
--       then per request: customer, pass ('' = none is needed), record tail, number of lines L, then L times: pool
--       (1…P), units; then 'probe' if it is one, else ''. A probe decides and holds nothing. Then, while people wait
--       to be admitted, per request: when its pass was issued (s), by which it may take what was set aside before
--       (see aside.lua); else anyone may.
-- Returns {0, now, expires, one result a request}, {1} not ready, {2} another epoch, {9} another run.
-- A result is 0 for a new reservation, {lines} for a new one with units of other channels (see record.lua), the
-- record's text for one that exists, or kind * 1000 + line, the line from 0:
--   1 not open, 2 paused, 3 pass invalid, 4 limit of the item, 5 limit of the sale, 10 pool not armed,
--   11 the pass belongs to another customer,
--   6 sold out, +1 when units may come (held by others, set aside for others, or of a source that is not in force
--   yet), +2 when the pool itself has nothing left
local PARTS_MOST = 100 -- into how many parts the lines of a reservation may be divided
local now = clock()
local pools = tonumber(ARGV[3])
local fields = {'ready', 'run', 'epoch', 'open', 'paused', 'starts_ms', 'ends_ms', 'ttl_ms', 'per_customer', 'bound'}
local FIXED = #fields
local sku_of, channel_of, names, sources, a = {}, {}, {}, {}, 4
for i = 1, pools do
  local name = ARGV[a] .. '|' .. ARGV[a + 1]
  sku_of[i], channel_of[i], names[i] = ARGV[a], ARGV[a + 1], name
  local f = FIXED + i * 4 - 4
  fields[f + 1], fields[f + 2], fields[f + 3], fields[f + 4] = 'available|' .. name, 'held|' .. name, 'limit|' .. ARGV[a], 'aside|' .. name
  local count = tonumber(ARGV[a + 2])
  if count > 0 then
    local list = {}
    for k = 1, count do list[k] = {pool = tonumber(ARGV[a + 1 + 2 * k]), from = tonumber(ARGV[a + 2 + 2 * k])} end
    sources[i] = list
  end
  a = a + 3 + 2 * count
end
local stock = redis.call('HMGET', KEYS[1], unpack(fields))
local state = state_of(stock[1], stock[2], stock[3], ARGV[1])
if state ~= 0 then return {state} end

local available, held, limit, lots, some_aside, touched = {}, {}, {}, {}, false, {}
for i = 1, pools do
  local f = FIXED + i * 4 - 4
  available[i], held[i], limit[i] = tonumber(stock[f + 1]), tonumber(stock[f + 2]), tonumber(stock[f + 3] or 0)
  if stock[f + 4] and stock[f + 4] ~= '' then lots[i], some_aside = read_lots(stock[f + 4], now), true end
end
local closed = 0
if stock[4] ~= '1' or now < tonumber(stock[6]) or now >= tonumber(stock[7]) then
  closed = 1000
elseif stock[5] == '1' then
  closed = 2000
end
local sale_limit = tonumber(stock[9] or 0)
local expires = now + tonumber(stock[8])

-- One read each for all records, customers and passes of the batch.
local count = #KEYS - 5
local records = redis.call('MGET', unpack(KEYS, 6))
local at, customers, passes, rank = {}, {}, {}, {}
for i = 1, count do
  at[i], customers[i] = a, ARGV[a]
  local pass = ARGV[a + 1]
  if pass ~= '' and not rank[pass] then
    passes[#passes + 1] = pass
    rank[pass] = #passes
  end
  a = a + 4 + 2 * ARGV[a + 3]
end
for i, pass in ipairs(passes) do customers[count + i] = bound_name(pass) end
local packed = redis.call('HMGET', KEYS[2], unpack(customers))
local gate = #passes > 0 and redis.call('ZMSCORE', KEYS[4], unpack(passes))
local bound, bound_now = {}, {}
for i, pass in ipairs(passes) do
  local text = packed[count + i]
  bound[pass] = text and read_bound(text)
end

local units_of, fresh, results = {}, {}, {0, now, expires}
local head = 'h ' .. ARGV[1] .. ' ' .. digits(now) .. ' ' .. digits(expires) .. ' 0 '
local prefix = ARGV[2] + 1
local new_records, new_due, new_cores, new_bound = {}, {}, {}, 0

local function add_due(ms, member)
  local n = #new_due
  new_due[n + 1], new_due[n + 2] = ms, member
end

-- Notes that the pass of request i has made a reservation. It belongs to its customer until it is over at the latest,
-- renewals included: the record says when that is.
local function bind(i, pass, core)
  local b = bound[pass]
  bound_now[pass] = true
  if b then return add_bound(b, core) end
  local last_end = tonumber(string.match(ARGV[at[i] + 2], '/(%d+)$') or 0)
  local until_ms = digits(math.max(gate[rank[pass]], last_end))
  bound[pass] = {customer = customers[i], until_ms = until_ms, cores = core}
  add_due(until_ms, bound_name(pass))
  new_bound = new_bound + 1
end

local function is_open(source) return now >= source.from and available[source.pool] ~= nil end

-- When the pass of request i was issued, if units are kept from it.
local function issued_at(i) return some_aside and tonumber(ARGV[a + i]) end

-- How many units of a pool a pass of this time of issue may take: what is set aside for later ones it may not.
local function free_for(pool, issued)
  local left = available[pool] or 0
  if issued and lots[pool] then
    for _, lot in ipairs(lots[pool]) do
      if lot.at >= issued then left = left - lot.units end
    end
  end
  return math.max(left, 0)
end

-- Why a pool cannot give n units: nothing when it can, with those of its sources, else the kind.
local function lacks(pool, n, issued)
  local left = free_for(pool, issued)
  if left >= n then return end
  local sum, may_come = left, held[pool] > 0 or available[pool] > left
  for _, source in ipairs(sources[pool] or {}) do
    local units = free_for(source.pool, issued)
    if is_open(source) then
      sum = sum + units
    elseif units > 0 then
      may_come = true
    end
    may_come = may_come or (held[source.pool] or 0) > 0 or (available[source.pool] or 0) > units
  end
  if sum >= n then return end
  return 6000 + (may_come and 1000 or 0) + (available[pool] <= 0 and 2000 or 0)
end

-- Holds n units; what was set aside for this pass goes first, so that the others stay free for anyone.
local function hold(pool, n, issued)
  available[pool], held[pool], touched[pool] = available[pool] - n, held[pool] + n, true
  if not lots[pool] then return end
  for _, lot in ipairs(lots[pool]) do
    local part = (not issued or lot.at < issued) and math.min(lot.units, n) or 0
    lot.units, n = lot.units - part, n - part
  end
end

-- Takes n units: those of the pool, then those of its sources in their order. Adds the parts that are of others.
local function draw(pool, n, issued, parts)
  local own = math.min(n, free_for(pool, issued))
  if own > 0 then
    hold(pool, own, issued)
    parts[#parts + 1] = sku_of[pool] .. '=' .. digits(own)
  end
  n = n - own
  for _, source in ipairs(sources[pool] or {}) do
    local part = is_open(source) and math.min(n, free_for(source.pool, issued)) or 0
    if part > 0 then
      hold(source.pool, part, issued)
      parts[#parts + 1] = sku_of[pool] .. '=' .. digits(part) .. '@' .. channel_of[source.pool]
      parts.drawn, n = true, n - part
    end
  end
end

-- How many parts the lines of request p have at most.
local function parts_of(p, lines, issued)
  local most = lines
  for line = 0, lines - 1 do
    local pool = tonumber(ARGV[p + 4 + 2 * line])
    if free_for(pool, issued) < tonumber(ARGV[p + 5 + 2 * line]) then most = most + #sources[pool] end
  end
  return most
end

-- Decides request i: 0, or the reason against it; and the lines, when units of other channels are among them.
local function decide(i)
  local p = at[i]
  if closed > 0 then return closed end
  local pass = ARGV[p + 1]
  if pass ~= '' then
    local until_ms = gate[rank[pass]]
    if not until_ms or tonumber(until_ms) <= now then return 3000 end
    if bound[pass] and bound[pass].customer ~= customers[i] then return 11000 end
  end
  local issued, lines = issued_at(i), tonumber(ARGV[p + 3])
  for line = 0, lines - 1 do
    local pool, n = tonumber(ARGV[p + 4 + 2 * line]), tonumber(ARGV[p + 5 + 2 * line])
    if not available[pool] then return 10000 + line end
    local kind = lacks(pool, n, issued)
    if kind then return kind + line end
  end
  if parts_of(p, lines, issued) > PARTS_MOST then return 6000 end
  local customer = customers[i]
  local units = units_of[customer]
  if not units then
    units = read_units(packed[i])
    units_of[customer] = units
  end
  local total = 0
  for line = 0, lines - 1 do
    local pool, n = tonumber(ARGV[p + 4 + 2 * line]), tonumber(ARGV[p + 5 + 2 * line])
    local most = limit[pool]
    if most > 0 and (units[sku_of[pool]] or 0) + n > most then return 4000 + line end
    total = total + n
  end
  if sale_limit > 0 then
    for _, n in pairs(units) do total = total + n end
    if total > sale_limit then return 5000 end
  end
  local parts = {}
  for line = 0, lines - 1 do
    local pool, n = tonumber(ARGV[p + 4 + 2 * line]), tonumber(ARGV[p + 5 + 2 * line])
    draw(pool, n, issued, parts)
    local sku = sku_of[pool]
    units[sku] = (units[sku] or 0) + n
  end
  return 0, parts.drawn and table.concat(parts, ',')
end

for i = 1, count do
  local key = KEYS[5 + i]
  local known = records[i] or fresh[key]
  local result = known
  if not known then
    local drawn
    result, drawn = decide(i)
    if result == 0 then
      local tail = ARGV[at[i] + 2]
      if drawn then
        local before, after = string.match(tail, '^(%S+ %S+ %S+ %S+ )%S+( %S+)$')
        tail, result = before .. drawn .. after, {drawn}
      end
      local text = head .. tail
      fresh[key] = text
      local n = #new_records
      new_records[n + 1], new_records[n + 2] = key, text
      local core = string.sub(key, prefix)
      add_due(digits(expires), core)
      new_cores[#new_cores + 1] = core
      if ARGV[at[i] + 1] ~= '' then bind(i, ARGV[at[i] + 1], core) end
    end
  end
  results[3 + i] = result
end
if #new_records == 0 or ARGV[a] == 'probe' then return results end

-- One write each.
local counters, packed_units = {}, {}
for i in pairs(touched) do
  local n = #counters
  counters[n + 1], counters[n + 2] = 'available|' .. names[i], digits(available[i])
  counters[n + 3], counters[n + 4] = 'held|' .. names[i], digits(held[i])
  if lots[i] then counters[n + 5], counters[n + 6] = 'aside|' .. names[i], write_lots(lots[i]) end
end
for customer, units in pairs(units_of) do
  local text = write_units(units)
  if text then
    local n = #packed_units
    packed_units[n + 1], packed_units[n + 2] = customer, text
  end
end
for pass in pairs(bound_now) do
  local n = #packed_units
  packed_units[n + 1], packed_units[n + 2] = bound_name(pass), write_bound(bound[pass])
end
if new_bound > 0 then
  local n = #counters
  counters[n + 1], counters[n + 2] = 'bound', digits(tonumber(stock[FIXED] or 0) + new_bound)
end
redis.call('MSET', unpack(new_records))
redis.call('ZADD', KEYS[3], unpack(new_due))
redis.call('RPUSH', KEYS[5], unpack(new_cores))
redis.call('HSET', KEYS[2], unpack(packed_units))
redis.call('HSET', KEYS[1], unpack(counters))
return results
