-- Adds one bounded part of the reservations and orders to a stock that is being armed, and counts their
-- units. An order that is there already is not counted again. A reservation that is there already is an
-- order: its record gets what the journal tells of the request.
-- KEYS: 1 stock, 2 customers, 3 due, 4 made, 5… one record a reservation
-- ARGV: 1 token, 2 term, 3 length of the record keys' prefix,
--       then per reservation: the record, the channel where those of its units are counted that name none
-- Returns {0}, {8, term} a later term has been here, {4} another caller arms, {9} another run of the server
local refused = not_arming(KEYS[1], ARGV[1], ARGV[2])
if refused then return refused end
local now = clock()
local prefix = ARGV[3] + 1
local records = redis.call('MGET', unpack(KEYS, 5))
local fresh, made, due, orders = {}, {}, {}, 0

local function put(key, text, ttl_ms)
  fresh[key] = text
  if ttl_ms then
    redis.call('SET', key, text, 'PX', ttl_ms)
  else
    redis.call('SET', key, text)
  end
end

-- The units of a record that is new, in the counter of its status.
local function count(r, channel)
  local counter = r.status == 'h' and 'held' or r.status == 'c' and 'sold' or r.committed == '1' and 'withheld'
  if not counter then return end
  for sku, n, drawn in string.gmatch(r.lines, DRAWN) do
    change(counter, sku, drawn ~= '' and drawn or channel, tonumber(n))
  end
  if r.status ~= 'f' then charge(r, 1) end
end

local function add_order(key, core, text, r, channel, was)
  local ttl_ms = (r.status == 'f' or r.committed ~= '0') and COMMITTED_KEEP_MS
  if was then
    local known = read_record(was)
    if r.status == 'c' and r.committed ~= '0' and known.status == 'c' and known.committed == '0' then put(key, text, ttl_ms) end
    return
  end
  put(key, text, ttl_ms)
  made[#made + 1] = core
  count(r, channel)
  if r.status == 'c' then orders = orders + 1 end
end

local function add_held(key, core, text, r, channel, was)
  if was then
    local o = read_record(was)
    if o.status == 'h' or o.epoch ~= r.epoch then return end
    o.created, o.expires, o.extensions, o.durability, o.payload = r.created, r.expires, r.extensions, r.durability, r.payload
    o.bearer = r.bearer
    text = write_record(o)
    fresh[key] = text
    redis.call('SET', key, text, 'KEEPTTL')
  elseif not lapsed(r, now) then
    put(key, text)
    made[#made + 1] = core
    due[#due + 1] = r.expires
    due[#due + 1] = core
    count(r, channel)
  end
end

for i = 1, #KEYS - 4 do
  local key, text, channel = KEYS[4 + i], ARGV[2 + 2 * i], ARGV[3 + 2 * i]
  local r = read_record(text)
  local add = r.status == 'h' and add_held or add_order
  add(key, string.sub(key, prefix), text, r, channel, fresh[key] or records[i])
end
if #made > 0 then redis.call('RPUSH', KEYS[4], unpack(made)) end
if #due > 0 then redis.call('ZADD', KEYS[3], unpack(due)) end
if orders > 0 then redis.call('HINCRBY', KEYS[1], 'orders', digits(orders)) end
write_stock(KEYS[1])
write_customers(KEYS[2])
return {0}
