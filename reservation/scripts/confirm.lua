-- Turns a batch of held reservations into orders: confirmed, and in the outbox, in one step.
-- KEYS: 1 stock, 2 due, 3 order keys, 4 outbox, 5… one record a request
-- ARGV: 1 epoch, 2 length of the record keys' prefix,
--       then per request: the record's epoch, hash of the idempotency key, hash of the payload, proof, the order
-- Returns {0, now, one result a request}, {1} not ready, {2} another epoch, {9} another run. A result is
--   {0, record} now confirmed · {1, record} confirmed before by the same request, published or failed
--   {2, record, order} the same, and the order still waits in the outbox
--   or a number: 1 unknown, 2 expired, 3 released, 4 ordered with another payload, 5 key used otherwise,
--   6 not the caller's
local state = read_head(KEYS[1], ARGV[1])
if state ~= 0 then return {state} end
local now = clock()
local prefix = ARGV[2] + 1
local count = #KEYS - 4
local records = redis.call('MGET', unpack(KEYS, 5))
local ARGS = 5 -- arguments of one request
local function arg(i, n) return ARGV[2 + ARGS * (i - 1) + n] end
local keys = {}
for i = 1, count do keys[i] = arg(i, 2) end
local used = redis.call('HMGET', KEYS[3], unpack(keys))
local fresh, fresh_keys, results = {}, {}, {0, now} -- an entry of the outbox: when, the record's epoch, the order
local texts, gone, outbox, order_keys = {}, {}, {}, {}

-- The answer to a request for a reservation that is an order already.
local function repeated(i, r, text, core)
  local key, payload = arg(i, 2), arg(i, 3)
  if r.order_payload == payload or r.order_payload == '*' then
    local entry = fresh[core] and fresh[core].entry or redis.call('HGET', KEYS[4], core)
    if not entry then return {1, text} end
    return {2, text, string.match(entry, '^%d+ %d+ (.*)$')}
  end
  return r.order_key == key and 5 or 4
end

local function decide(i)
  local record_key = KEYS[4 + i]
  local core = string.sub(record_key, prefix)
  local text = fresh[core] and fresh[core].text or records[i]
  if not text then return 1 end
  local r = read_record(text)
  if r.epoch ~= arg(i, 1) then return 1 end
  if not may_dispose(r, arg(i, 4)) then return 6 end
  local key = arg(i, 2)
  local owner = used[i] or fresh_keys[key]
  if owner and owner ~= core then return 5 end
  if r.status == 'c' or r.status == 'f' then return repeated(i, r, text, core) end
  if r.status == 'r' then return 3 end
  if r.status == 'x' or lapsed(r, now) then return 2 end
  r.status, r.order_key, r.order_payload, r.ordered, r.committed = 'c', key, arg(i, 3), digits(now), '0'
  text = write_record(r)
  local entry = digits(now) .. ' ' .. r.epoch .. ' ' .. arg(i, 5)
  fresh[core], fresh_keys[key] = {text = text, entry = entry}, core
  move(r, 'held', 'sold')
  local n = #texts
  texts[n + 1], texts[n + 2] = record_key, text
  outbox[n + 1], outbox[n + 2] = core, entry
  order_keys[n + 1], order_keys[n + 2] = key, core
  gone[#gone + 1] = core
  return {0, text}
end

for i = 1, count do results[2 + i] = decide(i) end
if #gone > 0 then
  redis.call('MSET', unpack(texts))
  redis.call('HSET', KEYS[4], unpack(outbox))
  redis.call('HSET', KEYS[3], unpack(order_keys))
  redis.call('ZREM', KEYS[2], unpack(gone))
  write_stock(KEYS[1])
  redis.call('HINCRBY', KEYS[1], 'orders', digits(#gone))
end
return results
