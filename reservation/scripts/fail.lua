-- Marks orders as failed: the ledger has refused them for good. Their units and their customers' limits are
-- given back. Idempotent by reservation. An order that is in the ledger stays as it is.
-- KEYS: 1 stock, 2 customers, 3 due, 4 outbox, 5… one record an order
-- ARGV: 1 epoch, 2 length of the record keys' prefix, 3 where the units go: available or withheld,
--       then per order: the record's epoch, ordered ms, customer, channel, lines
-- Returns {0, how many are failed now and were not before}, {1} not ready, {2} another epoch, {9} another run
local state = read_head(KEYS[1], ARGV[1])
if state ~= 0 then return {state} end
local prefix = ARGV[2] + 1
local records = redis.call('MGET', unpack(KEYS, 5))
local failed, gone, fresh = 0, {}, {}

local function fail(key, core, r, ordered)
  local counter = r.status == 'c' and 'sold' or r.status == 'h' and 'held'
  if counter then
    move(r, counter, ARGV[3])
    charge(r, -1)
  end
  if r.status ~= 'c' then r.order_key, r.order_payload, r.ordered = '*', '*', ordered end
  r.status, r.committed = 'f', counter and ARGV[3] == 'withheld' and '1' or '0'
  local text = write_record(r)
  redis.call('SET', key, text, 'PX', COMMITTED_KEEP_MS)
  fresh[key] = text
  gone[#gone + 1] = core
  failed = failed + 1
end

for i = 1, #KEYS - 4 do
  local key, a = KEYS[4 + i], 4 + (i - 1) * 5
  local text = fresh[key] or records[i]
  local r = text and read_record(text) or stand_in(unpack(ARGV, a, a + 4))
  local committed = r.status == 'c' and r.committed ~= '0'
  if r.epoch == ARGV[a] and r.status ~= 'f' and not committed then fail(key, string.sub(key, prefix), r, ARGV[a + 1]) end
end
if failed == 0 then return {0, 0} end
redis.call('HDEL', KEYS[4], unpack(gone))
redis.call('ZREM', KEYS[3], unpack(gone))
write_stock(KEYS[1])
write_customers(KEYS[2])
return {0, failed}
