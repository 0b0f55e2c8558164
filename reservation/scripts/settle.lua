-- Marks orders as committed to the ledger, and puts right what Redis did not know of them. Idempotent by
-- reservation.
-- KEYS: 1 stock, 2 customers, 3 due, 4 outbox, 5… one record an order
-- ARGV: 1 epoch, 2 length of the record keys' prefix,
--       then per order: the record's epoch, committed ms, ordered ms, customer, channel, lines
-- Returns {0, repaired, forced}, {1} not ready, {2} another epoch, {9} another run.
-- Repaired: orders that were still held. Forced: units taken for orders whose reservation was missing,
-- expired or released, or that had failed.
local state = read_head(KEYS[1], ARGV[1])
if state ~= 0 then return {state} end
local prefix = ARGV[2] + 1
local count = #KEYS - 4
local records = redis.call('MGET', unpack(KEYS, 5))
local repaired, forced, orders, cores, fresh = 0, 0, 0, {}, {}

-- Takes the units of an order that has none.
local function force(r)
  move(r, 'available', 'sold')
  charge(r, 1)
  for _, n in string.gmatch(r.lines, '([^,=]+)=(%d+)') do forced = forced + n end
  orders = orders + 1
end

-- Takes the units of an order that had failed, and is in the ledger all the same.
local function readmit(r)
  local from = r.committed == '1' and 'withheld' or 'available'
  move(r, from, 'sold')
  charge(r, 1)
  if from == 'withheld' then return end
  for _, n in string.gmatch(r.lines, '([^,=]+)=(%d+)') do forced = forced + n end
end

for i = 1, count do
  local key, a = KEYS[4 + i], 2 + (i - 1) * 6
  local text = fresh[key] or records[i]
  local r = text and read_record(text) or stand_in(ARGV[a + 1], unpack(ARGV, a + 3, a + 6))
  local before = r.status
  if before ~= 'c' or r.committed == '0' then
    if before == 'h' then
      move(r, 'held', 'sold')
      repaired, orders = repaired + 1, orders + 1
    elseif before == 'f' then
      readmit(r)
    elseif before ~= 'c' then
      force(r)
    end
    if before ~= 'c' and before ~= 'f' then r.order_key, r.order_payload, r.ordered = '*', '*', ARGV[a + 3] end
    r.status, r.committed = 'c', ARGV[a + 2]
    text = write_record(r)
    fresh[key] = text
    redis.call('SET', key, text, 'PX', COMMITTED_KEEP_MS)
  end
  cores[i] = string.sub(key, prefix)
end
redis.call('HDEL', KEYS[4], unpack(cores))
if repaired > 0 then redis.call('ZREM', KEYS[3], unpack(cores)) end
write_stock(KEYS[1])
write_customers(KEYS[2])
if orders > 0 then redis.call('HINCRBY', KEYS[1], 'orders', digits(orders)) end
if repaired > 0 then redis.call('HINCRBY', KEYS[1], 'repaired', digits(repaired)) end
if forced > 0 then redis.call('HINCRBY', KEYS[1], 'forced', digits(forced)) end
return {0, repaired, forced}
